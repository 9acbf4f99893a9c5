"""What a published status list is called, and which credentials set its bits. Pure.

- One list of indexes is published twice, once a purpose: revocation is for ever, suspension is not (Bitstring Status List
  v1.0, 2.1). `<list>` is the list of revocations, `<list>/suspension` that of suspensions.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from services.registry.credentials.domain import CredentialStatus
from shared.errors import NotFound
from shared.status.bitstring import StatusPurpose

BIT: dict[StatusPurpose, CredentialStatus] = {"revocation": "revoked", "suspension": "suspended"}
"""Which status sets the bit of a purpose."""

PurposeName = Literal["revocation", "suspension"]


class StatusListNotFound(NotFound):
    """404: no credential has an index in such a list."""

    title = "There is no such status list here."


class PublishedList(NamedTuple):
    """A signed list: the token, its entity tag, the version of the statuses it was made from, and the key that signed it."""

    token: bytes
    etag: str
    version: int
    kid: str


def list_url(base: str, name: str, purpose: StatusPurpose) -> str:
    """Where a list is served."""
    return f"{base}/{name}" if purpose == "revocation" else f"{base}/{name}/{purpose}"

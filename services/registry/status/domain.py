"""What a published status list is called, how long it is, and which credentials set its bits. Pure.

- One list of indexes is published twice, once a purpose: revocation is for ever, suspension is not (Bitstring Status List
  v1.0, 2.1). `<list>` is the list of revocations, `<list>/suspension` that of suspensions.
- A list has at least 131,072 entries and grows by doubling, so that its length tells nothing of how many there are.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from services.registry.credentials.domain import Status
from shared.errors import NotFound
from shared.status.bitstring import MIN_ENTRIES, StatusPurpose

MAX_ENTRIES = 1 << 20
"""The longest list: 128 KB of bits. An issuer begins a new one long before."""

BIT: dict[StatusPurpose, Status] = {"revocation": "revoked", "suspension": "suspended"}
"""Which status sets the bit of a purpose."""

PurposeName = Literal["revocation", "suspension"]


class StatusListNotFound(NotFound):
    """404: no credential has a place in such a list."""

    title = "There is no such status list here."


class Published(NamedTuple):
    """A signed list: the token, its entity tag, the version of the states it was made from, and the key that signed it."""

    token: bytes
    etag: str
    version: int
    kid: str


def list_url(base: str, name: str, purpose: StatusPurpose) -> str:
    """Where a list is served."""
    return f"{base}/{name}" if purpose == "revocation" else f"{base}/{name}/{purpose}"


def length_for(index: int, length: int) -> int | None:
    """How long a list of `length` entries must be to hold `index`; None when that is beyond any list."""
    if index >= MAX_ENTRIES:
        return None
    longer = max(length, MIN_ENTRIES)
    while longer <= index:
        longer *= 2
    return longer

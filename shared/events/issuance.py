"""The issuance stream: what an issuer tells its own registry. It never leaves the node, for it holds the status index."""

from __future__ import annotations

from hashlib import sha256
from typing import ClassVar

import pybase64
from pydantic import Field

from shared.clock import Instant
from shared.events.base import ISSUANCE, Digest, Event, KeyId, Ref, Slug, Stream, Text, catalogued


@catalogued
class CredentialIssued(Event):
    """An institution signed a credential; its registry is to register it."""

    kind: ClassVar[str] = "credential.issued.v1"
    stream: ClassVar[Stream] = ISSUANCE

    ref: Ref
    commitments: dict[str, Digest] = Field(min_length=1, max_length=8)
    """Per format, the SHA-256 of the issuer's signing input."""
    institution: Slug
    kid: KeyId
    credential_type: Text
    eqf: int | None = Field(default=None, ge=1, le=8)
    isced_f: str | None = Field(default=None, max_length=4)
    status_list: Slug
    status_index: int = Field(ge=0, lt=2**31)
    issued: Instant
    valid_until: Instant | None = None
    replaces: Ref | None = None
    asked_by: Digest | None = None
    """Who asked for it, as `person` names them, where it replaces another: ending that one counts towards their ten."""

    def subject(self) -> str:
        """The credential's ref."""
        return self.ref


def actor_pseudonym(actor: str) -> str:
    """The pseudonym under which an administrator's revocations are counted: SHA-256 of the name in the audit, base64url."""
    return pybase64.urlsafe_b64encode(sha256(actor.encode()).digest())[:43].decode()

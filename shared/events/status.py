"""The status stream: what became of registered credentials. Versions of one credential rise; `revoked` is for ever."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from shared.clock import Instant
from shared.events.base import ANY_SUBJECT, STATUS, Event, KeyId, Ref, Stream, catalogued

PublicReason = Literal["error", "superseded", "withdrawn", "unspecified"]
"""The reasons that may be told abroad; whatever else was the case stays at home."""


class _StatusChanged(Event):
    stream: ClassVar[Stream] = STATUS

    ref: Ref
    version: int = Field(ge=1, lt=2**31)
    """Rises with each change of this credential's status, from 1."""
    effective: Instant

    def subject(self) -> str:
        """The credential's ref."""
        return self.ref


@catalogued
class CredentialSuspended(_StatusChanged):
    """The credential does not hold for now."""

    kind: ClassVar[str] = "credential.suspended.v1"
    reduces_trust: ClassVar[bool] = True

    until: Instant | None = None
    """When the registry means to reinstate it by itself; the end is an event of its own, never a reader's clock."""
    reason: PublicReason = "unspecified"


@catalogued
class CredentialReinstated(_StatusChanged):
    """The credential holds again."""

    kind: ClassVar[str] = "credential.reinstated.v1"


@catalogued
class CredentialRevoked(_StatusChanged):
    """The credential never holds again."""

    kind: ClassVar[str] = "credential.revoked.v1"
    reduces_trust: ClassVar[bool] = True

    reason: PublicReason = "unspecified"
    replaced_by: Ref | None = None


@catalogued
class CredentialsRevoked(Event):
    """Many credentials at once: a list of refs, or a key's credentials beyond the registrations that stand."""

    kind: ClassVar[str] = "credentials.revoked.v1"
    stream: ClassVar[Stream] = STATUS
    reduces_trust: ClassVar[bool] = True

    operation: Ref
    """One id for all the events of one operation."""
    refs: tuple[Ref, ...] = Field(default=(), max_length=4_000)
    key: KeyId | None = None
    registrations_stand_to: int | None = Field(default=None, ge=0)
    """With `key`: registrations by that key up to this sequence stand."""
    effective: Instant
    reason: PublicReason = "unspecified"

    def subject(self) -> str:
        """Everything: which credentials it reaches is read from its content."""
        return ANY_SUBJECT

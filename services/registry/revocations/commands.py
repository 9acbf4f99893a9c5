"""What may be asked about revoking many credentials, and what is answered."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from services.registry.revocations.domain import MAX_REFS, Operation
from shared.clock import Instant
from shared.events.base import KeyId, Ref
from shared.events.status import PublicReason
from shared.web.command import Command, View


class RevokeCredentials(Command):
    """Revoke a list of credentials, or what a key signed. Exactly one of `refs` and `key`."""

    refs: tuple[Ref, ...] = Field(default=(), max_length=MAX_REFS)
    """The credentials; those that are revoked already are left as they are."""
    key: KeyId | None = None
    """An institution's key: all credentials that it signed."""
    registrations_stand_to: int | None = Field(default=None, ge=0, lt=2**53)
    """With `key`: registrations up to this sequence of this node stand; none does, unless it is given."""
    reason: PublicReason = "unspecified"
    """What other nodes may know."""
    effective: Instant | None = None
    """From when they do not hold; now, unless an earlier time is given."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.refs) == (self.key is not None):
            raise ValueError("name either refs or a key")
        if self.key is None and self.registrations_stand_to is not None:
            raise ValueError("registrations_stand_to goes with a key")
        if len(set(self.refs)) != len(self.refs):
            raise ValueError("a ref is named twice")
        return self


class OperationView(View):
    """A revocation of many, and how far it has come."""

    operation: Ref
    status: Literal["pending", "applying", "done"]
    """`pending`: it waits for a second person. `applying`: the event is emitted, and being carried through here."""
    reason: PublicReason
    effective: Instant
    key: KeyId | None
    registrations_stand_to: int | None
    named: int
    """How many refs it names; 0 when it goes by a key."""
    revoked: int
    """How many credentials it has revoked so far."""
    asked_by: str
    """Who asked. Where it comes of a correction it is their pseudonym, or empty if the issuer did not name them."""
    asked: Instant
    confirmed_by: str | None


def view(operation: Operation) -> OperationView:
    """An operation as it is shown."""
    return OperationView(
        operation=operation.id,
        status=operation.state,
        reason=operation.reason,
        effective=operation.effective,
        key=operation.key,
        registrations_stand_to=operation.stand_to if operation.key else None,
        named=len(operation.refs),
        revoked=operation.applied,
        asked_by=operation.asked_by,
        asked=operation.asked,
        confirmed_by=operation.confirmed_by,
    )

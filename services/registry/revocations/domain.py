"""Revoking many credentials at once, and when a second person has to confirm. Pure.

- Two persons beyond ten revocations per administrator per rolling hour, whatever the route (protocol, section 7): one by
  one, as a list, by a key, or by correcting. What a second person confirmed counts towards no administrator's ten.
- A list of refs is one event of at most 4,000. A key's credentials are a predicate: all that it signed, except registrations
  up to a sequence, which stand.
- A correction beyond the ten is registered, and what it replaces waits for the second person. The operation's id is the ref
  of the new credential, which both persons know.
- An operation waits a day for its second person; then it has to be asked for anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from shared.errors import Conflict, Invalid, NotFound
from shared.events.status import CredentialsRevoked, PublicReason
from shared.two_persons.domain import require_another

OperationState = Literal["pending", "applying", "done"]

MAX_REFS = 4_000
"""Refs in one operation; it stays one event that fits into a record of any bus."""
CONFIRMATION_TIME = timedelta(days=1)
"""How long an operation waits for its second person."""


class OperationNotFound(NotFound):
    """404: not there, or not yours."""

    title = "There is no such operation here."


class OperationNotPending(Conflict):
    """409: nothing waits to be confirmed."""

    title = "The operation is not waiting to be confirmed."


class OperationOutlived(Conflict):
    """409: no second person confirmed it in time."""

    title = "The operation has waited too long."


class NothingToRevoke(Conflict):
    """409: all of it is revoked already."""

    title = "All of these credentials are revoked already."


class RegistrationsNotReached(Invalid):
    """422: registrations cannot stand that were not made yet."""

    title = "The registrations have not come that far."


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A revocation of many credentials: of `refs`, or of all that `key` signed beyond the registrations that stand."""

    id: str
    asked_by: str
    """The actor. Where it comes of a correction: the pseudonym of the person who corrected, or `UNKNOWN_PERSON`."""
    asked: datetime
    reason: PublicReason
    effective: datetime
    institution: str | None = None
    """The institution whose officers asked, or whose credential was corrected: they alone see the operation. None where the
    nation's own officers asked.
    """
    refs: tuple[str, ...] = ()
    key: str | None = None
    stand_to: int = 0
    """With `key`: the last registration that stands; 0: none does."""
    state: OperationState = "pending"
    confirmed_by: str | None = None
    applied: int = 0
    """How many credentials it has revoked so far."""
    cursor: str = ""
    """The last ref that was looked at while a key's credentials are being revoked."""
    replaced_by: str | None = None
    """The new credential, where the operation comes of a correction."""
    version: int = 0
    """That of the stored document."""


def confirm(operation: Operation, actor: str, now: datetime) -> Operation:
    """The operation as `actor` confirmed it; raises where they may not confirm it, or where it is too late."""
    if operation.state != "pending":
        raise OperationNotPending("Nothing is left to confirm. Read the operation to see what became of it.")
    require_another(operation.asked_by, actor)
    if now - operation.asked > CONFIRMATION_TIME:
        raise OperationOutlived("Ask for the revocation anew, and have it confirmed within a day.")
    return replace(operation, confirmed_by=actor)


def event(operation: Operation, refs: tuple[str, ...] = ()) -> CredentialsRevoked:
    """The event of it: of a key, or of those `refs` that were not revoked yet."""
    return CredentialsRevoked(
        operation=operation.id,
        refs=refs if operation.key is None else (),
        key=operation.key,
        registrations_stand_to=operation.stand_to or None,
        effective=operation.effective,
        reason=operation.reason,
    )

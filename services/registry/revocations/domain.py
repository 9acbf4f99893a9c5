"""Revoking many credentials at once, and when a second person has to confirm. Pure.

- Two persons beyond ten revocations per administrator per rolling hour, whatever the route (protocol, section 7): one by
  one, as a list, by a key, or by correcting. What a second person confirmed does not count towards anybody's ten.
- A list of refs is one event of at most 4,000. A key's credentials are a predicate: all that it signed, except registrations
  up to a sequence, which stand.
- A correction beyond the ten is registered, and what it replaces waits for the second person: the operation's id is the ref
  of the new credential, which both of them know.
- An operation waits a day for its second person; then it has to be asked for anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from shared.errors import Conflict, Invalid, NotFound
from shared.events.issuance import actor_pseudonym
from shared.events.status import CredentialsRevoked, PublicReason

State = Literal["pending", "applying", "done"]

ALONE = 10
"""How many credentials one administrator may revoke alone within `WINDOW`."""
WINDOW = timedelta(hours=1)
MAX_REFS = 4_000
"""Refs in one operation; it stays one event that fits into a record of any bus."""
PATIENCE = timedelta(days=1)
"""How long an operation waits for its second person."""


NOBODY = ""
"""Who asked for a correction whose issuance does not say: of nobody can it be told that they are another person."""


class SecondPersonNeeded(Conflict):
    """409: beyond what one administrator may revoke alone."""

    title = "A second person has to confirm that."


class OperationNotFound(NotFound):
    """404: not there, or not yours."""

    title = "There is no such operation here."


class OperationNotPending(Conflict):
    """409: nothing waits to be confirmed."""

    title = "The operation is not waiting to be confirmed."


class OperationOutlived(Conflict):
    """409: nobody confirmed it in time."""

    title = "The operation has waited too long."


class NothingToRevoke(Conflict):
    """409: all of it is revoked already."""

    title = "All of these credentials are revoked already."


class RegistrationsNotReached(Invalid):
    """422: registrations cannot stand that were not made yet."""

    title = "The registrations have not come that far."


@dataclass(frozen=True, slots=True)
class Operation:
    """A revocation of many: by `refs`, or by `key` beyond the registrations that stand.

    `institution` is set when its officers asked, and then it is theirs alone; also when it comes of a correction, and then
    `replaced_by` is the new credential and `asked_by` the pseudonym of whoever corrected, or empty. `applied`: how many
    credentials it revoked so far; `cursor`: the last ref that was looked at while a key's credentials are being revoked.
    """

    id: str
    asked_by: str
    asked: datetime
    reason: PublicReason
    effective: datetime
    institution: str | None = None
    refs: tuple[str, ...] = ()
    key: str | None = None
    stand_to: int = 0
    state: State = "pending"
    confirmed_by: str | None = None
    applied: int = 0
    cursor: str = ""
    version: int = 0
    replaced_by: str | None = None


def confirm(operation: Operation, actor: str, now: datetime) -> Operation:
    """The operation once `actor` stands by it as well; raises when it is not theirs to confirm, or not any more."""
    if operation.state != "pending":
        raise OperationNotPending("Nothing is left to confirm. Read the operation to see what became of it.")
    if operation.asked_by in (actor, actor_pseudonym(actor), NOBODY):
        raise SecondPersonNeeded("Have another administrator confirm it with a token of their own.")
    if now - operation.asked > PATIENCE:
        raise OperationOutlived("Ask for the revocation anew, and have it confirmed within a day.")
    return replace(operation, confirmed_by=actor)


def event(operation: Operation, refs: tuple[str, ...] = ()) -> CredentialsRevoked:
    """What is said abroad: of a key, or of those `refs` that were not revoked yet."""
    return CredentialsRevoked(
        operation=operation.id,
        refs=refs if operation.key is None else (),
        key=operation.key,
        registrations_stand_to=operation.stand_to or None,
        effective=operation.effective,
        reason=operation.reason,
    )

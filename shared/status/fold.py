"""The fold: facts in, one state out. Any order, any repetition, any lateness of the same facts gives the same state.

absent < issued < {suspended@v | active@v: larger v wins, suspended wins a tie} < revoked (absorbing)

- Of several revocations the earliest (effective, hash) names the reason; they never undo one another.
- ACTIVE is said only of what is registered. What is revoked before it is registered is REVOKED: a tombstone.
- A plain fold counts every fact whatever its effective time, so a clock set ahead delays nothing.
- `as_of=T` counts the facts effective by T (what was true then, by what we know now); `known_at=T` those we had by T.
- A key's cutoff reaches a credential through its registration: by that key, and later than what stands. Registrations are
  compared by sequence alone, in whatever epoch: where a recovery leaves a doubt, less is trusted.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple, TypeVar

import pybase64

from shared.events.registrations import CredentialRegistered
from shared.events.status import CredentialRevoked, CredentialsRevoked, CredentialSuspended
from shared.status.facts import Fact, KeyCutoff, key_cutoff

F = TypeVar("F", Fact, KeyCutoff)


class Status(StrEnum):
    """What a credential is by the facts at hand."""

    ABSENT = "absent"
    """No fact about it counts."""
    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"


class State(NamedTuple):
    """One credential's state. `since`, `reason`, `until` and `replaced_by` are those of the fact that decided."""

    status: Status
    version: int = 0
    """The largest status version seen; 0 before the first change."""
    since: datetime | None = None
    reason: str | None = None
    replaced_by: str | None = None
    until: datetime | None = None
    registration: Fact | None = None
    revocation: str | None = None
    """The hash of the entry that revoked it."""

    @property
    def registered(self) -> CredentialRegistered | None:
        """What the registry said when it registered the credential."""
        event = self.registration.event if self.registration else None
        return event if isinstance(event, CredentialRegistered) else None


NOTHING = State(Status.ABSENT)
"""The fold of no facts."""


class _Revocation(NamedTuple):
    """Sorts as the protocol names the reason: by effective time, then hash."""

    effective: datetime
    hash: str
    reason: str
    replaced_by: str | None


def fold(
    facts: Iterable[Fact],
    cutoffs: Iterable[KeyCutoff] = (),
    *,
    as_of: datetime | None = None,
    known_at: datetime | None = None,
) -> State:
    """The state of one credential by the facts that name it and by what was said of its key."""
    counted = _counted(facts, as_of, known_at)
    registrations: list[Fact] = []
    changes: list[Fact] = []
    revocations: list[_Revocation] = []
    cuts = list(_counted(cutoffs, as_of, known_at))
    for fact in counted:
        event = fact.event
        if isinstance(event, CredentialRegistered):
            registrations.append(fact)
        elif isinstance(event, CredentialsRevoked):
            cut = key_cutoff(fact)
            cuts += [cut] if cut else []
            revocations += [_Revocation(event.effective, fact.hash, event.reason, None)] if event.refs else []
        else:
            changes.append(fact)
            if isinstance(event, CredentialRevoked):
                revocations.append(_Revocation(event.effective, fact.hash, event.reason, event.replaced_by))
    if cuts:
        revocations += _cut_off(registrations, cuts)
    return _state(_first(registrations), changes, revocations)


def state_line(fact: Fact) -> str:
    """What of a fact goes into the state hash: `stream epoch sequence hash`."""
    return f"{fact.event.stream.name} {fact.epoch} {fact.seq} {fact.hash}\n"


def hash_of_lines(lines: AbstractSet[str]) -> str:
    """The state hash of facts, from their lines: SHA-256 in base64url over the sorted distinct lines. State is a function of
    the facts, so two nodes with equal digests have equal states.
    """
    return pybase64.urlsafe_b64encode(sha256("".join(sorted(lines)).encode()).digest())[:43].decode()


def _counts(fact: Fact | KeyCutoff, as_of: datetime | None, known_at: datetime | None) -> bool:
    return (as_of is None or fact.effective <= as_of) and (known_at is None or fact.known_at <= known_at)


def _counted(facts: Iterable[F], as_of: datetime | None, known_at: datetime | None) -> Iterable[F]:
    if as_of is None and known_at is None:
        return facts
    return [fact for fact in facts if _counts(fact, as_of, known_at)]


def _first(registrations: list[Fact]) -> Fact | None:
    if len(registrations) < 2:
        return registrations[0] if registrations else None
    return min(registrations, key=_place)


def _place(fact: Fact) -> tuple[int, int, str, datetime]:
    return (fact.epoch, fact.seq, fact.hash, fact.known_at)


def _cut_off(registrations: list[Fact], cutoffs: list[KeyCutoff]) -> list[_Revocation]:
    """Every cutoff that reaches any registration of the credential: more facts can only revoke more."""
    return [
        _Revocation(cutoff.effective, cutoff.hash, cutoff.reason, None)
        for fact in registrations
        if isinstance(fact.event, CredentialRegistered)
        for cutoff in cutoffs
        if cutoff.kid == fact.event.kid and fact.seq > cutoff.stand_to
    ]


def _state(registration: Fact | None, changes: list[Fact], revocations: list[_Revocation]) -> State:
    last = min(changes, key=_latest) if changes else None
    version = _version(last) if last else 0
    if revocations:
        effective, entry, reason, replaced_by = min(revocations, key=_naming)
        return State(
            Status.REVOKED,
            version,
            since=effective,
            reason=reason,
            replaced_by=replaced_by,
            registration=registration,
            revocation=entry,
        )
    if last is not None and isinstance(last.event, CredentialSuspended):
        event = last.event
        return State(
            Status.SUSPENDED,
            version,
            since=event.effective,
            reason=event.reason,
            until=event.until,
            registration=registration,
        )
    if registration is None:
        return State(Status.ABSENT, version)
    return State(Status.ACTIVE, version, since=(last or registration).effective, registration=registration)


def _naming(revocation: _Revocation) -> tuple[datetime, str, str, str]:
    """The order of revocations; two sayings of one entry (a mass revocation by key and by ref) still have one order."""
    return (revocation.effective, revocation.hash, revocation.reason, revocation.replaced_by or "")


def _version(fact: Fact) -> int:
    return getattr(fact.event, "version", 0)


def _latest(fact: Fact) -> tuple[int, bool, datetime, str]:
    """Sorts the deciding change first: the largest version; of one version suspended; of those the earliest."""
    return (-_version(fact), not isinstance(fact.event, CredentialSuspended), fact.effective, fact.hash)

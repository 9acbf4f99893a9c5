"""A registered credential and what may become of it. Pure: each rule gives the credential it makes and the event for it.

- active <-> suspended -> revoked; revoked is for ever (protocol, section 3).
- The version is that of the stored document: 1 when registered, and the nth change of status says n in its event.
- Suspending again replaces the end that was set before; between the two the credential is never active.
- A time in the future is refused: readers fold every fact they have, so an effect cannot be dated ahead.
- A registry that was set back takes what it said of its credentials from its own log; where a credential has its place in a
  status list stands in its issuance alone, and is known once that is heard again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from shared.clock import MAX_SKEW
from shared.errors import Conflict, Invalid, NotFound
from shared.events.issuance import CredentialIssued
from shared.events.registrations import CredentialRegistered
from shared.events.status import CredentialReinstated, CredentialRevoked, CredentialSuspended, PublicReason

Status = Literal["active", "suspended", "revoked"]

UNKNOWN_REF = "Check the ref. A credential appears here once its issuance has been heard."
"""The one answer to a ref that is not there, or not the caller's."""


class CredentialNotFound(NotFound):
    """404: not registered here, or not yours."""

    title = "There is no such credential here."


class CredentialAlreadyRevoked(Conflict):
    """409: revoked is for ever."""

    title = "The credential is revoked."


class CredentialNotSuspended(Conflict):
    """409: there is no suspension to end."""

    title = "The credential is not suspended."


class EffectiveInFuture(Invalid):
    """422: a revocation counts from now or from before."""

    title = "The time lies in the future."


class SuspensionOver(Invalid):
    """422: the end lies in the past."""

    title = "The suspension would be over already."


@dataclass(frozen=True, slots=True)
class Credential:
    """What the registry holds of a credential: nothing of its holder, and nothing of what is in it."""

    ref: str
    institution: str
    kid: str
    credential_type: str
    commitments: Mapping[str, str]
    status_list: str | None
    """None, like the index: registered by the own log, and its issuance not heard again yet."""
    status_index: int | None
    registered: datetime
    replaces: str | None = None
    status: Status = "active"
    reason: PublicReason | None = None
    effective: datetime | None = None
    until: datetime | None = None
    replaced_by: str | None = None
    version: int = 0


def register(
    issued: CredentialIssued, replaced: Credential | None, now: datetime
) -> tuple[Credential, CredentialRegistered]:
    """A credential enters the register; `replaced` is the one of the same institution that it says it replaces."""
    replaces = replaced.ref if replaced else None
    credential = Credential(
        issued.ref,
        issued.institution,
        issued.kid,
        issued.credential_type,
        issued.commitments,
        issued.status_list,
        issued.status_index,
        now,
        replaces,
    )
    event = CredentialRegistered(
        ref=issued.ref,
        commitments=issued.commitments,
        institution=issued.institution,
        kid=issued.kid,
        credential_type=issued.credential_type,
        replaces=replaces,
    )
    return credential, event


def revoke(
    held: Credential, reason: PublicReason, now: datetime, effective: datetime | None = None, replaced_by: str | None = None
) -> tuple[Credential, CredentialRevoked]:
    """End a credential for ever, from `effective` (now, unless given) on; raises `CredentialAlreadyRevoked`."""
    since = check_effective(effective, now)
    after = revoked(held, reason, since, replaced_by)
    event = CredentialRevoked(ref=held.ref, version=held.version, effective=since, reason=reason, replaced_by=replaced_by)
    return after, event


def revoked(held: Credential, reason: PublicReason, since: datetime, replaced_by: str | None = None) -> Credential:
    """The credential once it is revoked, by whichever event says so; raises `CredentialAlreadyRevoked`."""
    if held.status == "revoked":
        raise CredentialAlreadyRevoked("Nothing is left to do; a revocation cannot be taken back or changed.")
    return replace(held, status="revoked", reason=reason, effective=since, until=None, replaced_by=replaced_by)


def suspend(
    held: Credential, reason: PublicReason, until: datetime | None, now: datetime
) -> tuple[Credential, CredentialSuspended]:
    """Let a credential not hold for now, with or without an end; raises `CredentialAlreadyRevoked` or `SuspensionOver`."""
    if held.status == "revoked":
        raise CredentialAlreadyRevoked("It cannot be suspended any more.")
    if until is not None and until <= now:
        raise SuspensionOver("Give an `until` in the future, or leave it out and reinstate by hand.")
    event = CredentialSuspended(ref=held.ref, version=held.version, effective=now, until=until, reason=reason)
    return replace(held, status="suspended", reason=reason, effective=now, until=until), event


def reinstate(held: Credential, now: datetime) -> tuple[Credential, CredentialReinstated]:
    """Let a suspended credential hold again; raises `CredentialNotSuspended`."""
    if held.status != "suspended":
        raise CredentialNotSuspended("Read its status first: only a suspended credential can be reinstated.")
    event = CredentialReinstated(ref=held.ref, version=held.version, effective=now)
    return replace(held, status="active", reason=None, effective=now, until=None), event


def registered_before(said: CredentialRegistered, at: datetime) -> Credential:
    """A credential as this registry's own log says that it was registered."""
    return Credential(
        said.ref, said.institution, said.kid, said.credential_type, said.commitments, None, None, at, said.replaces
    )


def changed_before(held: Credential, said: CredentialSuspended | CredentialReinstated | CredentialRevoked) -> Credential:
    """A credential after a change that this registry's own log tells of."""
    if held.status == "revoked":
        return held
    if isinstance(said, CredentialRevoked):
        return revoked(held, said.reason, said.effective, said.replaced_by)
    if isinstance(said, CredentialSuspended):
        return replace(held, status="suspended", reason=said.reason, effective=said.effective, until=said.until)
    return replace(held, status="active", reason=None, effective=said.effective, until=None)


def check_effective(effective: datetime | None, now: datetime) -> datetime:
    """The moment a revocation counts from: now, or an earlier one that was given; raises `EffectiveInFuture`."""
    if effective is not None and effective > now + MAX_SKEW:
        raise EffectiveInFuture("Give the present or a past time, or leave it out; until then, suspend the credential.")
    return min(effective or now, now)


def is_repeat(held: Credential, issued: CredentialIssued) -> bool:
    """Whether this issuance is the one that was registered, heard once more."""
    return held.institution == issued.institution and dict(held.commitments) == dict(issued.commitments)

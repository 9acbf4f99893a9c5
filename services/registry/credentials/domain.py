"""A registered credential and what may become of it. Pure: each rule gives the credential it makes and the event for it.

- active <-> suspended -> revoked; revoked is for ever (protocol, section 3).
- The version is that of the stored document: 1 when registered, and the nth change of status says n in its event.
- Suspending again replaces the end that was set before; between the two the credential is never active.
- A time in the future is refused: readers fold every fact they have, so an effect cannot be dated ahead.
- A registry that was restored from an older backup reads from its own log what it had registered and changed. A credential's
  index in its status list stands in the issuance alone, and is known once that is received again.
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

CredentialStatus = Literal["active", "suspended", "revoked"]

ADVICE_ON_REF = "Check the ref. A credential appears here once its issuance has been received."
"""What is advised for a ref that is not there, and the same for one that is not the caller's."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What the registry knows of a credential: nothing of its holder, and nothing of what is in it."""

    ref: str
    institution: str
    kid: str
    credential_type: str
    commitments: Mapping[str, str]
    status_list: str | None
    """None, like the index, while the credential is known from this registry's own log alone (see above)."""
    status_index: int | None
    registered: datetime
    replaces: str | None = None
    status: CredentialStatus = "active"
    reason: PublicReason | None = None
    effective: datetime | None = None
    until: datetime | None = None
    replaced_by: str | None = None
    version: int = 0


def register(
    issued: CredentialIssued, replaced: Credential | None, now: datetime
) -> tuple[Credential, CredentialRegistered]:
    """A credential enters the register; `replaced` is the one of the same institution that it is to replace."""
    replaces = replaced.ref if replaced else None
    credential = Credential(
        ref=issued.ref,
        institution=issued.institution,
        kid=issued.kid,
        credential_type=issued.credential_type,
        commitments=issued.commitments,
        status_list=issued.status_list,
        status_index=issued.status_index,
        registered=now,
        replaces=replaces,
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
    credential: Credential,
    reason: PublicReason,
    now: datetime,
    effective: datetime | None = None,
    replaced_by: str | None = None,
) -> tuple[Credential, CredentialRevoked]:
    """End a credential for ever, from `effective` (now, unless given) on; raises `CredentialAlreadyRevoked`."""
    since = check_effective(effective, now)
    after = revoked(credential, reason, since, replaced_by)
    event = CredentialRevoked(
        ref=credential.ref, version=credential.version, effective=since, reason=reason, replaced_by=replaced_by
    )
    return after, event


def revoked(credential: Credential, reason: PublicReason, since: datetime, replaced_by: str | None = None) -> Credential:
    """The credential once it is revoked, alone or among many; raises `CredentialAlreadyRevoked`."""
    if credential.status == "revoked":
        raise CredentialAlreadyRevoked("Nothing is left to do; a revocation cannot be taken back or changed.")
    return replace(credential, status="revoked", reason=reason, effective=since, until=None, replaced_by=replaced_by)


def suspend(
    credential: Credential, reason: PublicReason, until: datetime | None, now: datetime
) -> tuple[Credential, CredentialSuspended]:
    """Let a credential not hold for now, with or without an end; raises `CredentialAlreadyRevoked` or `SuspensionOver`."""
    if credential.status == "revoked":
        raise CredentialAlreadyRevoked("It cannot be suspended any more.")
    if until is not None and until <= now:
        raise SuspensionOver("Give an `until` in the future, or leave it out and reinstate by hand.")
    event = CredentialSuspended(ref=credential.ref, version=credential.version, effective=now, until=until, reason=reason)
    return replace(credential, status="suspended", reason=reason, effective=now, until=until), event


def reinstate(credential: Credential, now: datetime) -> tuple[Credential, CredentialReinstated]:
    """Let a suspended credential hold again; raises `CredentialNotSuspended`."""
    if credential.status != "suspended":
        raise CredentialNotSuspended("Read its status first: only a suspended credential can be reinstated.")
    event = CredentialReinstated(ref=credential.ref, version=credential.version, effective=now)
    return replace(credential, status="active", reason=None, effective=now, until=None), event


def registered_before(event: CredentialRegistered, at: datetime) -> Credential:
    """A credential as it stands registered in this registry's own log."""
    return Credential(
        ref=event.ref,
        institution=event.institution,
        kid=event.kid,
        credential_type=event.credential_type,
        commitments=event.commitments,
        status_list=None,
        status_index=None,
        registered=at,
        replaces=event.replaces,
    )


def changed_before(
    credential: Credential, event: CredentialSuspended | CredentialReinstated | CredentialRevoked
) -> Credential:
    """A credential after a change that stands in this registry's own log."""
    if credential.status == "revoked":
        return credential
    if isinstance(event, CredentialRevoked):
        return revoked(credential, event.reason, event.effective, event.replaced_by)
    if isinstance(event, CredentialSuspended):
        return replace(credential, status="suspended", reason=event.reason, effective=event.effective, until=event.until)
    return replace(credential, status="active", reason=None, effective=event.effective, until=None)


def check_effective(effective: datetime | None, now: datetime) -> datetime:
    """The moment a revocation counts from: now, or an earlier one that was given; raises `EffectiveInFuture`."""
    if effective is not None and effective > now + MAX_SKEW:
        raise EffectiveInFuture("Give the present or a past time, or leave it out; until then, suspend the credential.")
    return min(effective or now, now)


def is_repeat(credential: Credential, issued: CredentialIssued) -> bool:
    """Whether this issuance is the one that was registered, received once more."""
    return credential.institution == issued.institution and dict(credential.commitments) == dict(issued.commitments)

"""What the issuer deals in: a draft that is ready to be issued, and why one is refused. Pure.

A draft is complete, signed and encrypted; all that is left is to keep it. Until then nothing of it exists for anybody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from services.issuer.places.domain import StatusPlace
from shared.credential.faults import Fault, as_members
from shared.errors import Conflict, Invalid, NotFound
from shared.events.issuance import CredentialIssued
from shared.status.fold import State, Status
from shared.trust import scope
from shared.trust.scope import REFUSALS
from shared.verification.verdict import TABLE, Outcome, StepResult

IssuedStatus = Literal["issued", "registered", "suspended", "revoked"]
"""`issued`: signed, and not registered (yet). The others are its status at the registry."""

_STATUS: dict[Status, IssuedStatus] = {
    Status.ABSENT: "issued",
    Status.ACTIVE: "registered",
    Status.SUSPENDED: "suspended",
    Status.REVOKED: "revoked",
}

PATH_OF_REASON = {**scope.PLACES, "expired": "valid_until", "issued-in-future": "issued"}
"""Which member of a draft a finding of the rehearsal speaks of, where it speaks of one."""

_STOPPING = (Outcome.FAILED, Outcome.UNKNOWN)

MOST_AHEAD = timedelta(days=1)
"""How far the date of issuing may lie ahead: a calendar day begins earlier in the east."""


class CredentialRefused(Invalid):
    """422: the rehearsal found something. `faults` lists each finding with path, rule, message and severity."""

    title = "The credential would not verify, so it is not issued."


class NotForDrafts(Invalid):
    """422: a draft has members that only the issuer may set."""

    title = "The draft has members that only the issuer sets."


class GivenTwice(Invalid):
    """422: one member is given in two places of a request."""

    title = "The request gives one thing twice."


class CredentialUnknown(NotFound):
    """404: not issued here, or not the caller's."""

    title = "There is no such credential here."


class NoSigningKey(Conflict):
    """409: the institution is accredited and has no key that it may sign with."""

    title = "The institution has no key to sign with."


class CredentialReplaced(Conflict):
    """409: another credential has replaced it already."""

    title = "The credential was replaced already."


class CredentialNotInForce(Conflict):
    """409: a credential that is revoked or suspended cannot be corrected."""

    title = "Only a credential that is in force can be corrected."


class CredentialStacked(Conflict):
    """409: a credential with parts is corrected by stacking it again."""

    title = "The credential is stacked from parts."


class DraftOutdated(Conflict):
    """409: between drafting and keeping, the place in the status list or the accreditations changed. Draft it again."""

    title = "Something else came first."


@dataclass(frozen=True, slots=True)
class CredentialIdentity:
    """A credential's reference, and the key that encrypts it. Both are fixed before it is drafted, so that drafting it again
    makes no second one.
    """

    ref: str
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Draft:
    """A signed credential that no one has seen yet; `trust_version` is the version of the trust book that it relies on."""

    node: str
    event: CredentialIssued
    signed: Mapping[str, bytes]
    """The credential as its holder gets it, by format; the first is the one that was asked for first."""
    key: bytes
    boxes: Mapping[str, str]
    """The same, each encrypted under `key`."""
    valid_from: datetime
    trust_version: int
    parts: tuple[str, ...] = ()
    """The refs of the parts that it names."""

    @property
    def ref(self) -> str:
        """The credential's reference."""
        return self.event.ref

    @property
    def place(self) -> StatusPlace:
        """Its place in a status list."""
        return StatusPlace(self.event.status_list, self.event.status_index)


def refuse_findings(results: Iterable[StepResult], issued: datetime, now: datetime, objections: Iterable[str] = ()) -> None:
    """Raise `CredentialRefused` with every step of a rehearsal that failed or was unknown, every objection of the
    accreditation (`TrustBook.objections`), and a date of issuing that has not come; warnings pass.
    """
    found = [_fault(result.reason or "", result.detail) for result in results if result.outcome in _STOPPING]
    named = {fault.rule for fault in found}
    found += [fault for fault in out_of_scope(objections) if fault.rule not in named]
    found += ahead(issued, now)
    if found:
        raise CredentialRefused(
            f"Correct this and send it again: {' '.join(fault.message for fault in found)}", faults=as_members(found)
        )


def out_of_scope(objections: Iterable[str]) -> list[Fault]:
    """What an accreditation has against a credential, each at its place."""
    return [_fault(reason, REFUSALS[reason]) for reason in objections]


def ahead(issued: datetime | None, now: datetime) -> list[Fault]:
    """A date of issuing that has not come."""
    if issued is None or issued <= now + MOST_AHEAD:
        return []
    return [_fault("issued-in-future", "The date of issuing lies in the future; leave it out to issue today.")]


def over(valid_until: datetime | None, now: datetime) -> list[Fault]:
    """A validity that has ended before it began."""
    return [_fault("expired", TABLE[5, "expired"].sentence)] if valid_until is not None and valid_until <= now else []


def _fault(reason: str, message: str) -> Fault:
    return Fault(PATH_OF_REASON.get(reason, ""), reason, message)


def refuse_correction(state: State) -> None:
    """Raise unless a credential in this state may be corrected."""
    if state.replaced_by is not None:
        raise CredentialReplaced("Correct the credential that replaced it.")
    if state.status is Status.REVOKED:
        raise CredentialNotInForce("It is revoked; issue a new credential.")
    if state.status is Status.SUSPENDED:
        raise CredentialNotInForce("It is suspended; have it reinstated first.")


def refuse_stacked(parts: Collection[str]) -> None:
    """Raise where a credential with these parts was to be corrected without them."""
    if parts:
        raise CredentialStacked("Stack it again from its parts, and name it in `replaces`.")


def status_of(state: State) -> IssuedStatus:
    """The state of a credential in the words of this service."""
    return _STATUS[state.status]

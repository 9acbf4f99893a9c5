"""Whom this nation vouches for, and the rules of that. Pure.

- A nation accredits institutions of its own jurisdictions (protocol, section 6). One institution may hold several
  accreditations; one that is withdrawn, not begun or ended covers nothing.
- An institution's key goes by its thumbprint (RFC 7638), belongs to one institution, and is never used again once retired.
- *Superseded*: what the key signed stands. *Compromised*: only registrations up to a stated sequence stand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from shared.clock import rfc3339
from shared.errors import Conflict, Forbidden, Invalid, NotFound
from shared.events.trust import AccreditationWithdrawn, InstitutionAccredited, InstitutionKeyAdded, InstitutionKeyRetired
from shared.jose.keys import VerificationKey, thumbprint
from shared.jose.purpose import Purpose
from shared.jose.refusals import KeyRefused
from shared.trust.scope import NEARNESS, RequiredScope, refusal

KeyStatus = Literal["active", "superseded", "compromised"]
RetirementReason = Literal["superseded", "compromised"]


class InstitutionNotFound(NotFound):
    """404: this nation vouches for no institution of that name."""

    title = "There is no such institution here."


class AccreditationNotFound(NotFound):
    """404: the institution holds no accreditation of that id."""

    title = "There is no such accreditation here."


class KeyNotFound(NotFound):
    """404: the institution has no key of that id."""

    title = "There is no such key here."


class OutsideJurisdiction(Invalid):
    """422: a nation accredits only institutions of its own jurisdictions."""

    title = "This node does not speak for that country."


class InstitutionElsewhere(Conflict):
    """409: the institution is accredited in another country already."""

    title = "The institution is accredited in another country."


class AccreditationAlreadyWithdrawn(Conflict):
    """409: it was withdrawn before."""

    title = "The accreditation was withdrawn already."


class InstitutionKeyRefused(Invalid):
    """422: the key is not one that an institution may sign with."""

    title = "The key cannot be taken."


class InstitutionKeyKnown(Conflict):
    """409: the key is on record already; keys are never shared, and never come back."""

    title = "The key is on record already."


class KeyAlreadyRetired(Conflict):
    """409: it was retired before, for this reason or a graver one."""

    title = "The key was retired already."


class NationOnly(Forbidden):
    """403: an institution does not accredit itself."""

    title = "Only the nation's own officers may do that."


@dataclass(frozen=True, slots=True)
class Accreditation:
    """What an institution is accredited for, and when that was withdrawn, if it was. `version`: of the stored document."""

    event: InstitutionAccredited
    withdrawn: datetime | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class RegisteredKey:
    """A key of an institution. `stand_to`: when compromised, up to which registration what it signed stands (0: none)."""

    institution: str
    kid: str
    jwk: Mapping[str, Any]
    status: KeyStatus = "active"
    stand_to: int = 0
    version: int = 0


def check_jurisdiction(country: str, covered: bool, accredited_in: str | None) -> None:
    """Raise unless this node speaks for `country` (`covered`) and the institution is not accredited in another one."""
    if not covered:
        raise OutsideJurisdiction("Have the institution accredited by the node of its own country.")
    if accredited_in is not None and accredited_in != country:
        raise InstitutionElsewhere("Give the branch in the other country an institution name of its own.")


def withdraw(accreditation: Accreditation, now: datetime) -> tuple[Accreditation, AccreditationWithdrawn]:
    """End an accreditation now; what was registered before stands."""
    if accreditation.withdrawn is not None:
        raise AccreditationAlreadyWithdrawn("Nothing is left to do. Accredit the institution anew if it is to come back.")
    accredited = accreditation.event
    event = AccreditationWithdrawn(institution=accredited.institution, accreditation=accredited.accreditation, effective=now)
    return replace(accreditation, withdrawn=now), event


def add_key(institution: str, kid: str, jwk: Mapping[str, Any]) -> tuple[RegisteredKey, InstitutionKeyAdded]:
    """A new key of the institution; raises `InstitutionKeyRefused` unless it is sound and `kid` is its thumbprint."""
    try:
        if thumbprint(jwk) != kid:
            raise InstitutionKeyRefused("Its `kid` is not its thumbprint (RFC 7638). Send the thumbprint.")
        public = {name: str(value) for name, value in VerificationKey.from_jwk(jwk, Purpose.INSTITUTION, kid).jwk().items()}
    except KeyRefused as refused:
        raise InstitutionKeyRefused(refused.detail) from None
    return RegisteredKey(institution, kid, public), InstitutionKeyAdded(institution=institution, kid=kid, jwk=public)


def retire(
    key: RegisteredKey, reason: RetirementReason, stand_to: int | None
) -> tuple[RegisteredKey, InstitutionKeyRetired]:
    """End a key. A superseded one may still be found compromised; nothing makes it sign again."""
    if key.status in ("compromised", reason):
        raise KeyAlreadyRetired("Nothing is left to do. Add a new key if the institution is to go on signing.")
    if reason == "superseded" and stand_to is not None:
        raise InstitutionKeyRefused("All that a superseded key signed stands. Leave out registrations_stand_to.")
    event = InstitutionKeyRetired(institution=key.institution, kid=key.kid, reason=reason, registrations_stand_to=stand_to)
    return replace(key, status=reason, stand_to=stand_to or 0), event


def not_covered(accreditations: Sequence[Accreditation], wanted: RequiredScope, now: datetime) -> str | None:
    """Why the institution may not award this now, in one slug (the nearest miss); None: it may."""
    nearest = "not-accredited"
    for accreditation in accreditations:
        reason = "accreditation-withdrawn" if accreditation.withdrawn else refusal(accreditation.event, wanted, now)
        if reason is None:
            return None
        nearest = max(nearest, reason, key=NEARNESS.__getitem__)
    return nearest


def instant(moment: datetime | None) -> str | None:
    """An instant as it is stored and shown, or null."""
    return rfc3339(moment) if moment else None

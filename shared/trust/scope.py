"""What an accreditation covers, and in which words a credential outside it is refused. Pure.

- Type: one of those listed. Level: at or below the EQF ceiling; a credential that claims no level claims nothing above it.
- Field: under one of the ISCED-F prefixes. Where fields are limited, a credential that names none is outside: otherwise
  leaving it out would be a way around.
- Jurisdiction: the awarding body's country is the country of the accreditation.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from shared.events.trust import InstitutionAccredited


class RequiredScope(NamedTuple):
    """What a credential needs its issuer to be accredited for."""

    credential_type: str
    eqf: int | None = None
    isced_f: str | None = None
    country: str | None = None
    """Of the awarding body, ISO 3166-1 alpha-2; None: not asked."""


class Decision(NamedTuple):
    """Whether an institution was accredited for it, and by which accreditation; or the reason that comes nearest."""

    allowed: bool
    reason: str | None
    detail: str
    accreditation: str | None = None
    name: str | None = None
    country: str | None = None


REFUSALS: dict[str, str] = {
    "not-accredited": "The institution is not accredited by the node it names.",
    "accreditation-withdrawn": "The institution's accreditation was withdrawn.",
    "accreditation-expired": "The institution's accreditation had ended by then.",
    "accreditation-not-yet": "The institution's accreditation had not begun then.",
    "jurisdiction-out-of-scope": "The awarding body's country is not the one it is accredited in.",
    "type-out-of-scope": "The institution is not accredited for credentials of this type.",
    "level-out-of-scope": "The institution is accredited only up to a lower EQF level.",
    "field-out-of-scope": "The institution is not accredited for this field of education.",
}
"""Every reason to refuse, from the furthest off to the nearest, each with its sentence."""

PLACES = {
    "type-out-of-scope": "credential_type",
    "level-out-of-scope": "level",
    "field-out-of-scope": "isced_f",
    "jurisdiction-out-of-scope": "awarding_body.country",
}
"""Which member of a draft a reason speaks of, where it speaks of one."""

NEARNESS = {reason: place for place, reason in enumerate(REFUSALS)}
"""How near each reason comes to being allowed; of several accreditations the nearest one's reason is given."""


def refusal(accredited: InstitutionAccredited, wanted: RequiredScope, on: datetime) -> str | None:
    """Why this accreditation, were it not withdrawn, does not cover `wanted` at the moment `on`; None when it does."""
    return next(refusals(accredited, wanted, on), None)


def refusals(accredited: InstitutionAccredited, wanted: RequiredScope, on: datetime) -> Iterator[str]:
    """Every reason why this accreditation, were it not withdrawn, does not cover `wanted` at the moment `on`."""
    if accredited.valid_until is not None and on >= accredited.valid_until:
        yield "accreditation-expired"
    if on < accredited.valid_from:
        yield "accreditation-not-yet"
    scope = accredited.scope
    if wanted.country is not None and wanted.country != accredited.country:
        yield "jurisdiction-out-of-scope"
    if wanted.credential_type not in scope.credential_types:
        yield "type-out-of-scope"
    if wanted.eqf is not None and wanted.eqf > scope.eqf_max:
        yield "level-out-of-scope"
    if scope.isced_f and not (wanted.isced_f or "").startswith(scope.isced_f):
        yield "field-out-of-scope"

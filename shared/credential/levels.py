"""Levels of different frameworks, put beside each other without guessing.

Rules
- QF-EHEA short, first, second and third cycle are EQF 5, 6, 7 and 8 (EQF Recommendation 2017/C 189/03, annex).
- A national level is the EQF level that its country's confirmed referencing says; equal numbers never mean equal levels.
- Unconfirmed, unmapped, ambiguous and foreign levels are unknown (None).
"""

from __future__ import annotations

from shared.credential.parts import Cycle, Level, NotApplicable
from shared.credential.vocabulary import national_level

EQF_OF_CYCLE: dict[Cycle, int] = {"short": 5, "first": 6, "second": 7, "third": 8}
"""The EQF level of each QF-EHEA cycle."""


def eqf_of_national(country: str, nqf: str) -> int | None:
    """The EQF level of a country's own level (URI, code, or prefix and code), or None when it is not known for certain."""
    level = national_level(country, nqf)
    return level.eqf if level else None


def eqf_of(level: Level | NotApplicable, country: str) -> int | None:
    """The EQF level that a credential claims: as stated, else by cycle, else by confirmed national level, else None."""
    if isinstance(level, NotApplicable):
        return None
    if level.eqf is not None:
        return level.eqf
    if level.cycle is not None:
        return EQF_OF_CYCLE[level.cycle]
    return eqf_of_national(country, level.nqf) if level.nqf else None

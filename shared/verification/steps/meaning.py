"""Step 10: what it means here: EQF level, national level, ECTS.

A level is placed only where the referencing of both countries is confirmed; equal numbers never mean equal levels.
"""

from __future__ import annotations

from functools import lru_cache

from shared.credential.levels import eqf_of
from shared.credential.parts import NotApplicable
from shared.credential.vocabulary import national_levels_of
from shared.formats.port import ReadCredential
from shared.verification.verdict import StepResult, found, passed


def check_meaning(credential: ReadCredential, country: str | None) -> StepResult:
    """Step 10, for use in `country` (alpha-2; None: without national level)."""
    award = credential.award
    eqf = eqf_of(award.level, award.awarding_body.country)
    national = _named(country, eqf) if eqf and country else ()
    evidence = {
        "eqf": eqf,
        "country": country,
        "national_levels": national,
        "ects": award.workload.ects,
        "hours": award.workload.hours,
    }
    if isinstance(award.level, NotApplicable):
        return passed(10, "Its issuer says that no level applies.", evidence)
    if eqf is None:
        return found(10, "level-unknown", evidence)
    if country and not national:
        return found(10, "level-unknown", evidence, f"It is EQF {eqf}; which national level that is here is not confirmed.")
    return passed(10, f"EQF {eqf}{', here ' if national else ''}{' or '.join(national)}.", evidence)


@lru_cache(maxsize=512)
def _named(country: str, eqf: int) -> tuple[str, ...]:
    """A country's own levels that are confirmed to be that EQF level, by framework and code."""
    return tuple(f"{level.framework} {level.code}" for level in national_levels_of(country, eqf))

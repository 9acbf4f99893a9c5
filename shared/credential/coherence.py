"""Whether what a credential says agrees with itself, all faults at once.

Rules
- Hours over ECTS credits lie within the policy: 25 to 30 by the ECTS Users' Guide 2015, which a node may widen.
- A credit band is a node's policy too, and off unless set: Europe has no common one.
- A national level belongs to the awarding body's country, and where its EQF level is confirmed it is the one stated.
- A QF-EHEA cycle is the EQF level stated (short 5, first 6, second 7, third 8).
- Dates are in order: born, issued, valid from, valid until; the quality assurance still held on the day of issue.
That languages, countries and ISCED-F fields exist is part of the model's types.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from shared.credential.faults import Fault
from shared.credential.levels import EQF_OF_CYCLE, eqf_of_national
from shared.credential.model import MicroCredential
from shared.credential.parts import Level, NotApplicable, Workload
from shared.credential.vocabulary import has_framework, national_level, national_level_of_uri

_ROUNDING = 1e-9
"""Slack for binary fractions, so that 62.5 hours are 2.5 credits of 25."""


@dataclass(frozen=True, slots=True)
class CoherencePolicy:
    """What a node takes as coherent: hours per ECTS credit, and the least and most credits of a micro-credential if any."""

    hours_per_ects: tuple[float, float] = (25.0, 30.0)
    ects_band: tuple[float, float] | None = None


DEFAULT_POLICY = CoherencePolicy()
"""25 to 30 hours per credit, no band."""


def faults(credential: MicroCredential, policy: CoherencePolicy = DEFAULT_POLICY) -> tuple[Fault, ...]:
    """Every contradiction, errors and warnings; empty when there is none."""
    found = [*_workload(credential.workload, policy), *_dates(credential)]
    if not isinstance(credential.level, NotApplicable):
        found += _level(credential.level, credential.awarding_body.country)
    return tuple(found)


def _workload(workload: Workload, policy: CoherencePolicy) -> Iterator[Fault]:
    if workload.ects is None:
        return
    if workload.hours is not None:
        least, most = policy.hours_per_ects
        if not least * workload.ects - _ROUNDING <= workload.hours <= most * workload.ects + _ROUNDING:
            message = f"an ECTS credit is {least:g} to {most:g} hours of learning here; correct the hours or the credits"
            yield Fault("workload", "hours-per-ects", message)
    if policy.ects_band is not None:
        fewest, greatest = policy.ects_band
        if not fewest <= workload.ects <= greatest:
            yield Fault("workload.ects", "ects-band", f"a micro-credential has {fewest:g} to {greatest:g} ECTS credits here")


def _level(level: Level, country: str) -> Iterator[Fault]:
    by_cycle = EQF_OF_CYCLE[level.cycle] if level.cycle else None
    stated = level.eqf or by_cycle
    if level.eqf and by_cycle and level.eqf != by_cycle:
        yield Fault(
            "level.cycle", "cycle-eqf", f"the {level.cycle} cycle is EQF {by_cycle}; correct the cycle or the EQF level"
        )
    if level.nqf is None:
        return
    if (owner := national_level_of_uri(level.nqf)) and owner.country != country:
        message = f"the national level belongs to {owner.jurisdiction}, not to the awarding body's country"
        yield Fault("level.nqf", "nqf-country", message, "warning")
    elif national_level(country, level.nqf) is None and has_framework(country):
        message = "the awarding body's country has no such level; name it by its framework and number, or by its URI"
        yield Fault("level.nqf", "nqf-unknown", message, "warning")
    confirmed = owner.eqf if owner else eqf_of_national(country, level.nqf)
    if confirmed and stated and confirmed != stated:
        yield Fault("level.nqf", "nqf-eqf", f"that national level is EQF {confirmed}; correct one of the two")


def _dates(credential: MicroCredential) -> Iterator[Fault]:
    born, issued, until = credential.holder.date_of_birth, credential.issued, credential.valid_until
    if born is not None and born >= issued.date():
        yield Fault("holder.date_of_birth", "born-after-issue", "the date of birth is not before the date of issuing")
    if until is not None and until <= issued:
        yield Fault("valid_until", "ends-before-issue", "it ends before it is issued")
    if until is not None and credential.valid_from is not None and until <= credential.valid_from:
        yield Fault("valid_until", "ends-before-start", "it ends before it begins")
    assured_until = credential.quality_assurance.valid_until
    if assured_until is not None and assured_until < issued:
        message = "the quality assurance had ended on the date of issuing"
        yield Fault("quality_assurance.valid_until", "assurance-ended", message, "warning")

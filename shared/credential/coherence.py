"""Whether what a credential says agrees with itself, all faults at once.

Rules
- Hours over ECTS credits lie within the policy: 25 to 30 by the ECTS Users' Guide 2015, which a node may widen.
- A credit band is a node's policy too, and off unless set: Europe has no common one.
- A national level belongs to the awarding body's country, and where its EQF level is confirmed it is the one stated.
- A QF-EHEA cycle is the EQF level stated (short 5, first 6, second 7, third 8).
- Dates are in order: born, issued, valid from, valid until; the quality assurance still held on the day of issue.
- A term whose URI is of the EU Vocabularies is in the list that belongs there (the list of kinds of supervision is not held
  whole, so nothing is held against one of those); an ESCO skill has the form of one.
That languages, countries and ISCED-F fields exist is part of the model's types.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shared.credential.faults import Fault
from shared.credential.levels import EQF_OF_CYCLE, eqf_of_national
from shared.credential.model import MicroCredential
from shared.credential.parts import Level, NotApplicable, Term, Workload
from shared.credential.vocabulary import ConceptList, concept, has_framework, national_level, national_level_of_uri

_ROUNDING = 1e-9
"""Slack for binary fractions, so that 62.5 hours are 2.5 credits of 25."""


SNB = "http://data.europa.eu/snb/"
"""Where the EU Vocabularies of education have their URIs."""

ESCO = "http://data.europa.eu/esco/"
"""Where ESCO has its URIs."""

_ESCO_SKILL = re.compile(rf"{ESCO}skill/(?:[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}|S\d+(?:\.\d+)*)")
"""A skill by its UUID, or a group of skills by its code."""

_LISTS: dict[ConceptList, str] = {
    "mode": "modes of learning and assessment",
    "assessment": "types of assessment",
    "quality_assurance": "types of quality assurance",
}


@dataclass(frozen=True, slots=True)
class CoherencePolicy:
    """What a node takes as coherent: hours per ECTS credit, and the least and most credits of a micro-credential if any."""

    hours_per_ects: tuple[float, float] = (25.0, 30.0)
    ects_band: tuple[float, float] | None = None


DEFAULT_POLICY = CoherencePolicy()
"""25 to 30 hours per credit, no band."""


def faults(credential: MicroCredential, policy: CoherencePolicy = DEFAULT_POLICY) -> tuple[Fault, ...]:
    """Every contradiction, errors and warnings; empty when there is none."""
    return faults_of(vars(credential), policy)


def faults_of(parts: Mapping[str, Any], policy: CoherencePolicy = DEFAULT_POLICY) -> tuple[Fault, ...]:
    """Every contradiction among parts of a credential, by their names in the model; what is None or absent is not judged."""
    found = [*_dates(parts), *_listed(parts)]
    if workload := parts.get("workload"):
        found = [*_workload(workload, policy), *found]
    if (level := parts.get("level")) and not isinstance(level, NotApplicable):
        found += _level(level, body.country if (body := parts.get("awarding_body")) else None)
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


def _level(level: Level, country: str | None) -> Iterator[Fault]:
    by_cycle = EQF_OF_CYCLE[level.cycle] if level.cycle else None
    stated = level.eqf or by_cycle
    if level.eqf and by_cycle and level.eqf != by_cycle:
        yield Fault(
            "level.cycle", "cycle-eqf", f"the {level.cycle} cycle is EQF {by_cycle}; correct the cycle or the EQF level"
        )
    if level.nqf is None or country is None:
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


def _dates(parts: Mapping[str, Any]) -> Iterator[Fault]:
    issued, begins, until = (parts.get(name) for name in ("issued", "valid_from", "valid_until"))
    born = getattr(parts.get("holder"), "date_of_birth", None)
    assured_until = getattr(parts.get("quality_assurance"), "valid_until", None)
    if born and issued and born >= issued.date():
        yield Fault("holder.date_of_birth", "born-after-issue", "the date of birth is not before the date of issuing")
    if until and issued and until <= issued:
        yield Fault("valid_until", "ends-before-issue", "it ends before it is issued")
    if until and begins and until <= begins:
        yield Fault("valid_until", "ends-before-start", "it ends before it begins")
    if assured_until and issued and assured_until < issued:
        message = "the quality assurance had ended on the date of issuing"
        yield Fault("quality_assurance.valid_until", "assurance-ended", message, "warning")


def _listed(parts: Mapping[str, Any]) -> Iterator[Fault]:
    """Terms that claim to be of the EU Vocabularies, in the list that belongs there; skills that claim to be of ESCO."""
    for path, term, name in _terms(parts):
        if term is not None and term.uri is not None and term.uri.startswith(SNB) and concept(name, term.uri) is None:
            yield Fault(path, "unknown-concept", f"that URI is not in the list of {_LISTS[name]}; take one that is, or none")
    for number, outcome in enumerate(parts.get("learning_outcomes") or ()):
        for place, skill in enumerate(outcome.skills):
            if skill.startswith(ESCO) and not _ESCO_SKILL.fullmatch(skill):
                message = "ESCO has no such URI; a skill's ends in /esco/skill/ and its UUID"
                yield Fault(f"learning_outcomes[{number}].skills[{place}]", "unknown-concept", message)


def _terms(parts: Mapping[str, Any]) -> Iterator[tuple[str, Term | None, ConceptList]]:
    assessment, assured = parts.get("assessment"), parts.get("quality_assurance")
    yield "participation.uri", parts.get("participation"), "mode"
    if assured:
        yield "quality_assurance.type.uri", assured.type, "quality_assurance"
    if assessment:
        yield "assessment.type.uri", assessment.type, "assessment"

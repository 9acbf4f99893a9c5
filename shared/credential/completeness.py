"""Which of the standard elements of a European micro-credential are there.

Rules (Council Recommendation 2022/C 243/02, Annex I)
- Elements 1 to 11 are mandatory, 12 to 16 optional "where relevant"; 8 may be not applicable, said explicitly.
- A draft is a mapping that may lack anything; a `MicroCredential` has all eleven by its type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from shared.credential.model import MicroCredential
from shared.credential.parts import NotApplicable, WithheldHolder
from shared.credential.shorthand import expand

Status = Literal["present", "missing", "not-applicable", "not-shown"]
"""`not-shown`: its holder may show it, and did not."""


class ElementReport(NamedTuple):
    """One element: its number and name in Annex I, whether it is there, where it lives, and how to write it (YAML)."""

    number: int
    name: str
    status: Status
    path: str
    hint: str

    @property
    def mandatory(self) -> bool:
        """Whether a micro-credential may not lack it."""
        return self.number <= LAST_MANDATORY


LAST_MANDATORY = 11
"""Elements up to this number are mandatory."""

_ELEMENTS = (
    ("identification of the learner", "holder", "holder: {given_name: Specimen, family_name: Learner}"),
    ("title", "title", "title: Data literacy"),
    ("country or region of the issuer", "awarding_body.country", "awarding_body: {country: EE}"),
    ("awarding body", "awarding_body.legal_name", "awarding_body: {legal_name: University of Tartu}"),
    ("date of issuing", "issued", "issued: 2026-11-23"),
    ("learning outcomes", "learning_outcomes", "learning_outcomes: [Reads a chart and questions its source]"),
    ("notional workload", "workload", "workload: {ects: 2, hours: 52}"),
    ("level", "level", "level: {eqf: 6}, or level: {reason: why no level applies}"),
    ("type of assessment", "assessment.type", "assessment: {type: project work}"),
    ("form of participation", "participation", "participation: blended"),
    ("type of quality assurance", "quality_assurance", "quality_assurance: Institutional Quality Assurance"),
    ("prerequisites", "prerequisites", "prerequisites: None"),
    ("supervision and identity verification", "assessment.supervision", "assessment: {supervision: Supervised on site}"),
    ("grade", "assessment.grade", "assessment: {grade: Pass}"),
    ("integration and stackability", "stackability", "stackability: stand-alone"),
    ("further information", "further_information", "further_information: Offered twice a year"),
)


def _reports(status: Status) -> tuple[ElementReport, ...]:
    return tuple(ElementReport(n, name, status, path, hint) for n, (name, path, hint) in enumerate(_ELEMENTS, 1))


_PRESENT, _MISSING, _NOT_APPLICABLE = _reports("present"), _reports("missing"), _reports("not-applicable")
_NOT_SHOWN = _reports("not-shown")[0]
_MANDATORY_PRESENT = _PRESENT[:LAST_MANDATORY]
_WITHOUT_LEVEL = (*_PRESENT[:7], _NOT_APPLICABLE[7], *_PRESENT[8:LAST_MANDATORY])


def report(subject: MicroCredential | Mapping[str, Any]) -> tuple[ElementReport, ...]:
    """The sixteen elements in their order, of a credential or of a draft in any of the forms a person may write."""
    return _of_credential(subject) if isinstance(subject, MicroCredential) else _of_draft(expand(subject))


def missing_mandatory(subject: MicroCredential | Mapping[str, Any]) -> tuple[ElementReport, ...]:
    """The mandatory elements that are not there; empty when a credential may be issued."""
    return tuple(element for element in report(subject) if element.mandatory and element.status == "missing")


def _of_credential(credential: MicroCredential) -> tuple[ElementReport, ...]:
    assessment = credential.assessment
    mandatory = _WITHOUT_LEVEL if isinstance(credential.level, NotApplicable) else _MANDATORY_PRESENT
    if isinstance(credential.holder, WithheldHolder):
        mandatory = (_NOT_SHOWN, *mandatory[1:])
    return (
        *mandatory,
        (_MISSING if credential.prerequisites is None else _PRESENT)[11],
        (_MISSING if assessment.supervision is None else _PRESENT)[12],
        (_MISSING if assessment.grade is None else _PRESENT)[13],
        (_MISSING if credential.stackability is None else _PRESENT)[14],
        (_MISSING if credential.further_information is None else _PRESENT)[15],
    )


def _of_draft(draft: Mapping[str, Any]) -> tuple[ElementReport, ...]:
    reports = [(_PRESENT if _says(draft, element.path) else _MISSING)[element.number - 1] for element in _PRESENT]
    if _says(draft, "level.reason"):
        reports[7] = _NOT_APPLICABLE[7]
    return tuple(reports)


def _says(draft: Mapping[str, Any], path: str) -> bool:
    """Whether something stands at a dotted path; an empty text, list or mapping, or one of only such, is nothing."""
    value: Any = draft
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return _is_something(value)


def _is_something(value: Any) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    if isinstance(value, Mapping):
        return any(map(_is_something, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_is_something, value))
    return value is not None

"""Promise: every one of the sixteen elements of Annex I is reported, as present, missing or not applicable."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.credential import completeness, draft, written
from tests.shared_data import ROOT

NOW = datetime(2026, 11, 23, 20, 19, tzinfo=UTC)
MEMBER_OF = {
    1: "holder",
    2: "title",
    3: "awarding_body",
    4: "awarding_body",
    5: "issued",
    6: "learning_outcomes",
    7: "workload",
    8: "level",
    9: "assessment",
    10: "participation",
    11: "quality_assurance",
    12: "prerequisites",
    15: "stackability",
    16: "further_information",
}


def example(**members: Any) -> dict[str, Any]:
    return {"issued": "2026-11-23", **written.read((ROOT / "examples/data-literacy.yaml").read_bytes()), **members}


def statuses(subject: Any) -> dict[int, str]:
    return {element.number: element.status for element in completeness.report(subject)}


def test_the_example_has_all_sixteen_as_draft_and_as_credential() -> None:
    assert set(statuses(example()).values()) == {"present"}
    assert completeness.report(draft.build(example())) == completeness.report(example())


def test_eleven_elements_are_mandatory() -> None:
    assert [element.number for element in completeness.report({}) if element.mandatory] == list(range(1, 12))
    assert completeness.missing_mandatory({}) == completeness.report({})[:11]


@pytest.mark.parametrize("number", MEMBER_OF)
def test_what_is_left_out_is_what_is_missing(number: int) -> None:
    without = example()
    del without[MEMBER_OF[number]]
    missing = {n for n, status in statuses(without).items() if status == "missing"}
    assert number in missing
    assert missing <= {n for n, member in MEMBER_OF.items() if member == MEMBER_OF[number]} | (
        {13, 14} if number == 9 else set()
    )


def test_a_country_without_a_body_and_a_body_without_a_country_are_told_apart() -> None:
    assert statuses(example(awarding_body={"country": "EE"}))[4] == "missing"
    assert statuses(example(awarding_body={"legal_name": "University of Tartu"}))[3] == "missing"


def test_a_level_may_be_not_applicable_if_that_is_said() -> None:
    said = example(level={"reason": "non-formal learning that no framework references"})
    assert statuses(said)[8] == statuses(draft.build(said))[8] == "not-applicable"
    assert completeness.missing_mandatory(said) == ()
    assert statuses(example(level=None))[8] == "missing"


def test_optional_elements_that_are_missing_are_reported_and_stop_nothing() -> None:
    bare = example(prerequisites=None, stackability=None, further_information=None, assessment="quiz")
    credential = draft.build(bare)
    assert [n for n, status in statuses(credential).items() if status == "missing"] == [12, 13, 14, 15, 16]
    assert completeness.report(credential) == completeness.report(bare)
    assert completeness.missing_mandatory(credential) == ()

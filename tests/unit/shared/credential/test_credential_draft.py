"""Promise: what a person writes is read as it was meant, or refused with every fault and the way to mend it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credential import coherence, draft, written
from shared.credential.duration import parse_duration
from shared.credential.model import MicroCredential
from shared.credential.shorthand import expand
from shared.errors import TestamurError
from shared.jose.strict_json import NotStrictJson
from tests.shared_data import ROOT

NOW = datetime(2026, 11, 23, 20, 19, tzinfo=UTC)
EXAMPLE = (ROOT / "examples/data-literacy.yaml").read_bytes()


def example(**members: Any) -> dict[str, Any]:
    return written.read(EXAMPLE) | members


def test_the_example_file_is_issuable_as_it_stands() -> None:
    credential = draft.build(example(), issued=NOW)
    assert credential.issued == NOW
    assert credential.participation.uri == "http://data.europa.eu/snb/learning-assessment/e92d221e4d"
    assert credential.isced_f == "0688"
    assert coherence.faults(credential) == ()


def test_yaml_does_not_turn_norway_into_false_nor_a_field_code_into_octal() -> None:
    read = written.read(
        b"country: NO\nisced_f: 0611\nborn: 1999-12-31\nlanguage: no\nanswer: yes\nplain: 12\nhalf: 2.5\nnothing: ~"
    )
    assert read == {
        "country": "NO",
        "isced_f": "0611",
        "born": "1999-12-31",
        "language": "no",
        "answer": "yes",
        "plain": 12,
        "half": 2.5,
        "nothing": None,
    }


@pytest.mark.parametrize(
    "text",
    [
        "a: &x [1]\nb: *x",
        "a: &x 1",
        "a: !!python/object/apply:os.system [ls]",
        "a: !secret 1",
        "a: 1\na: 2",
        "? [a]\n: 1",
        "[" * 5_000,
        "x: " + "{a: " * 40 + "1" + "}" * 40,
        "a: [1",
        "a: b: c",
        "just a text",
        "- a list",
        "",
        "a: \x07",
    ],
)
def test_yaml_that_surprises_is_refused(text: str) -> None:
    with pytest.raises(written.DraftUnreadable):
        written.read(text.encode())


def test_a_billion_laughs_are_refused_before_they_are_built() -> None:
    lines = ["a0: &a0 [lol, lol]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 64)]
    with pytest.raises(written.DraftUnreadable):
        written.read("\n".join(lines).encode())


def test_a_draft_that_is_too_large_or_not_text_is_refused() -> None:
    with pytest.raises(written.DraftTooLarge):
        written.read(b"a: " + b"x" * written.LARGEST_YAML)
    with pytest.raises(written.DraftTooLarge):
        written.read(b'{"a": "' + b"x" * written.LARGEST_JSON + b'"}')
    with pytest.raises(written.DraftUnreadable):
        written.read(b"title: \xff\xfe")


def test_json_is_read_by_the_strict_reader() -> None:
    assert written.read(json.dumps(example()).encode()) == example()
    with pytest.raises(NotStrictJson):
        written.read(b'{"title": "one", "title": "two"}')


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused_with_a_problem(text: str) -> None:
    try:
        read = written.read(text.encode("utf-8", "surrogatepass"))
    except TestamurError as refusal:
        assert refusal.document()["status"] in {400, 413}
    else:
        assert isinstance(read, dict)


def test_everything_that_is_missing_is_named_at_once_with_an_example() -> None:
    with pytest.raises(draft.IncompleteCredential) as refusal:
        draft.build({"title": "Data literacy", "awarding_body": {"legal_name": "University of Tartu"}})
    assert [element["number"] for element in refusal.value.members["missing"]] == [1, 3, 5, 6, 7, 8, 9, 10, 11]
    assert all(element["example"] in refusal.value.detail for element in refusal.value.members["missing"])


@pytest.mark.parametrize("nothing", [None, "", "  ", {}, [], {"hours": None}, {"type": {"label": ""}}])
def test_an_element_that_says_nothing_is_missing(nothing: Any) -> None:
    with pytest.raises(draft.IncompleteCredential) as refusal:
        draft.build(example(quality_assurance=nothing), issued=NOW)
    assert [element["path"] for element in refusal.value.members["missing"]] == ["quality_assurance"]


def test_the_example_of_each_element_mends_the_draft_that_lacks_it() -> None:
    with pytest.raises(draft.IncompleteCredential) as refusal:
        draft.build({"further_information": "nothing else yet"})
    mended: dict[str, Any] = {}
    for element in refusal.value.members["missing"]:
        for name, value in written.read(element["example"].split(", or ")[0].encode()).items():
            mended[name] = {**mended[name], **value} if name in mended else value
    assert isinstance(draft.build(mended), MicroCredential)


def test_what_a_draft_says_of_its_date_wins_over_the_date_of_building() -> None:
    assert draft.build(example(issued="2026-01-15"), issued=NOW).issued == datetime(2026, 1, 15, tzinfo=UTC)


def test_the_last_day_of_validity_is_part_of_it() -> None:
    until = draft.build(example(valid_until="2031-12-31"), issued=NOW).valid_until
    assert until == datetime(2031, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_members_of_the_wrong_form_are_listed_with_their_paths() -> None:
    with pytest.raises(draft.MalformedCredential) as refusal:
        draft.build(example(level=6, workload={"hours": "many"}), issued=NOW)
    assert [fault["path"] for fault in refusal.value.members["faults"]] == ["workload.hours", "level"]


def test_sixty_months_are_not_an_hour_of_learning() -> None:
    assert str(parse_duration("P60M")) == "60 months"
    with pytest.raises(draft.MalformedCredential, match="60 months, a span of time"):
        draft.build(example(workload={"hours": "P60M"}), issued=NOW)
    assert draft.build(example(workload={"hours": "PT60H", "ects": 2}), issued=NOW).workload.hours == 60
    assert draft.build(example(workload={"hours": "PT90M"}), issued=NOW).workload.hours == 1.5


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1", "PT1H2D", "P1.5Y2M", "60M", "PT-5H", "p1y", "P1MT", "PT" + "9" * 9 + "H"]
)
def test_what_is_no_duration_is_not_read_as_one(text: str) -> None:
    assert parse_duration(text) is None


def test_contradictions_stop_the_issue_and_warnings_do_not() -> None:
    with pytest.raises(draft.IncoherentCredential) as refusal:
        draft.build(example(workload={"ects": 2, "hours": 20}, level={"eqf": 6, "cycle": "second"}), issued=NOW)
    assert [fault["rule"] for fault in refusal.value.members["faults"]] == ["hours-per-ects", "cycle-eqf"]
    assert draft.build(example(level={"eqf": 6, "nqf": "http://data.europa.eu/snb/qdr/c_c392e7a2"}), issued=NOW)


def test_a_setting_changes_a_copy_of_the_draft() -> None:
    before = example()
    after = draft.apply_set(before, "workload.hours=55")
    after = draft.apply_set(after, "quality_assurance={type: Program Quality Assurance, agency: HAKA}")
    after = draft.apply_set(after, "isced_f=0611")
    assert (after["workload"], after["isced_f"]) == ({"ects": 2, "hours": 55}, "0611")
    assert after["quality_assurance"]["agency"] == "HAKA"
    assert before == example()


def test_a_setting_makes_the_parents_it_needs() -> None:
    assert draft.apply_set({}, "holder.given_name=Specimen") == {"holder": {"given_name": "Specimen"}}


@pytest.mark.parametrize(
    "setting", ["", "title", "=x", "Title=x", "title.=x", "title.en.x=y", "a" * 50 + "=1", "learning_outcomes.0=x"]
)
def test_a_setting_that_leads_nowhere_is_refused(setting: str) -> None:
    with pytest.raises(draft.UnusableSetting):
        draft.apply_set({"title": {"en": "x"}, "learning_outcomes": ["y"]}, setting)


def test_a_word_that_is_on_no_list_stays_the_writers_own() -> None:
    credential = draft.build(example(participation="by carrier pigeon"), issued=NOW)
    assert (credential.participation.label, credential.participation.uri) == ({"en": "by carrier pigeon"}, None)


def test_plain_texts_are_in_the_language_of_the_draft() -> None:
    credential = draft.build(example(language="et", title="Andmekirjaoskus"), issued=NOW)
    assert credential.title == {"et": "Andmekirjaoskus"}


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["en", "type", "uri", "label", "x"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(name=st.sampled_from([*MicroCredential.model_fields, "surprise"]), value=_ANY)
def test_any_value_in_any_place_is_taken_or_refused_as_unprocessable(name: str, value: Any) -> None:
    try:
        draft.build(example(**{name: value}), issued=NOW)
    except TestamurError as refusal:
        assert refusal.status == 422


@given(name=st.sampled_from([*MicroCredential.model_fields]), value=_ANY)
def test_expanding_twice_is_expanding_once(name: str, value: Any) -> None:
    once = expand(example(**{name: value}))
    assert expand(once) == once

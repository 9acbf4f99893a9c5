"""Promise: a micro-credential holds what the eleven elements ask for, in exact types, within limits, and nothing else."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from shared.credential import faults, written
from shared.credential.model import MicroCredential
from shared.credential.parts import Holder, Level, NotApplicable
from shared.credential.shorthand import expand
from shared.credential.text import Text
from tests.shared_data import ROOT

NOW = "2026-11-23T20:19:00Z"


def full() -> dict[str, Any]:
    """The example credential of this repository, in the model's own form."""
    return {**expand(written.read((ROOT / "examples/data-literacy.yaml").read_bytes())), "issued": NOW}


def with_member(path: str, value: Any) -> dict[str, Any]:
    draft = deepcopy(full())
    *parents, last = path.split(".")
    here: Any = draft
    for step in parents:
        here = here[int(step)] if step.isdigit() else here[step]
    here[last] = value
    return draft


def found(draft: dict[str, Any]) -> list[str]:
    with pytest.raises(ValidationError) as refusal:
        MicroCredential.model_validate(draft)
    return [fault.path for fault in faults.from_validation(refusal.value)]


def test_the_example_is_a_micro_credential() -> None:
    credential = MicroCredential.model_validate(full())
    assert credential.title["et"] == "Andmekirjaoskus"
    assert credential.issued == datetime(2026, 11, 23, 20, 19, tzinfo=UTC)
    assert credential.level == Level(eqf=6, cycle="first")
    assert credential.holder.display_name == "Specimen Learner"


def test_a_credential_cannot_be_changed() -> None:
    credential = MicroCredential.model_validate(full())
    with pytest.raises(ValidationError):
        credential.language = "et"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("title", {}),
        ("title", {"xx": "no such language"}),
        ("title", {"en": "  "}),
        ("title", {"en": "nul \x00 inside"}),
        ("title", {"en": "turned \u202e round"}),
        ("title", {"en": "half \ud800 a character"}),
        ("title", {"en": "x" * 2_001}),
        ("awarding_body.country", "UK"),
        ("awarding_body.country", "ee"),
        ("awarding_body.homepage", "javascript:alert(1)"),
        ("awarding_body.homepage", 'https://ut.ee/"><script>'),
        ("learning_outcomes", []),
        ("learning_outcomes", [{"title": {"en": "again"}}] * 101),
        ("workload", {}),
        ("workload.hours", -1),
        ("workload.hours", True),
        ("workload.ects", "2"),
        ("workload.ects", float("nan")),
        ("workload.ects", float("inf")),
        ("level.eqf", 9),
        ("level.eqf", True),
        ("level.eqf", "6"),
        ("level.cycle", "bachelor"),
        ("isced_f", "0618"),
        ("issued", "2026-11-23T20:19:00"),
        ("issued", 1_700_000_000),
        ("issued", "1700000000"),
        ("issued", "0001-01-01T00:00:00+14:00"),
        ("holder.date_of_birth", "946684799"),
        ("credential_type", "Micro Credential"),
    ],
)
def test_a_member_of_the_wrong_kind_is_named_by_its_path(path: str, value: Any) -> None:
    assert found(with_member(path, value)) == [path]


def test_every_wrong_member_is_named_at_once() -> None:
    draft = with_member("level.eqf", 9) | {"isced_f": "none", "language": "english"}
    assert found(draft) == ["level.eqf", "isced_f", "language"]


def test_an_unknown_member_is_refused_without_being_repeated() -> None:
    with pytest.raises(ValidationError) as refusal:
        MicroCredential.model_validate(with_member("holder.secret_diary", "Dear diary"))
    (fault,) = faults.from_validation(refusal.value)
    assert fault.path == "holder"
    assert "diary" not in repr(fault)


def test_a_refusal_never_repeats_a_value() -> None:
    with pytest.raises(ValidationError) as refusal:
        MicroCredential.model_validate(with_member("awarding_body.country", "ATLANTIS"))
    assert "ATLANTIS" not in faults.sentences(faults.from_validation(refusal.value))


def test_a_level_that_does_not_apply_says_why() -> None:
    credential = MicroCredential.model_validate(full() | {"level": {"reason": "non-formal, not referenced"}})
    assert credential.level == NotApplicable(reason="non-formal, not referenced")
    assert found(full() | {"level": {"reason": "none", "eqf": 6}}) == ["level.eqf"]
    assert found(full() | {"level": {}}) == ["level"]


def test_somebody_with_one_name_can_hold_a_credential() -> None:
    assert Holder(full_name="Specimen").display_name == "Specimen"
    assert found(full() | {"holder": {"given_name": "Specimen"}}) == ["holder"]


def test_a_holder_key_with_its_private_half_is_refused() -> None:
    public = {"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "B" * 43}
    assert MicroCredential.model_validate(with_member("holder.key", public)).holder.key is not None
    assert found(with_member("holder.key", {**public, "d": "C" * 43})) == ["holder.key"]


_TEXT = TypeAdapter(Text)


@given(st.text(max_size=60))
def test_a_text_is_kept_exactly_or_refused(text: str) -> None:
    try:
        kept = _TEXT.validate_python(text)
    except ValidationError:
        hidden = any((c < " " and c not in "\t\n") or "\x7f" <= c <= "\x9f" or c in "\u2028\u2029\ufeff" for c in text)
        turned = any("\u202a" <= c <= "\u202e" or "\u2066" <= c <= "\u2069" for c in text)
        assert hidden or turned or not text.strip()
    else:
        assert kept == text
        assert text.strip()

"""Promise: a credential exported to the European Learning Model says there what it said, and holds the official schemas."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import jsonschema_rs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credential import draft, written
from shared.credential.model import MicroCredential
from shared.formats.elm import export as elm_export
from shared.formats.elm import read as elm
from tests.shared_data import ROOT, shared_file

NOW = datetime(2026, 11, 23, 20, 19, tzinfo=UTC)
REF = "7d9f7e4c-9c3d-4a0a-8f1e-2b1d0a6f3c55"
EXAMPLE = written.read((ROOT / "examples/data-literacy.yaml").read_bytes())

TEXTS = st.dictionaries(
    st.sampled_from(["en", "et", "pt", "el"]), st.text("abcßéΩж .,", min_size=1, max_size=40).filter(str.strip), min_size=1
)
NAMES = st.text("abc éΩ'-", min_size=1, max_size=30).filter(str.strip)
OUTCOMES = st.lists(
    st.fixed_dictionaries(
        {"title": TEXTS},
        optional={
            "skills": st.lists(
                st.sampled_from(
                    [
                        "http://data.europa.eu/esco/skill/5fd5c985-eaaa-47aa-8314-62359c54505a",
                        "http://data.europa.eu/snb/dcf/u69o196gu6",
                    ]
                ),
                unique=True,
                max_size=1,
            )
        },
    ),
    min_size=1,
    max_size=3,
)
MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        "holder": st.one_of(
            st.fixed_dictionaries(
                {"given_name": NAMES, "family_name": NAMES},
                optional={"date_of_birth": st.dates(date(1920, 1, 1), date(2015, 1, 1))},
            ),
            st.fixed_dictionaries({"full_name": NAMES}),
        ),
        "title": TEXTS,
        "learning_outcomes": OUTCOMES,
        "workload": st.sampled_from(
            [{"hours": 52, "ects": 2}, {"hours": 0.75}, {"ects": 1.5}, {"hours": 62.5, "ects": 2.5}]
        ),
        "level": st.sampled_from([{"eqf": 5}, {"eqf": 7, "nqf": "http://data.europa.eu/snb/qdr/c_c392e7a2"}]),
        "participation": st.sampled_from(["online", "blended", {"label": {"en": "by post"}}]),
        "prerequisites": TEXTS,
        "further_information": TEXTS,
        "stackability": st.sampled_from(["stackable", "stand-alone"]),
        "language": st.sampled_from(["en", "et"]),
        "valid_until": st.just("2036-12-31"),
    },
)


def credential(**members: Any) -> MicroCredential:
    base = {**EXAMPLE, "level": {"eqf": 6}, "language": "en"}
    return draft.build({**base, **{name: _plain(value) for name, value in members.items()}}, issued=NOW)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return value.isoformat() if isinstance(value, date) else value


def exported(subject: MicroCredential) -> dict[str, Any]:
    return elm_export.to_elm(subject, REF, subject.valid_from or subject.issued)


@given(MEMBERS)
def test_what_was_exported_is_read_again_as_the_same_credential(members: dict[str, Any]) -> None:
    try:
        subject = credential(**members)
    except draft.IncoherentCredential:
        return
    again = draft.build(elm.to_draft(orjson.dumps(exported(subject))))
    assert again.model_copy(update={"valid_from": None}) == subject


def test_every_node_has_an_id_of_its_own() -> None:
    seen: list[str] = []

    def walk(value: Any) -> None:
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(inner)
        if isinstance(value, dict) and str(value.get("id", "")).startswith("urn:epass:"):
            seen.append(value["id"])

    walk(exported(credential()))
    assert len(seen) == len(set(seen)) > 10


def test_the_official_json_schema_accepts_it() -> None:
    schema = orjson.loads(shared_file("samples", "edc-json-schema-elm32", "edc_schema.json").read_bytes())
    schema["allOf"] = [part for part in schema["allOf"] if part["$ref"].startswith("#")]  # the other one is on the network
    validator = jsonschema_rs.Draft202012Validator(schema)
    assert [error.message for error in validator.iter_errors(exported(credential()))] == []
    assert not validator.is_valid({**exported(credential()), "displayParameter": {}})


@pytest.mark.parametrize("gone", ["holder.key", "level.reason"])
def test_what_has_no_place_there_does_not_travel(gone: str) -> None:
    key = {"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "B" * 43}
    subject = credential(
        holder={"full_name": "Specimen", "key": key}, level={"reason": "no level was agreed"}, workload={"hours": 5}
    )
    text = orjson.dumps(exported(subject)).decode()
    assert {"holder.key": "A" * 43, "level.reason": "no level was agreed"}[gone] not in text

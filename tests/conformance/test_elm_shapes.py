"""Promise: the official SHACL shapes run over real documents without the network, and repeat nothing of what these say."""

from __future__ import annotations

import copy
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.formats.elm import schema as elm_schema
from shared.formats.elm import shapes as elm_shapes
from shared.formats.elm.shapes import ShapesUnusable
from tests.shared_data import shared_file

pytest.importorskip("pyshacl", reason="the extra testamur[shacl] is not installed")

NAMES = ("Sample-MC-Annex1-signed.jsonld", "Sample-CertOfPart-signed.jsonld")
OFFICIAL = ("EDC-generic-full", "EDC-generic-no-cv")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Every attempt to connect is refused and remembered."""
    tried: list[Any] = []

    def refuse(_: socket.socket, address: Any) -> None:
        tried.append(address)
        raise OSError("no network here")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    yield tried
    assert tried == []


@pytest.fixture
def folder() -> Path:
    return shared_file("samples", "europass-elm-v3-shapes")


def document(name: str = NAMES[0]) -> dict[str, Any]:
    sealed = json.loads(shared_file("samples", "europass-elm-v3", name).read_bytes())
    found: dict[str, Any] = json.loads(sealed["payload"])
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_sealed_samples_meet_the_official_shapes(name: str, folder: Path) -> None:
    report = elm_shapes.check(document(name), folder)
    assert report == elm_shapes.ShapesReport(OFFICIAL, ())


@pytest.mark.parametrize("name", ["displayParameter", "credentialSubject", "issued", "issuer", "credentialSchema"])
def test_a_property_that_the_shapes_demand_is_named_when_it_is_gone(name: str, folder: Path) -> None:
    changed = document()
    del changed[name]
    found = elm_shapes.check(changed, folder)
    assert ("EuropeanDigitalCredential", name, "MinCount") in [fault[:3] for fault in found.faults]


def test_a_fault_deep_inside_is_told_by_class_and_property(folder: Path) -> None:
    changed = document()
    del changed["credentialSubject"]["hasClaim"]["title"]
    assert [fault[:3] for fault in elm_shapes.check(changed, folder).faults] == [
        ("LearningAchievement", "title", "MinCount")
    ]


def test_a_fault_repeats_no_value_and_no_class_of_the_document(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    changed = document()
    changed["issued"] = "Secret Person"
    changed["credentialSubject"]["dateOfBirth"] = "Secret Person"
    changed["credentialSubject"]["type"] = ["Person", "http://example.org/Secret"]
    changed["credentialSubject"]["nationalID"] = {"id": "urn:Secret", "type": "LegalIdentifier"}
    found = elm_shapes.check(changed, folder)
    assert {"issued", "dateOfBirth", "notation"} <= {fault.property for fault in found.faults}
    assert "Secret" not in str(found)
    assert "Secret" not in caplog.text


def test_what_json_ld_drops_without_a_word_only_the_json_schema_sees(folder: Path) -> None:
    changed = document()
    changed["credentialSubject"]["hasClaim"]["titel"] = {"en": ["Doctor"]}
    assert elm_shapes.check(changed, folder).faults == ()
    assert elm_schema.faults(changed)


@pytest.mark.parametrize("context", ["http://127.0.0.1:9/c.jsonld", {"@import": "http://127.0.0.1:9/c"}, {"title": "urn:x"}])
def test_a_context_further_down_is_refused_and_one_at_the_top_not_followed(context: Any, folder: Path) -> None:
    above, below = document(), document()
    above["@context"] = context
    below["issuer"]["@context"] = context
    assert elm_shapes.check(above, folder).faults == ()
    assert [fault.rule for fault in elm_shapes.check(below, folder).faults] == ["unreadable"]


def test_a_document_beyond_the_limit_is_not_looked_at(folder: Path) -> None:
    changed = document()
    changed["identifier"] = [{"id": f"urn:x:{number}", "type": "Identifier"} for number in range(2_000)]
    assert [fault.rule for fault in elm_shapes.check(changed, folder).faults] == ["unreadable"]


@pytest.mark.parametrize(
    "members",
    [
        {"id": ["a", {"b": 1}]},
        {"id": " <>"},
        {"@graph": [1, "s"]},
        {"@reverse": 3},
        {"type": ["EuropeanDigitalCredential", 3]},
        {"issued": {"@value": {}}},
        {"@id": 7, "id": None},
    ],
)
def test_whatever_is_in_the_document_the_answer_is_a_report(members: dict[str, Any], folder: Path) -> None:
    assert isinstance(elm_shapes.check({**document(), **members}, folder), elm_shapes.ShapesReport)


def test_what_is_no_credential_is_not_said_to_meet_anything(folder: Path) -> None:
    changed = copy.deepcopy(document())
    changed["type"] = ["VerifiableCredential"]
    assert [fault.rule for fault in elm_shapes.check(changed, folder).faults] == ["unreadable"]


def test_a_folder_without_shapes_or_context_says_what_to_put_there(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ShapesUnusable, match="EDC-generic-full"):
        elm_shapes.check(document(), tmp_path)
    (tmp_path / "EDC-generic-full.ttl").write_bytes((folder / "EDC-generic-full.ttl").read_bytes())
    with pytest.raises(ShapesUnusable, match="edc-ap-context"):
        elm_shapes.check(document(), tmp_path)


def test_a_file_that_is_no_turtle_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "EDC-generic-full.ttl").write_text("this is { no turtle")
    with pytest.raises(ShapesUnusable, match=r"EDC-generic-full\.ttl"):
        elm_shapes.check(document(), tmp_path)

"""What crosses a border keeps its meaning: goldens for every kind, what may change without a new version, and AsyncAPI."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import reduce
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from shared.events import asyncapi
from shared.events.base import CATALOGUE, STREAMS, Event
from shared.events.entry import Place, Unsigned, message_headers, sign
from shared.ids import new_event_id
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner
from tests.contract.evolution import GOLDEN, accepted, compatible, sample
from tests.lints.events import is_personal

KINDS = sorted(CATALOGUE)
DOCUMENT = asyncapi.render("1.2.3")
NOW = datetime(2026, 9, 1, 8, tzinfo=UTC)
TAKEN: dict[str, Any] = {
    "type": "object",
    "required": ["ref", "heads"],
    "properties": {
        "ref": {"type": "string", "pattern": "^[a-z]+$"},
        "reason": {"type": "string", "enum": ["error"], "default": "error"},
        "until": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        "heads": {"type": "array", "items": {"$ref": "#/$defs/Head"}},
        "by": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "$defs": {"Head": {"type": "object", "required": ["seq"], "properties": {"seq": {"type": "integer"}}}},
}


def changed(*path: str, to: Any) -> dict[str, Any]:
    """The constructed schema with one place changed."""
    schema = copy.deepcopy(TAKEN)
    place: Any = schema
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return schema


def without(schema: dict[str, Any], member: str) -> dict[str, Any]:
    """A schema that never had one of its members."""
    properties = {name: value for name, value in schema["properties"].items() if name != member}
    required = [name for name in schema.get("required", ()) if name != member]
    return {**schema, "properties": properties, "required": required}


def parsed(kind: str, payload: bytes) -> Event:
    """A payload as a node of this version reads it."""
    return CATALOGUE[kind].model_validate_json(payload)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_described_as_its_golden_schema_says(kind: str) -> None:
    assert asyncapi.payload_schema(CATALOGUE[kind]) == accepted(kind), "see python -m tests.docs --accept"


@pytest.mark.parametrize("folder", ["schemas", "samples"])
def test_every_kind_has_its_golden_file_and_no_file_is_left_over(folder: str) -> None:
    assert sorted(path.stem for path in (GOLDEN / folder).iterdir()) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_a_golden_sample_shows_every_member_and_comes_back_as_it_went_in(kind: str) -> None:
    event = parsed(kind, sample(kind))
    assert set(json.loads(sample(kind))) == set(type(event).model_fields)
    assert json.loads(event.value()) == json.loads(sample(kind))
    assert parsed(kind, event.value()) == event


@pytest.mark.parametrize("kind", KINDS)
def test_a_payload_without_its_optional_members_still_says_who_and_what(kind: str) -> None:
    whole = json.loads(sample(kind))
    least = json.dumps({name: whole[name] for name in accepted(kind)["required"]}).encode()
    event = parsed(kind, least)
    assert event.subject() == parsed(kind, sample(kind)).subject()
    assert parsed(kind, event.value()) == event


@pytest.mark.parametrize("kind", KINDS)
def test_a_golden_sample_keeps_to_its_golden_schema(kind: str) -> None:
    schema = jsonschema_rs.validator_for(accepted(kind), validate_formats=True)
    schema.validate(json.loads(sample(kind)))
    assert not schema.is_valid({})


@pytest.mark.parametrize("kind", KINDS)
def test_a_member_of_a_newer_sender_is_read_over_and_never_said_again(kind: str) -> None:
    newer = json.dumps({**json.loads(sample(kind)), "a_newer_member": {"secret": 7}}).encode()
    assert parsed(kind, newer).value() == parsed(kind, sample(kind)).value()


@pytest.mark.parametrize("kind", KINDS)
def test_an_optional_addition_keeps_the_kind_and_every_removal_needs_a_new_one(kind: str) -> None:
    schema = accepted(kind)
    for member in schema["properties"]:
        less = without(schema, member)
        assert compatible(schema, less) == [f"{member} was removed"]
        needed = member in schema["required"]
        assert compatible(less, schema) == ([f"{member} became required"] if needed else [])


@given(st.data())
def test_a_version_follows_another_just_when_it_has_all_its_optional_members(
    data: st.DataObject,
) -> None:
    whole = accepted(data.draw(st.sampled_from(KINDS)))
    optional = sorted(set(whole["properties"]) - set(whole["required"]))
    left, right = (data.draw(st.sets(st.sampled_from(optional))) if optional else set() for _ in range(2))
    old, new = (reduce(without, set(optional) - kept, whole) for kept in (left, right))
    assert (compatible(old, new) == []) == (left <= right)
    assert (compatible(old, new) == compatible(new, old) == []) == (old["properties"] == new["properties"])


@pytest.mark.parametrize(
    ("new", "breach"),
    [
        (changed("properties", "ref", "type", to="integer"), 'ref/type changed from "string" to "integer"'),
        (changed("properties", "ref", "pattern", to="^.$"), 'ref/pattern changed from "^[a-z]+$" to "^.$"'),
        (changed("properties", "ref", "maxLength", to=9), "ref/maxLength came"),
        (
            changed("properties", "reason", "enum", to=["error", "more"]),
            'reason/enum changed from ["error"] to ["error", "more"]',
        ),
        (changed("properties", "reason", "enum", to=["fault"]), 'reason/enum[0] changed from "error" to "fault"'),
        (changed("properties", "reason", "default", to="x"), 'reason/default changed from "error" to "x"'),
        (changed("properties", "until", "anyOf", to=[{"type": "integer"}, {"type": "null"}]), "until/anyOf[0]/type changed"),
        (changed("properties", "by", "additionalProperties", "type", to="integer"), "by/additionalProperties/type changed"),
        (changed("required", to=["ref", "heads", "reason"]), "reason became required"),
        (changed("required", to=["ref"]), "heads is no longer required"),
        (changed("$defs", "Head", "properties", "seq", "type", to="string"), "heads/items.seq/type changed"),
        (changed("$defs", "Head", "required", to=[]), "heads/items.seq is no longer required"),
        (changed("additionalProperties", to=False), "additionalProperties came"),
    ],
)
def test_a_change_that_a_reader_of_either_version_would_trip_over_is_named(new: dict[str, Any], breach: str) -> None:
    (found,) = compatible(TAKEN, new)
    assert found.startswith(breach)


@pytest.mark.parametrize(
    "new",
    [
        changed("properties", "note", to={"type": "string"}),
        changed("properties", "ref", "description", to="what it speaks of"),
        changed("$defs", "Head", "properties", "hash", to={"type": "string"}),
        changed("properties", "heads", "items", to=TAKEN["$defs"]["Head"]),
    ],
)
def test_an_optional_member_a_description_or_another_way_to_write_it_breaks_nothing(new: dict[str, Any]) -> None:
    assert compatible(TAKEN, new) == []


def members(model: type[BaseModel]) -> Iterator[str]:
    """The names of all members of a model, of nested models too."""
    yield from model.model_fields
    for field in model.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from members(field.annotation)


@pytest.mark.parametrize("kind", KINDS)
def test_no_event_has_a_member_for_a_person(kind: str) -> None:
    event = CATALOGUE[kind]
    assert [name for name in members(event) if is_personal(event.__name__, name)] == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_headers_of_a_sealed_entry_are_those_that_the_document_describes(kind: str) -> None:
    event = parsed(kind, sample(kind))
    signer = LocalSigner.generate(Purpose.EVENT if event.stream.chained else Purpose.CHECKPOINT)
    entry = sign(Unsigned.of(event, new_event_id(), NOW), Place("testamur", "ee", 1, 7), signer)
    headers = {name: value.decode() for name, value in message_headers(entry, "00-0af7651916cd43dd-b7ad6b-01")}
    schema = asyncapi.headers_schema(CATALOGUE[kind])
    jsonschema_rs.validator_for(schema, validate_formats=True).validate(headers)
    assert set(headers) == set(schema["properties"])


def test_each_stream_is_one_channel_with_one_sender_one_partition_and_all_its_kinds() -> None:
    assert set(DOCUMENT["channels"]) == set(STREAMS)
    for name, channel in DOCUMENT["channels"].items():
        assert channel["address"] == f"testamur.{{node}}.{name}.v1"
        assert set(channel["parameters"]) == {"node"}
        assert channel["bindings"]["kafka"]["partitions"] == 1
        assert set(channel["messages"]) == {kind for kind in KINDS if CATALOGUE[kind].stream.name == name}
        actions = [
            one["action"] for one in DOCUMENT["operations"].values() if one["channel"]["$ref"] == f"#/channels/{name}"
        ]
        assert sorted(actions) == ["receive", "send"]


def test_only_what_stands_outside_a_chain_is_compacted() -> None:
    policies = {name: one["bindings"]["kafka"]["topicConfiguration"] for name, one in DOCUMENT["channels"].items()}
    compacted = {name for name, policy in policies.items() if policy["cleanup.policy"] == ["compact"]}
    assert compacted == {name for name, stream in STREAMS.items() if not stream.chained}


def references(part: Any) -> Iterator[str]:
    """All references inside a document."""
    if isinstance(part, dict):
        yield from (value for key, value in part.items() if key == "$ref")
    for one in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from references(one)


def test_every_reference_of_the_document_leads_somewhere() -> None:
    for reference in set(references(DOCUMENT)):
        place: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
        assert isinstance(place, dict)


def test_the_same_catalogue_gives_the_same_document_at_any_time() -> None:
    assert json.dumps(asyncapi.render("1.2.3")) == json.dumps(DOCUMENT)
    assert DOCUMENT["info"]["version"] == "1.2.3"
    assert DOCUMENT["asyncapi"] == "3.0.0"


def test_an_example_is_shown_with_its_message_and_nowhere_else() -> None:
    shown = asyncapi.render("1", {"credential.revoked.v1": {"ref": "x"}})["components"]["messages"]
    assert {kind for kind, message in shown.items() if "examples" in message} == {"credential.revoked.v1"}

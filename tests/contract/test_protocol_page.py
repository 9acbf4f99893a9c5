"""What docs/protocol.md says in tables, and its example, are what the code has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from pydantic.fields import FieldInfo

from shared.events.base import CATALOGUE, PUBLIC, STREAMS
from shared.events.entry import Envelope, entry_hash, message_headers, parse_message
from shared.jose import gate
from shared.jose.keys import VerificationKey
from shared.jose.purpose import TYP_PURPOSE, Purpose
from shared.trust.nodes import FederationList
from shared.verification.verdict import STEPS, TABLE, Outcome
from tests.shared_data import ROOT

PAGE = (ROOT / "docs/protocol.md").read_text()

LETTERS = {Outcome.FAILED: "I", Outcome.UNKNOWN: "?", Outcome.WARNING: "W"}
"""How the page shortens what a step can make of the verdict."""


def table(first: str) -> list[list[str]]:
    """The rows of the page's table whose head begins with `first`, each as its cells."""
    _, _, after = PAGE.partition(f"\n| {first} |")
    rows = after.split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def names(cell: str) -> list[str]:
    """What a cell names in code, each with the mark of what may be absent."""
    return ["".join(found) for found in re.findall(r"`([^`]+)`(\??)", cell)]


def test_the_streams_are_listed_as_readers_drain_them_with_writer_and_readers() -> None:
    said = [(names(name)[0], writer, public, chained) for name, writer, public, chained, _ in table("stream")]
    yes = {True: "yes", False: "no"}
    assert said == [(one.name, one.writer, yes[one.public], yes[one.chained]) for one in STREAMS.values()]
    for pattern in re.findall(r"`testamur\[\.\]<node>\[\.\]\((.*)\)\[\.\]v1`", PAGE):
        assert tuple(pattern.split("|")) == PUBLIC


def test_the_envelope_has_these_members() -> None:
    assert {names(row[0])[0] for row in table("envelope")} == {
        *(field.alias or name for name, field in Envelope.model_fields.items()),
        "alg",
    }


def test_every_kind_is_listed_with_stream_effect_and_members() -> None:
    rows = {names(row[0])[0]: row for row in table("kind")}
    assert set(rows) == set(CATALOGUE)
    for kind, (_, stream, trust, _, members) in rows.items():
        event = CATALOGUE[kind]
        assert names(stream) == [event.stream.name]
        assert (trust == "reduces") is event.reduces_trust
        assert sorted(names(members)) == sorted(_written(event.model_fields))


def _written(fields: Mapping[str, FieldInfo]) -> Iterator[str]:
    for name, field in fields.items():
        yield name if field.is_required() else f"{name}?"


def test_the_members_of_the_federation_list_are_these() -> None:
    listed = [name for row in table("member") for name in names(row[0])]
    assert sorted(listed) == sorted(_written(FederationList.model_fields))


def test_each_purpose_signs_these_types_and_no_others() -> None:
    said = {purpose.strip("`"): set(names(types)) for purpose, types, _ in table("purpose")}
    assert said == {one.value: {typ for typ, purposes in TYP_PURPOSE.items() if one in purposes} for one in Purpose}


def test_the_steps_have_these_names_and_make_this_of_the_verdict() -> None:
    cells = [row[place : place + 3] for row in table("| step") for place in (0, 3)]
    said = {int(number): (name, set(can.split())) for number, name, can in cells if number}
    outcomes = {number: {row.outcome for (step, _), row in TABLE.items() if step == number} for number in said}
    made = {number: {LETTERS[one] for one in found if one in LETTERS} for number, found in outcomes.items()}
    assert said == {number: (name, made[number]) for number, name in enumerate(STEPS)}


def test_the_example_is_a_record_that_is_joined_verified_and_hashed_to_what_stands_there() -> None:
    key, value, detached, digest = re.findall(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[0].split("\n\n")
    payload = value.encode()
    token = gate.join("".join(detached.split()), payload, typ="testamur-entry+jwt")
    gate.verify(token, VerificationKey.from_jwk(json.loads(key), Purpose.EVENT))
    assert entry_hash(token.signing_input) == digest.strip()
    # the copies are made from the envelope: a record with them is taken as it is
    sealed = (("jws", token.detached), *_copies(token.header))
    entry = parse_message(payload, sealed)
    assert message_headers(entry) == sealed
    assert CATALOGUE[entry.envelope.kind].model_validate_json(payload).value() == payload


def _copies(header: dict[str, object]) -> Iterator[tuple[str, bytes]]:
    """The CloudEvents headers as the page lays them out, without help of the code."""
    yield "ce_specversion", b"1.0"
    yield "ce_id", str(header["jti"]).encode()
    yield "ce_source", f"urn:testamur:{header['fed']}:{header['org']}:registry".encode()
    yield "ce_type", str(header["knd"]).encode()
    yield "ce_subject", str(header["sub"]).encode()
    yield "ce_time", b"2026-11-23T21:58:46Z"
    yield "ce_sequence", f"{header['seq']:020}".encode()
    yield "content-type", b"application/json"

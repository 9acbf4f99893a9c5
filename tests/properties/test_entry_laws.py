"""The signed entry and its chain: what is sealed is what is read, nothing changed passes, no record stops a reader."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.bus.port import Headers, Record
from shared.clock import SystemClock
from shared.errors import TestamurError
from shared.events.base import STREAMS
from shared.events.chain import Placement, Position, log_key, placement
from shared.events.entry import (
    ENTRY_TYP,
    GENESIS,
    LAST_SECOND,
    Entry,
    Place,
    Unsigned,
    message_headers,
    parse,
    parse_message,
    sign,
    stored_message,
)
from shared.home.membership import Membership
from shared.ids import topic_name
from shared.inbox.admission import Candidate, Refused, Sound, conclude, examine
from shared.jose import gate
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner, Signer
from shared.jose.token import encode
from shared.log.archive import archived
from shared.log.keyring import SERVICE_KEYS, Keyring
from shared.store.open import open_store
from tests.world import federate, found

SIGNERS = {True: LocalSigner.generate(Purpose.EVENT), False: LocalSigner.generate(Purpose.CHECKPOINT)}
NOW = SystemClock().now()
ONLY_SIGNED = ("traceparent",)
"""Headers that nobody believes: a change of theirs changes nothing."""

words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=40)
hashes = st.binary(min_size=32, max_size=32).map(lambda raw: encode(raw).decode())
sequences = st.integers(1, 10**15 - 1)
instants = st.integers(0, LAST_SECOND).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
saids = st.builds(Unsigned, st.sampled_from(sorted(STREAMS)), words, words, st.binary(max_size=300), words, instants)
places = st.builds(
    Place,
    st.just("testamur"),
    st.sampled_from(["ee", "pt", "be-fr"]),
    st.integers(1, 999_999),
    sequences,
    hashes,
    st.dictionaries(st.sampled_from(sorted(STREAMS)), st.integers(0, 2**53 - 1)),
)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    said = draw(saids)
    return sign(said, draw(places), SIGNERS[STREAMS[said.stream].chained])


def key_of(entry: Entry) -> Any:
    return SIGNERS[STREAMS[entry.stream].chained].verification_key()


@given(entries(), st.sampled_from(["", "00-" + "a" * 32 + "-" + "b" * 16 + "-01"]))
@settings(max_examples=150, deadline=None)
def test_an_entry_comes_off_the_bus_as_it_was_sealed(entry: Entry, trace: str) -> None:
    back = parse_message(entry.token.payload, message_headers(entry, trace))
    assert (back.envelope, back.token.payload, back.hash) == (entry.envelope, entry.token.payload, entry.hash)
    assert back.compact == entry.compact
    gate.verify(back.token, key_of(back))


@given(entries(), st.sampled_from(["", "00-" + "a" * 32 + "-" + "b" * 16 + "-01"]))
@settings(max_examples=150, deadline=None)
def test_an_archived_entry_goes_out_as_one_that_was_read_with_all_checks(entry: Entry, trace: str) -> None:
    sent = stored_message(archived(entry, "2026-11-23T20:19:00Z", trace)[1]["jws"], trace)
    assert sent == (entry.envelope.sub, entry.token.payload, message_headers(entry, trace))


@given(entries())
@settings(max_examples=150, deadline=None)
def test_an_entry_in_compact_form_is_read_back_the_same(entry: Entry) -> None:
    back = parse(entry.compact)
    assert back == entry
    assert parse(entry.compact.decode()) == entry
    gate.verify(back.token, key_of(back))


@given(entries(), entries())
@settings(max_examples=100, deadline=None)
def test_two_entries_have_one_hash_only_when_they_say_the_same_at_the_same_place(one: Entry, other: Entry) -> None:
    assert (one.hash == other.hash) == (one.token.signing_input == other.token.signing_input)


@given(saids, places)
@settings(max_examples=60, deadline=None)
def test_the_hash_does_not_depend_on_the_signature(said: Unsigned, place: Place) -> None:
    signer = SIGNERS[STREAMS[said.stream].chained]
    assert sign(said, place, signer).hash == sign(said, place, signer).hash


class Door:
    """The true door of a node: its federation list, its keys, and a record in hand."""

    def __init__(self, membership: Membership, keyring: Keyring, signer: Signer) -> None:
        self.membership, self.keyring, self.signer = membership, keyring, signer

    def judge(self, value: bytes, headers: Headers) -> Sound | Refused:
        record = Record(topic_name("ee", "status"), 1, "", value, headers)
        judged = examine(record, self.membership, self.keyring, NOW)
        return conclude(judged) if isinstance(judged, Candidate) else judged


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    home = found(tmp_path_factory.mktemp("ee"), "ee")
    federate([home])
    membership = Membership(home, SystemClock())

    async def keyring() -> Keyring:
        store = await open_store(home.settings.store, "law", [SERVICE_KEYS])
        made = Keyring(store, membership, home.certificates())
        await made.load()
        await store.close()
        return made

    yield Door(membership, asyncio.run(keyring()), home.signer("registry"))


@st.composite
def status_entries(draw: st.DrawFn) -> tuple[Unsigned, Place]:
    said = draw(saids)._replace(stream="status")
    return said, draw(places)._replace(origin="ee", epoch=1)


in_this_door = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(status_entries())
@settings(in_this_door, max_examples=50)
def test_what_the_node_sealed_is_sound(door: Door, made: tuple[Unsigned, Place]) -> None:
    entry = sign(*made, door.signer)
    assert isinstance(door.judge(entry.token.payload, message_headers(entry)), Sound)


@given(status_entries(), st.data())
@in_this_door
def test_one_changed_byte_is_never_sound(door: Door, made: tuple[Unsigned, Place], data: st.DataObject) -> None:
    entry = sign(*made, door.signer)
    headers = message_headers(entry, "00-" + "a" * 32 + "-" + "b" * 16 + "-01")
    parts = {"value": entry.token.payload} | {name: value for name, value in headers if name not in ONLY_SIGNED}
    part = data.draw(st.sampled_from([name for name, held in parts.items() if held]))
    place = data.draw(st.integers(0, len(parts[part]) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda new: new != parts[part][place]))
    changed = parts[part][:place] + bytes([byte]) + parts[part][place + 1 :]
    value = changed if part == "value" else entry.token.payload
    copied = tuple((name, changed if name == part else held) for name, held in headers)
    assert isinstance(door.judge(value, copied), Refused)


@given(status_entries(), st.data())
@settings(in_this_door, max_examples=60)
def test_a_record_without_one_of_its_signed_copies_is_never_sound(
    door: Door, made: tuple[Unsigned, Place], data: st.DataObject
) -> None:
    entry = sign(*made, door.signer)
    headers = message_headers(entry)
    dropped = data.draw(st.sampled_from([name for name, _ in headers]))
    assert isinstance(door.judge(entry.token.payload, tuple(one for one in headers if one[0] != dropped)), Refused)


@given(status_entries(), st.text(), st.binary(max_size=80))
@settings(in_this_door, max_examples=50)
def test_the_trace_beside_an_entry_is_believed_by_nobody(
    door: Door, made: tuple[Unsigned, Place], name: str, noise: bytes
) -> None:
    entry = sign(*made, door.signer)
    headers = (("traceparent", noise), (f"x-{name}", noise), *message_headers(entry))
    judged = door.judge(entry.token.payload, headers)
    assert isinstance(judged, Sound) and judged.entry.hash == entry.hash


scalars = (
    st.none()
    | st.booleans()
    | st.integers(0, 62).map(lambda bits: 2**bits - 1)
    | st.integers()
    | st.floats()
    | st.text(max_size=60)
    | st.just("A" * 9_000)
)
members = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner))
HEADER = {
    "typ": ENTRY_TYP, "fed": "testamur", "org": "ee", "top": "testamur.ee.status.v1", "epo": 1, "seq": 1,
    "prv": GENESIS, "jti": "one", "knd": "credential.revoked.v1", "sub": "two", "iat": 1_800_000_000, "aft": {},
}  # fmt: skip


def _answer(door: Door, header: dict[str, Any], payload: bytes) -> None:
    """The door answers, by refusing or not, whatever the header says and whether or not the copies repeat it."""
    protected = encode(orjson.dumps({"alg": door.signer.alg, "kid": door.signer.kid, **header}))
    signed = b"%b.%b" % (protected, encode(payload))
    signature = encode(door.signer.sign(signed))
    assert isinstance(door.judge(payload, (("jws", protected + b".." + signature),)), Refused)
    try:
        headers = message_headers(parse(signed + b"." + signature))
    except TestamurError:
        return
    assert isinstance(door.judge(payload, headers), Sound | Refused)


@given(st.sampled_from(sorted(HEADER)), members, st.binary(max_size=60))
@in_this_door
def test_whatever_a_key_signs_the_door_has_an_answer(door: Door, name: str, member: Any, payload: bytes) -> None:
    try:
        orjson.dumps(member)
    except (TypeError, ValueError):
        return  # no JSON says that
    _answer(door, {**HEADER, name: member}, payload)


@pytest.mark.parametrize("name", ["epo", "seq", "iat"])
def test_the_door_has_an_answer_to_numbers_of_every_size(door: Door, name: str) -> None:
    for bits in range(64):
        for number in (2**bits - 1, 2**bits):
            _answer(door, {**HEADER, name: min(number, 2**64 - 1)}, b"{}")


@given(
    st.binary(max_size=200), st.lists(st.tuples(st.sampled_from(["jws", "ce_id", "ce_time", "x"]), st.binary(max_size=200)))
)
@in_this_door
def test_noise_is_refused(door: Door, value: bytes, headers: list[tuple[str, bytes]]) -> None:
    assert isinstance(door.judge(value, tuple(headers)), Refused)


@given(st.binary(max_size=300) | st.text(max_size=300) | members.map(lambda some: orjson.dumps(str(some))))
@settings(max_examples=150, deadline=None)
def test_noise_in_compact_form_is_malformed_and_nothing_else(raw: bytes | str) -> None:
    with pytest.raises(TestamurError):
        parse(raw)


@given(st.lists(saids, min_size=1, max_size=6), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_each_entry_of_a_chain_is_next_exactly_once(said: list[Unsigned], epoch: int) -> None:
    position, run, positions = Position(epoch), [], [Position(epoch)]
    for one in said:
        place = Place("testamur", "ee", epoch, position.seq + 1, position.hash)
        entry = sign(one._replace(stream="status"), place, SIGNERS[True])
        position = position.advanced_by(entry)
        run.append(entry)
        positions.append(position)
    for at, seen_from in enumerate(positions):
        standings = [placement(seen_from, entry.envelope) for entry in run]
        expected = [Placement.HELD] * at + [Placement.NEXT] + [Placement.BEYOND] * (len(run) - at - 1)
        assert standings == expected[: len(run)]
    assert all(later.envelope.previous == before.hash for before, later in pairwise(run))


@given(st.integers(1, 5), st.integers(0, 8), hashes, entries())
@settings(max_examples=150, deadline=None)
def test_an_entry_is_next_only_at_the_next_sequence_behind_the_very_entry_it_names(
    epoch: int, seq: int, held: str, entry: Entry
) -> None:
    position = Position(epoch, seq, held)
    for near in (
        entry.envelope,
        *(_moved(entry, epoch, seq + step, prv) for step in (-1, 0, 1, 2) for prv in (held, GENESIS)),
    ):
        follows = near.epoch == epoch and near.seq == seq + 1
        standing = placement(position, near)
        assert (standing is Placement.NEXT) == (follows and near.previous == held)
        assert (standing is Placement.FORKED) == (follows and near.previous != held)
        assert (standing is Placement.HELD) == (near.epoch == epoch and near.seq <= seq)
        assert (standing is Placement.OLD_EPOCH) == (near.epoch < epoch)
        assert (standing is Placement.NEW_EPOCH) == (near.epoch > epoch)


def _moved(entry: Entry, epoch: int, seq: int, previous: str) -> Any:
    return entry.envelope.model_copy(update={"epo": epoch, "seq": max(seq, 1), "prv": previous})


@given(st.lists(st.tuples(st.integers(1, 999_999), sequences), min_size=2, max_size=8, unique=True))
def test_the_archive_s_keys_sort_by_epoch_and_then_by_sequence(places: list[tuple[int, int]]) -> None:
    keys = [log_key("testamur.ee.status.v1", epoch, seq) for epoch, seq in sorted(places)]
    assert keys == sorted(keys)

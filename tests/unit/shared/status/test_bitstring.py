"""Promise: a published status list says exactly which credentials are affected, and a hostile one harms nobody."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime

import pybase64
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.status.bitstring import (
    MIN_ENTRIES,
    StatusIndexOutOfRange,
    StatusListMalformed,
    decode,
    encode,
    is_set,
    status_list_payload,
)


def written(packed: bytes) -> str:
    return "u" + pybase64.urlsafe_b64encode(packed).rstrip(b"=").decode()


@given(st.sets(st.integers(0, MIN_ENTRIES - 1), max_size=50))
@settings(max_examples=25, deadline=None)
def test_exactly_the_given_indexes_are_set(indexes: set[int]) -> None:
    bits = decode(encode(indexes))
    assert len(bits) * 8 == MIN_ENTRIES
    assert all(is_set(bits, index) for index in indexes)
    assert sum(byte.bit_count() for byte in bits) == len(indexes)


def test_index_0_is_the_most_significant_bit_of_the_first_byte() -> None:
    bits = decode(encode([0, 15]))
    assert bits[:2] == b"\x80\x01"


def test_the_same_indexes_give_the_same_text() -> None:
    assert encode([5, 99]) == encode([99, 5, 5])


@pytest.mark.parametrize("index", [-1, MIN_ENTRIES])
def test_an_index_beyond_the_list_is_refused(index: int) -> None:
    with pytest.raises(StatusIndexOutOfRange):
        encode([index])
    with pytest.raises(StatusIndexOutOfRange):
        is_set(decode(encode([])), index)


@pytest.mark.parametrize("length", [MIN_ENTRIES - 8, MIN_ENTRIES + 1])
def test_a_list_too_short_to_hide_in_is_not_written(length: int) -> None:
    with pytest.raises(StatusIndexOutOfRange):
        encode([], length)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "u",
        "H4sIAAAA",
        "z" + encode([])[1:],
        encode([]) + "=",
        encode([]) + "\n",
        encode([]).replace("_", "/").replace("-", "+"),
        encode([])[:-6],
        written(b"not gzip at all"),
        written(gzip.compress(b"\x00" * 100)),
        written(gzip.compress(b"\x00" * (MIN_ENTRIES // 8)) + b"more"),
        written(gzip.compress(b"\x00" * (MIN_ENTRIES // 8)) * 2),
    ],
    ids=range(12),  # not the texts: a compressed one holds the time
)
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(StatusListMalformed):
        decode(text)


def test_a_bomb_is_not_unpacked() -> None:
    bomb = written(gzip.compress(b"\x00" * 50_000_000))
    assert len(bomb) < 100_000
    with pytest.raises(StatusListMalformed):
        decode(bomb)


def test_a_list_that_just_fits_the_limit_is_read() -> None:
    assert len(decode(encode([], MIN_ENTRIES * 2), max_bytes=MIN_ENTRIES // 4)) == MIN_ENTRIES // 4
    with pytest.raises(StatusListMalformed):
        decode(encode([], MIN_ENTRIES * 2), max_bytes=MIN_ENTRIES // 4 - 1)


def test_the_list_travels_as_a_verifiable_credential() -> None:
    moment = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
    encoded = encode([7])
    payload = status_list_payload(
        url="https://ee.example/status/1",
        issuer="urn:testamur:europe:ee:registry",
        purpose="revocation",
        encoded=encoded,
        valid_from=moment,
        valid_until=moment.replace(hour=21),
    )
    document = json.loads(payload)
    assert document["@context"][0] == "https://www.w3.org/ns/credentials/v2"
    assert document["type"] == ["VerifiableCredential", "BitstringStatusListCredential"]
    assert (document["validFrom"], document["validUntil"]) == ("2026-11-23T20:00:00Z", "2026-11-23T21:00:00Z")
    subject = document["credentialSubject"]
    assert (subject["type"], subject["statusPurpose"]) == ("BitstringStatusList", "revocation")
    assert is_set(decode(subject["encodedList"]), 7)

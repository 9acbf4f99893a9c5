"""Promise: the encoded lists that the W3C Recommendation prints are read bit for bit."""

from __future__ import annotations

from shared.status.bitstring import decode, encode, is_set
from tests.shared_data import shared_json


def test_every_list_of_the_recommendation_is_read_as_it_was_meant() -> None:
    vectors = shared_json("vectors", "bitstring-status-list", "rec-2025-encodedlists.json")
    assert vectors
    for vector in vectors:
        bits = decode(vector["encodedList"])
        assert len(bits) == vector["bytes"]
        assert [index for index in range(len(bits) * 8) if is_set(bits, index)] == vector["set"]


def test_what_we_write_for_the_same_bits_reads_the_same() -> None:
    for vector in shared_json("vectors", "bitstring-status-list", "rec-2025-encodedlists.json"):
        assert decode(encode(vector["set"], vector["bytes"] * 8)) == decode(vector["encodedList"])

"""The issuer's rules by themselves: places in a status list, encryption, corrections, settings."""

from __future__ import annotations

from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.issuer.credentials.domain import (
    CredentialNotInForce,
    CredentialReplaced,
    refuse_correction,
    status_of,
)
from services.issuer.credentials.encryption import BoxDamaged, decrypt, encrypt, new_key
from services.issuer.places.domain import StatusList
from services.issuer.settings import IssuerSettings
from shared.errors import Misconfigured
from shared.settings import NodeSettings
from shared.status.fold import NOTHING, State, Status

REF = "8a0c3f0e-2f0c-4a58-9d53-6d0f3a1c1f11"


@given(st.sets(st.integers(0, 63), max_size=60))
def test_a_drawn_place_was_free_and_is_taken_then(taken: set[int]) -> None:
    places = StatusList("1", 64, set(taken))
    drawn = [places.draw() for _ in range(64 - len(taken))]
    assert len(set(drawn)) == len(drawn) and taken.isdisjoint(place.index for place in drawn)
    assert places.taken == set(range(64))


def test_a_list_is_full_when_half_of_it_is_taken_and_the_next_one_is_empty() -> None:
    places = StatusList("1", 64, set(range(31)))
    assert not places.full
    places.draw()
    assert places.full
    assert (places.next().name, places.next().taken) == ("2", set())


@given(st.binary(max_size=200), st.integers(0, 10_000))
def test_a_box_opens_with_its_own_key_and_not_when_any_bit_of_it_changed(plain: bytes, where: int) -> None:
    key = new_key()
    box = encrypt(key, REF, "credential", plain)
    assert decrypt(key, REF, "credential", box) == plain
    raw = bytearray(b64decode(box))
    raw[where // 8 % len(raw)] ^= 1 << where % 8
    with pytest.raises(BoxDamaged):
        decrypt(key, REF, "credential", b64encode(raw).decode())


@pytest.mark.parametrize("box", ["", "AAAA", "not base64"])
def test_what_is_no_box_is_refused(box: str) -> None:
    with pytest.raises(BoxDamaged):
        decrypt(new_key(), REF, "credential", box)


def test_a_box_opens_with_no_other_key_ref_or_use() -> None:
    key = new_key()
    box = encrypt(key, REF, "credential", b"the learner")
    other = REF.replace("8a", "8b")
    for wrong in ((new_key(), REF, "credential"), (key, other, "credential"), (key, REF, "answer")):
        with pytest.raises(BoxDamaged):
            decrypt(*wrong, box)  # type: ignore[arg-type]


def test_two_boxes_of_one_text_have_nothing_in_common() -> None:
    key = new_key()
    assert encrypt(key, REF, "answer", b"same")[:16] != encrypt(key, REF, "answer", b"same")[:16]


def test_only_what_is_in_force_may_be_corrected() -> None:
    for state in (NOTHING, State(Status.ACTIVE)):
        refuse_correction(state)
    with pytest.raises(CredentialReplaced):
        refuse_correction(State(Status.REVOKED, replaced_by=REF))
    for status in (Status.REVOKED, Status.SUSPENDED):
        with pytest.raises(CredentialNotInForce):
            refuse_correction(State(status))


def test_every_state_has_its_word() -> None:
    words = [status_of(State(status)) for status in Status]
    assert words == ["issued", "registered", "suspended", "revoked"]


def test_the_band_of_credits_is_the_nation_s_own_and_off_unless_set(tmp_path: Path) -> None:
    node = NodeSettings(node="ee", home=tmp_path)
    assert IssuerSettings.of(node).policy.coherence.ects_band is None
    banded = IssuerSettings.load(node="ee", home=tmp_path, most_ects=59)
    assert banded.policy.coherence.ects_band == (0.0, 59.0)
    with pytest.raises(Misconfigured):
        IssuerSettings.load(node="ee", home=tmp_path, least_ects=60, most_ects=59)

"""Promise: whatever the order, the repetition or the lateness of facts, one set of facts has one state."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.events.registrations import CredentialRegistered
from shared.events.status import CredentialReinstated, CredentialRevoked, CredentialsRevoked, CredentialSuspended
from shared.status.facts import Fact, KeyCutoff, StatusEvent
from shared.status.fold import Status, fold, hash_of_lines, state_line

T0 = datetime(2026, 1, 1, tzinfo=UTC)
REF, OTHER = "0b8f3a6e-9a50-4d8c-8a3e-1a2b3c4d5e6f", "1b8f3a6e-9a50-4d8c-8a3e-1a2b3c4d5e6f"
KIDS = ("k" * 43, "m" * 43)
RANK = {Status.ABSENT: 0, Status.ACTIVE: 1, Status.SUSPENDED: 1, Status.REVOKED: 2}


def day(number: int) -> datetime:
    return T0 + timedelta(days=number)


def digest_of(facts: Iterable[Fact]) -> str:
    return hash_of_lines({state_line(fact) for fact in facts})


def fact(event: StatusEvent, seq: int, known: int = 0) -> Fact:
    return Fact(event=event, epoch=1, seq=seq, hash=f"{seq:043d}", known_at=day(known), trust_seq=0, at=day(0))


def registered(seq: int, kid: str = KIDS[0]) -> Fact:
    event = CredentialRegistered(
        ref=REF, commitments={"vc+jwt": "c" * 43}, institution="tartu", kid=kid, credential_type="micro-credential"
    )
    return fact(event, seq)


def suspended(version: int, effective: int, seq: int) -> Fact:
    return fact(CredentialSuspended(ref=REF, version=version, effective=day(effective), until=day(effective + 1)), seq)


def reinstated(version: int, effective: int, seq: int) -> Fact:
    return fact(CredentialReinstated(ref=REF, version=version, effective=day(effective)), seq)


def revoked(version: int, effective: int, seq: int) -> Fact:
    return fact(CredentialRevoked(ref=REF, version=version, effective=day(effective), reason="error"), seq)


def many_revoked(effective: int, seq: int) -> Fact:
    return fact(CredentialsRevoked(operation=OTHER, refs=(REF,), effective=day(effective), reason="withdrawn"), seq)


def key_revoked(kid: str, stand_to: int, effective: int, seq: int) -> Fact:
    event = CredentialsRevoked(operation=OTHER, key=kid, registrations_stand_to=stand_to, effective=day(effective))
    return fact(event, seq)


SEVENS = {
    "a long life": [registered(1), *(f(v, v, 10 + v) for v, f in enumerate((suspended, reinstated) * 3, 1))],
    "ties of version": [
        registered(1),
        suspended(1, 2, 11),
        reinstated(1, 1, 12),
        suspended(2, 4, 13),
        suspended(2, 3, 14),
        reinstated(2, 3, 15),
        reinstated(2, 5, 16),
    ],
    "revoked three times, twice at one moment": [
        registered(1),
        suspended(1, 1, 11),
        revoked(2, 3, 12),
        revoked(3, 2, 14),
        many_revoked(2, 13),
        reinstated(4, 1, 15),
        revoked(5, 9, 16),
    ],
    "a tombstone, and late registrations by two keys": [
        revoked(1, 4, 11),
        registered(8),
        registered(5, KIDS[1]),
        key_revoked(KIDS[1], 4, 3, 12),
        key_revoked(KIDS[0], 9, 1, 13),
        suspended(7, 1, 14),
        reinstated(8, 1, 15),
    ],
}


@pytest.mark.parametrize("facts", SEVENS.values(), ids=SEVENS)
def test_all_5040_orders_of_seven_facts_give_one_state(facts: list[Fact]) -> None:
    expected = fold(facts)
    orders = list(permutations(facts))
    assert len(orders) == 5_040
    assert all(fold(order) == expected for order in orders)


_seq, _version, _day = st.integers(1, 40), st.integers(1, 4), st.integers(0, 9)
_facts = st.one_of(
    st.builds(registered, _seq, st.sampled_from(KIDS)),
    st.builds(suspended, _version, _day, _seq),
    st.builds(reinstated, _version, _day, _seq),
    st.builds(revoked, _version, _day, _seq),
    st.builds(many_revoked, _day, _seq),
    st.builds(key_revoked, st.sampled_from(KIDS), st.integers(0, 40), _day, _seq),
)
_sets = st.lists(_facts, max_size=9, unique_by=lambda item: (item.event.stream.name, item.seq))
_cutoffs = st.lists(
    st.builds(
        KeyCutoff,
        kid=st.sampled_from(KIDS),
        stand_to=st.integers(0, 40),
        effective=_day.map(day),
        hash=st.integers(50, 60).map(lambda number: f"{number:043d}"),
        reason=st.just("withdrawn"),
        known_at=_day.map(day),
    ),
    max_size=3,
)


@given(_sets, _cutoffs, st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_order_and_repetition_change_nothing(facts: list[Fact], cutoffs: list[KeyCutoff], random: object) -> None:
    again = [*facts, *facts]
    random.shuffle(again)  # type: ignore[attr-defined]
    assert fold(again, [*reversed(cutoffs), *cutoffs]) == fold(facts, cutoffs)
    assert digest_of(again) == digest_of(facts)


@given(_sets, _facts, _cutoffs)
@settings(max_examples=150, deadline=None)
def test_revoked_is_for_ever(facts: list[Fact], further: Fact, cutoffs: list[KeyCutoff]) -> None:
    if fold(facts, cutoffs).status is Status.REVOKED:
        assert fold([*facts, further], cutoffs).status is Status.REVOKED
    assert fold([*facts, further], cutoffs).version >= fold(facts, cutoffs).version


@given(_sets)
@settings(max_examples=150, deadline=None)
def test_a_plain_fold_is_the_fold_as_of_the_end_of_time(facts: list[Fact]) -> None:
    assert fold(facts, as_of=day(1_000), known_at=day(1_000)) == fold(facts)


@given(_sets, _day)
@settings(max_examples=150, deadline=None)
def test_once_revoked_as_of_a_day_it_is_revoked_as_of_every_later_day(facts: list[Fact], first: int) -> None:
    ranks = [RANK[fold(facts, as_of=day(number)).status] for number in range(first, 11)]
    assert 2 not in ranks or all(rank == 2 for rank in ranks[ranks.index(2) :])


@given(_sets)
@settings(max_examples=150, deadline=None)
def test_active_is_said_only_of_what_is_registered(facts: list[Fact]) -> None:
    state = fold(facts)
    assert state.status is not Status.ACTIVE or state.registered is not None

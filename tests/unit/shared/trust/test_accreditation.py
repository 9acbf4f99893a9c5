"""Promise: a nation's word on its institutions counts as of its place in the log, in whatever order it reached us."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.events.base import Event
from shared.events.trust import AccreditationWithdrawn, InstitutionKeyAdded, Scope
from shared.ids import new_ref
from shared.trust.accreditation import TrustBook, TrustFact
from shared.trust.scope import RequiredScope
from tests.scenes.verification import (
    ACCREDITATION,
    NOW,
    SIGNER,
    THIEF,
    TYPE,
    accredited,
    book,
    key_added,
    key_retired,
    withdrawn,
)

WANTED = RequiredScope(TYPE, 6, "0612", "EE")
OTHER = new_ref()


def decide(facts: TrustBook, wanted: RequiredScope = WANTED, at: tuple[int, int] | None = None, on: Any = NOW) -> str | None:
    return facts.decide("tartu", wanted, at, on).reason


def test_an_accredited_institution_may_issue_what_it_is_accredited_for() -> None:
    decision = book(accredited()).decide("tartu", WANTED, None, NOW)
    assert decision.allowed and decision.accreditation == ACCREDITATION
    assert (decision.name, decision.country) == ("University of Tartu", "EE")


def test_an_institution_that_nobody_accredited_may_not() -> None:
    decision = book(accredited()).decide("porto", WANTED, None, NOW)
    assert (decision.allowed, decision.reason, decision.accreditation) == (False, "not-accredited", None)


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (WANTED._replace(credential_type="diploma"), "type-out-of-scope"),
        (WANTED._replace(eqf=8), "level-out-of-scope"),
        (WANTED._replace(eqf=None), None),
        (WANTED._replace(isced_f="0912"), "field-out-of-scope"),
        (WANTED._replace(isced_f="06"), None),
        (WANTED._replace(isced_f=None), "field-out-of-scope"),
        (WANTED._replace(country="PT"), "jurisdiction-out-of-scope"),
        (WANTED._replace(country=None), None),
    ],
)
def test_each_edge_of_the_scope_has_its_reason(wanted: RequiredScope, reason: str | None) -> None:
    assert decide(book(accredited()), wanted) == reason


def test_an_accreditation_without_fields_is_for_every_field() -> None:
    every = book(accredited(scope=Scope(credential_types=(TYPE,), eqf_max=7)))
    assert decide(every, WANTED._replace(isced_f=None)) is None
    assert decide(every, WANTED._replace(isced_f="0912")) is None


def test_an_accreditation_holds_from_its_first_moment_to_before_its_last() -> None:
    facts = book(accredited(valid_from=NOW, valid_until=NOW + timedelta(days=1)))
    asked = [decide(facts, on=NOW + timedelta(days=days)) for days in (-0.1, 0, 0.9, 1)]
    assert asked == ["accreditation-not-yet", None, None, "accreditation-expired"]


def test_what_was_registered_before_a_withdrawal_stands() -> None:
    facts = book(accredited(), withdrawn())
    assert decide(facts, at=(1, 1)) is None
    assert decide(facts, at=(1, 2)) == decide(facts) == "accreditation-withdrawn"


def test_an_accreditation_counts_only_from_its_place_on() -> None:
    assert decide(book(key_added(), accredited()), at=(1, 1)) == "not-accredited"


def test_a_withdrawal_known_before_the_accreditation_already_counts() -> None:
    facts = TrustBook([TrustFact(withdrawn(), 1, 9)])
    facts.add(TrustFact(accredited(), 1, 3))
    assert decide(facts) == "accreditation-withdrawn"
    assert decide(facts, at=(1, 8)) is None


def test_a_withdrawal_ends_one_accreditation_and_no_other() -> None:
    facts = book(accredited(), accredited(accreditation=OTHER), withdrawn())
    assert facts.decide("tartu", WANTED, None, NOW).accreditation == OTHER
    assert [found.accreditation for found in facts.accreditation("tartu", at=None, on=NOW)] == [OTHER]
    both = facts.accreditation("tartu", at=(1, 2), on=NOW)
    assert [found.accreditation for found in both] == [ACCREDITATION, OTHER]


def test_another_institution_cannot_be_withdrawn_by_the_way() -> None:
    foreign = AccreditationWithdrawn(institution="tallinn", accreditation=ACCREDITATION, effective=NOW)
    assert decide(book(accredited(), foreign)) is None


def test_of_several_accreditations_the_nearest_reason_is_told() -> None:
    facts = book(
        accredited(valid_until=NOW - timedelta(days=1)),
        accredited(accreditation=OTHER, scope=Scope(credential_types=(TYPE,), eqf_max=5)),
    )
    assert decide(facts) == "level-out-of-scope"


def test_a_key_is_found_only_under_the_institution_it_was_added_to() -> None:
    facts = book(accredited(), key_added())
    key = facts.key("tartu", SIGNER.kid)
    assert key is not None and key.added == (1, 2) and key.retired is None
    assert key.verification_key == SIGNER.verification_key()
    assert facts.key("porto", SIGNER.kid) is None
    assert facts.key("tartu", THIEF.kid) is None


def test_a_key_that_cannot_verify_is_no_key() -> None:
    broken = InstitutionKeyAdded(institution="tartu", kid="k", jwk={"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"})
    assert book(broken).key("tartu", "k") is None


def test_a_superseded_key_lets_earlier_registrations_stand() -> None:
    facts = book(key_added(), key_retired("superseded"), registrations=20)
    assert [facts.key_stands(SIGNER.kid, (1, seq)) for seq in (20, 21)] == [True, False]


def test_a_compromised_key_lets_only_the_named_registrations_stand() -> None:
    facts = book(key_added(), key_retired("compromised", stand_to=12), registrations=20)
    assert [facts.key_stands(SIGNER.kid, (1, seq)) for seq in (12, 13)] == [True, False]


def test_a_compromise_without_a_number_lets_nothing_stand() -> None:
    facts = book(key_added(), key_retired("compromised"), registrations=20)
    assert [facts.key_stands(SIGNER.kid, (1, seq)) for seq in (1, 20, 21)] == [False] * 3


def test_no_retirement_lets_stand_what_was_not_yet_registered() -> None:
    facts = book(key_added(), key_retired("compromised", stand_to=500), registrations=20)
    assert not facts.key_stands(SIGNER.kid, (1, 21))


def test_of_two_retirements_the_one_that_trusts_less_counts() -> None:
    facts = book(key_added(), key_retired("superseded"), key_retired("compromised", stand_to=3), registrations=20)
    key = facts.key("tartu", SIGNER.kid)
    assert key is not None and key.retired is not None
    assert (key.retired.stand_to, key.retired.reason) == (3, "compromised")


_events = st.sampled_from(
    [
        accredited(),
        accredited(name="Tartu, said otherwise"),
        accredited(accreditation=OTHER),
        withdrawn(),
        AccreditationWithdrawn(institution="tartu", accreditation=OTHER, effective=NOW),
        key_added(),
        key_added(THIEF),
        InstitutionKeyAdded(institution="tartu", kid=SIGNER.kid, jwk=THIEF.public_jwk),
        key_retired("superseded"),
        key_retired("compromised", stand_to=2),
        key_retired("compromised", signer=THIEF),
    ]
)


def fact_of(event: Event, seq: int, registrations: int) -> TrustFact:
    return TrustFact(event, 1, seq, {"registrations": registrations})


def everything(facts: TrustBook) -> list[Any]:
    places = [None, *((1, seq) for seq in range(7))]
    decisions = [facts.decide("tartu", WANTED, at, NOW) for at in places]
    keys = [facts.key("tartu", signer.kid) for signer in (SIGNER, THIEF)]
    return [decisions, keys, [facts.key_stands(SIGNER.kid, (1, seq)) for seq in range(9)]]


@given(
    st.lists(st.builds(fact_of, _events, st.integers(1, 6), st.integers(0, 8)), max_size=8),
    st.randoms(use_true_random=False),
)
@settings(max_examples=150, deadline=None)
def test_the_order_and_the_repetition_of_facts_change_nothing(said: list[TrustFact], random: Any) -> None:
    shuffled = [*said, *said]
    random.shuffle(shuffled)
    assert everything(TrustBook(shuffled)) == everything(TrustBook(said))


@given(st.lists(st.builds(fact_of, _events, st.integers(1, 6), st.integers(0, 8)), max_size=8), st.integers(1, 6))
@settings(max_examples=150, deadline=None)
def test_a_withdrawal_never_adds_trust(said: list[TrustFact], seq: int) -> None:
    before, after = TrustBook(said), TrustBook([*said, fact_of(withdrawn(), seq, 0)])
    assert before.decide("tartu", WANTED, None, NOW).allowed or not after.decide("tartu", WANTED, None, NOW).allowed
    assert all(
        before.key_stands(SIGNER.kid, (1, number)) or not after.key_stands(SIGNER.kid, (1, number)) for number in range(9)
    )

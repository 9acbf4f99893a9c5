"""Promise: the verdict follows from the table alone, and nothing that is not known ever makes `valid`."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.events.status import CredentialReinstated
from shared.jose.signers import sign
from shared.status.fold import Status, fold
from shared.trust.federation_list import ListState
from shared.trust.nodes import Left
from shared.verification.policy import Policy, PolicySoftens
from shared.verification.presented import recognise
from shared.verification.verdict import STEPS, TABLE, Outcome, StepResult, Verdict, conclude, found, passed
from tests.scenes.verification import (
    NOW,
    THIEF,
    accredited,
    book,
    key_added,
    key_retired,
    node,
    registration,
    revoked,
    scene,
    signed,
    status_fact,
    suspended,
    withdrawn,
)

EXPECTED = {
    Outcome.FAILED: Verdict.INVALID,
    Outcome.UNKNOWN: Verdict.INDETERMINATE,
    Outcome.WARNING: Verdict.VALID,
    Outcome.SKIPPED: Verdict.VALID,
}
INVALID = {
    "malformed", "signature-invalid", "key-compromised", "not-accredited", "accreditation-withdrawn",
    "accreditation-expired", "accreditation-not-yet", "jurisdiction-out-of-scope", "type-out-of-scope",
    "level-out-of-scope", "field-out-of-scope",
    "expired", "revoked", "superseded", "commitment-mismatch", "registration-differs", "key-binding-invalid",
    "part-mismatch",
}  # fmt: skip
INDETERMINATE = {
    "unknown-format", "unknown-nation", "unknown-key", "key-retired", "key-not-yet-added", "federation-list-expired",
    "nation-suspended", "nation-left", "trust-log-unknown", "trust-log-behind", "parked", "contradictory-log", "stale",
    "stale-then", "identifier-contested", "not-yet-valid", "suspended", "not-registered", "format-not-registered",
}  # fmt: skip
ALL_PASSED = tuple(passed(number, "", {}) for number in range(len(STEPS)))


def with_step(*results: StepResult) -> list[StepResult]:
    changed = {result.number: result for result in results}
    return [changed.get(result.number, result) for result in ALL_PASSED]


@pytest.mark.parametrize(("number", "reason"), TABLE)
def test_each_row_of_the_table_gives_the_verdict_of_its_outcome(number: int, reason: str) -> None:
    result = found(number, reason, {})
    verdict, deciding = conclude(with_step(result))
    assert verdict is EXPECTED[TABLE[number, reason].outcome]
    assert deciding is (None if verdict is Verdict.VALID else result)


def test_the_reasons_that_make_invalid_and_indeterminate_are_those_of_the_protocol() -> None:
    by_outcome = {outcome: {reason for (_, reason), row in TABLE.items() if row.outcome is outcome} for outcome in Outcome}
    assert by_outcome[Outcome.FAILED] == INVALID
    assert by_outcome[Outcome.UNKNOWN] == INDETERMINATE
    assert not by_outcome[Outcome.PASSED]


def test_steps_that_all_pass_are_valid() -> None:
    assert conclude(ALL_PASSED) == (Verdict.VALID, None)


_rows = st.lists(st.sampled_from(list(TABLE)), max_size=6, unique_by=lambda row: row[0])


@given(_rows)
@settings(max_examples=200, deadline=None)
def test_invalid_beats_indeterminate_beats_valid(rows: list[tuple[int, str]]) -> None:
    outcomes = {TABLE[row].outcome for row in rows}
    verdict, deciding = conclude(with_step(*(found(*row, {}) for row in rows)))
    if Outcome.FAILED in outcomes:
        assert verdict is Verdict.INVALID
    elif Outcome.UNKNOWN in outcomes:
        assert verdict is Verdict.INDETERMINATE
    else:
        assert verdict is Verdict.VALID
    same = [number for number, reason in rows if EXPECTED[TABLE[number, reason].outcome] is verdict]
    assert deciding is None if verdict is Verdict.VALID else deciding is not None and deciding.number == min(same)


# policy


@pytest.mark.parametrize("hardened", [{"incoherent": Verdict.INVALID}, {2: Verdict.INVALID}])
def test_a_policy_may_harden_a_warning(hardened: dict[int | str, Verdict]) -> None:
    warned = scene(signed(workload={"ects": 2.0, "hours": 200.0}))
    assert warned.ask().verdict is Verdict.VALID
    report = warned.ask(policy=Policy(hardened=hardened))
    assert (report.verdict, report.reason) == (Verdict.INVALID, "incoherent")
    assert report.steps[2].outcome is Outcome.WARNING


@pytest.mark.parametrize(
    "wrong",
    [
        {"hardened": {"revoked": Verdict.INDETERMINATE}},
        {"hardened": {"incoherent": Verdict.VALID}},
        {"hardened": {11: Verdict.INVALID}},
        {"max_age": float("inf")},
        {"max_age": 0},
    ],
)
def test_no_policy_can_soften(wrong: dict[str, Any]) -> None:
    with pytest.raises(PolicySoftens):
        Policy(**wrong)


@pytest.mark.parametrize("number", range(len(STEPS)))
@given(rows=_rows)
@settings(max_examples=20, deadline=None)
def test_hardening_only_ever_makes_a_verdict_worse(number: int, rows: list[tuple[int, str]]) -> None:
    order = [Verdict.VALID, Verdict.INDETERMINATE, Verdict.INVALID]
    results = with_step(*(found(*row, {}) for row in rows))
    for verdict in order[1:]:
        assert order.index(conclude(results, {number: verdict})[0]) >= order.index(conclude(results)[0])


# nothing unknown makes valid


RAW = signed()
RETIRED = book(accredited(), key_added(), key_retired("compromised", stand_to=0), registrations=9)
BOOKS = {
    "good": book(accredited(), key_added()),
    "unknown": None,
    "empty": book(),
    "no key": book(accredited()),
    "no accreditation": book(key_added()),
    "withdrawn": book(accredited(), withdrawn(), key_added()),
    "retired": RETIRED,
}
FACTS: dict[str, Callable[[], tuple[Any, ...]]] = {
    "registered": lambda: (registration(RAW),),
    "nothing": lambda: (),
    "another": lambda: (registration(signed(title={"en": "Another"})),),
    "revoked": lambda: (registration(RAW), revoked()),
    "tombstone": lambda: (revoked(),),
    "suspended": lambda: (registration(RAW), suspended()),
    "beyond our trust log": lambda: (registration(RAW, trust_seq=99),),
}
NODES = {
    "active": node(),
    "unknown": None,
    "suspended": node(status="suspended"),
    "left": node(status="left", left=Left(epoch=1, heads={})),
    "another": node(name="pt"),
}
FORGED = sign(
    {"typ": "vc+jwt", "cty": "vc", "iss": "urn:testamur:europe:ee:institution:tartu"}, recognise(RAW).token.payload, THIEF  # type: ignore[union-attr]
)  # fmt: skip
PRESENTED = {"true": RAW, "forged": FORGED, "torn": RAW[:-8] + b"AAAAAAAA", "no credential": b"hello"}


@given(
    st.sampled_from(list(PRESENTED)),
    st.sampled_from(list(NODES)),
    st.sampled_from(list(ListState)),
    st.sampled_from(list(BOOKS)),
    st.sampled_from(list(FACTS)),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0.0, 900.0, 900.5, 1e7, None, float("nan")]),
    st.sampled_from(["europe", "oceania"]),
)
@settings(max_examples=400, deadline=None)
def test_nothing_short_of_full_and_fresh_knowledge_is_ever_valid(
    shown: str, nation: str, list_state: ListState, trust: str, facts: str,
    parked: bool, contradictory: bool, age: float | None, federation: str,
) -> None:  # fmt: skip
    asked = scene(
        RAW, node=NODES[nation], list_state=list_state, trust=BOOKS[trust], facts=FACTS[facts](),
        parked=parked, contradictory=contradictory, age=age,
    )  # fmt: skip
    report = asked.ask(presented=recognise(PRESENTED[shown]), federation=federation)
    everything = (
        shown == "true"
        and nation == "active"
        and list_state is not ListState.EXPIRED
        and trust == "good"
        and facts == "registered"
        and not parked
        and not contradictory
        and age is not None
        and age <= 900
        and federation == "europe"
    )
    assert (report.verdict is Verdict.VALID) == everything
    assert len(report.steps) == len(STEPS)
    assert json.dumps(report.to_dict(), allow_nan=True)


@given(st.sampled_from(list(NODES)), st.sampled_from(list(ListState)), st.sampled_from([0.0, 1e7, None]), st.booleans())
@settings(max_examples=80, deadline=None)
def test_a_known_revocation_is_told_whatever_else_is_in_doubt(
    nation: str, list_state: ListState, age: float | None, parked: bool
) -> None:
    facts = FACTS["revoked"]()
    report = scene(RAW, node=NODES[nation], list_state=list_state, facts=facts, parked=parked, age=age).ask()
    known = nation not in {"unknown", "another"}
    assert (report.verdict is Verdict.INVALID) == known
    assert fold(facts).status is Status.REVOKED


def test_an_expired_federation_list_is_never_invalid_and_a_fresh_one_in_grace_is_valid() -> None:
    expired, grace = scene(list_state=ListState.EXPIRED).ask(), scene(list_state=ListState.GRACE).ask()
    assert (expired.verdict, expired.reason) == (Verdict.INDETERMINATE, "federation-list-expired")
    assert (grace.verdict, grace.steps[4].reason) == (Verdict.VALID, "federation-list-grace")


def test_a_reinstated_credential_is_valid_again() -> None:
    again = CredentialReinstated(ref=recognise(RAW).ref or "", version=2, effective=NOW - timedelta(minutes=5))
    assert scene(RAW).also(suspended(), status_fact(again, 2)).ask().verdict is Verdict.VALID
    assert scene(RAW).also(status_fact(again, 2), suspended()).ask().verdict is Verdict.VALID

"""Promise: each of the eleven steps finds what it is there to find, and says it with its own reason."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.ids import InstitutionId, new_ref
from shared.jose.signers import sign
from shared.status.facts import KeyCutoff
from shared.trust.identifiers import Contest
from shared.trust.nodes import Left
from shared.verification.policy import Policy
from shared.verification.presented import recognise
from shared.verification.report import Report
from shared.verification.verdict import STEPS, Outcome, Verdict
from shared.verification.verify import rehearse
from tests.scenes.verification import (
    NOW,
    REF,
    SIGNER,
    TARTU,
    THIEF,
    accredited,
    award,
    book,
    hash_of,
    key_added,
    key_retired,
    node,
    registration,
    revoked,
    scene,
    signed,
    suspended,
    withdrawn,
)


def answer(report: Report) -> tuple[str, str | None]:
    return report.verdict.value, report.reason


def step(report: Report, number: int) -> str | None:
    return report.steps[number].reason


def test_a_true_credential_is_valid_and_every_step_is_listed() -> None:
    report = scene().ask()
    assert answer(report) == ("valid", None)
    assert [(found.number, found.name) for found in report.steps] == list(enumerate(STEPS))


def test_the_report_holds_nothing_of_the_learner() -> None:
    text = json.dumps(scene(signed(holder={"given_name": "Specimen", "family_name": "Zebrafinch"})).ask().to_dict())
    assert "Zebrafinch" not in text and "Specimen" not in text
    assert "Data literacy" in text and "University of Tartu" in text


# step 0


@pytest.mark.parametrize("raw", [b"", b"hello", b"{}", b"\xff\xfe", "ey~.x.y", b"a.b.c"])
def test_what_is_in_no_known_format_is_not_judged(raw: bytes | str) -> None:
    report = replace(scene(), raw=raw).ask()  # type: ignore[arg-type]
    assert answer(report) == ("indeterminate", "unknown-format")
    assert {found.outcome for found in report.steps[1:]} == {Outcome.SKIPPED}
    assert json.dumps(report.to_dict())


@pytest.mark.parametrize(
    "raw",
    [
        b"eyJ.e30.AAAA",
        b"eyJ~.x.y",
        signed() + b"=",
        b"eyJ" + b"A" * 300_000 + b"..",
        sign({"typ": "vc+jwt", "cty": "vc", "iss": TARTU.urn}, b"[]", SIGNER),
        sign({"typ": "vc+jwt", "cty": "vc", "iss": TARTU.urn}, b'{"a":1,"a":2}', SIGNER),
    ],
)
def test_what_cannot_be_read_is_malformed_and_raises_nothing(raw: bytes) -> None:
    assert answer(replace(scene(), raw=raw).ask()) == ("invalid", "malformed")


# steps 1 and 2


def test_hours_that_do_not_fit_the_credits_are_told_and_change_no_verdict() -> None:
    report = scene(signed(workload={"ects": 2.0, "hours": 200.0})).ask()
    assert (report.verdict, step(report, 2)) == (Verdict.VALID, "incoherent")


# step 3


def test_one_changed_byte_makes_the_signature_false() -> None:
    raw = bytearray(signed())
    raw[-20] = ord("A") if raw[-20] != ord("A") else ord("B")
    report = scene(facts=(registration(bytes(raw)),), raw=bytes(raw)).ask()
    assert answer(report) == ("invalid", "signature-invalid")


def test_a_credential_signed_by_a_stranger_in_the_issuers_name_is_refused() -> None:
    forged = sign({"typ": "vc+jwt", "cty": "vc", "iss": TARTU.urn}, recognise(signed()).token.payload, THIEF)  # type: ignore[union-attr]
    report = replace(scene(), raw=forged).ask()
    assert answer(report) == ("indeterminate", "unknown-key")
    assert step(report, 6) == step(report, 7) == "not-authentic"


def test_a_forged_credential_does_not_reveal_what_became_of_the_real_one() -> None:
    forged = signed(title={"en": "Brain surgery"})
    forged = forged.rpartition(b".")[0] + b"." + signed().rpartition(b".")[2]
    report = replace(scene().also(revoked()), raw=forged).ask()
    assert answer(report) == ("invalid", "signature-invalid")
    assert step(report, 6) == step(report, 7) == "not-authentic"
    assert "entry" not in report.steps[6].evidence and "entry" not in report.steps[7].evidence


@pytest.mark.parametrize(("federation", "nation"), [("europe", "xx"), ("oceania", "ee")])
def test_a_nation_that_nobody_knows_is_indeterminate(federation: str, nation: str) -> None:
    raw = signed(institution=InstitutionId(federation, nation, "tartu"))
    report = scene(raw).ask()
    assert answer(report) == ("indeterminate", "unknown-nation")
    assert [step(report, number) for number in (3, 4, 6, 7)] == ["unknown-nation"] * 4
    assert answer(scene(node=None).ask()) == ("indeterminate", "unknown-nation")


def test_what_a_compromised_key_signed_stands_only_if_registered_by_then() -> None:
    retired = book(accredited(), key_added(), key_retired("compromised", stand_to=5), registrations=20)
    raw = signed()
    assert answer(scene(raw, trust=retired, facts=(registration(raw, seq=5),)).ask()) == ("valid", None)
    assert answer(scene(raw, trust=retired, facts=(registration(raw, seq=6),)).ask()) == ("invalid", "key-compromised")


def test_an_unregistered_credential_by_a_retired_key_is_held_back() -> None:
    retired = book(accredited(), key_added(), key_retired("compromised", stand_to=5), registrations=20)
    assert answer(scene(trust=retired, facts=(), seq=4).ask()) == ("indeterminate", "key-retired")
    assert answer(scene(trust=retired, facts=(), seq=5).ask()) == ("invalid", "key-compromised")
    superseded = book(accredited(), key_added(), key_retired("superseded"), registrations=20)
    assert answer(scene(trust=superseded, facts=(), seq=30).ask()) == ("indeterminate", "key-retired")


def test_what_was_registered_before_a_superseded_key_ended_stands() -> None:
    retired = book(accredited(), key_added(), key_retired("superseded"), registrations=20)
    raw = signed()
    assert answer(scene(raw, trust=retired, facts=(registration(raw, seq=20),)).ask()) == ("valid", None)
    assert answer(scene(raw, trust=retired, facts=(registration(raw, seq=21),)).ask()) == ("indeterminate", "key-retired")


def test_a_registration_before_the_key_was_added_is_doubted() -> None:
    raw = signed()
    assert step(scene(raw, facts=(registration(raw, trust_seq=1),)).ask(), 3) == "key-not-yet-added"


# step 4


def test_an_institution_that_its_nation_does_not_know_is_invalid_on_fresh_knowledge_only() -> None:
    raw = signed(THIEF, institution=InstitutionId("europe", "ee", "diploma-mill"))
    stranger = scene(raw, facts=())
    assert answer(stranger.ask()) == ("invalid", "not-accredited")
    assert step(stranger.ask(), 3) == "unknown-key"
    for doubt in ({"age": 901.0}, {"age": None}, {"contradictory": True}, {"parked": True}):
        assert stranger.knowing(**doubt).ask().verdict is Verdict.INDETERMINATE


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"credential_type": "diploma"}, "type-out-of-scope"),
        ({"level": {"eqf": 8}}, "level-out-of-scope"),
        ({"isced_f": "0912"}, "field-out-of-scope"),
        ({"awarding_body": {"legal_name": {"en": "University of Porto"}, "country": "PT"}}, "jurisdiction-out-of-scope"),
    ],
)
def test_an_institution_accredited_for_something_else_is_refused(changes: dict[str, Any], reason: str) -> None:
    raw = signed(**changes)
    fact = registration(raw, credential_type=changes.get("credential_type", "micro-credential"))
    assert answer(scene(raw, facts=(fact,)).ask()) == ("invalid", reason)


def test_a_nation_accredits_only_in_its_jurisdictions() -> None:
    raw = signed(awarding_body={"legal_name": {"en": "University of Porto"}, "country": "PT"})
    foreign = book(accredited(country="PT"), key_added())
    assert answer(scene(raw, trust=foreign).ask()) == ("invalid", "jurisdiction-out-of-scope")


def test_an_accreditation_withdrawn_after_the_registration_changes_nothing() -> None:
    trust = book(accredited(), key_added(), withdrawn())
    assert answer(scene(trust=trust, trust_seq=3).ask()) == ("valid", None)
    raw = signed()
    later = scene(raw, trust=trust, trust_seq=3, facts=(registration(raw, trust_seq=3),))
    assert answer(later.ask()) == ("invalid", "accreditation-withdrawn")
    assert answer(scene(trust=trust, trust_seq=3, facts=()).ask()) == ("invalid", "accreditation-withdrawn")


def test_a_backdated_credential_gains_nothing_by_its_date() -> None:
    raw = signed(issued=(NOW - timedelta(days=300)).isoformat())
    trust = book(accredited(valid_until=NOW - timedelta(days=100)), key_added())
    assert answer(scene(raw, trust=trust).ask()) == ("invalid", "accreditation-expired")


def test_a_registration_beyond_our_trust_log_is_not_judged_yet() -> None:
    raw = signed()
    behind = scene(raw, facts=(registration(raw, trust_seq=3),))
    assert answer(behind.ask()) == ("indeterminate", "trust-log-behind")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"node": node(status="suspended")}, "nation-suspended"),
        ({"node": node(status="left", left=Left(epoch=1, heads={}))}, "nation-left"),
    ],
)
def test_a_nation_that_is_not_active_is_indeterminate(changes: dict[str, Any], reason: str) -> None:
    assert answer(scene(**changes).ask()) == ("indeterminate", reason)


def test_an_identifier_that_another_nation_claims_too_makes_doubtful_and_not_invalid() -> None:
    claimed = scene(contest=Contest("eter:EE0001", ("ee", "pt")))
    report = claimed.ask()
    assert answer(report) == ("indeterminate", "identifier-contested")
    assert {"identifier": "eter:EE0001", "claimed_by": ["ee", "pt"]}.items() <= report.steps[4].evidence.items()
    assert claimed.also(revoked()).ask().verdict is Verdict.INVALID
    assert answer(claimed.knowing(trust=book(key_added())).ask()) == ("invalid", "not-accredited")


def test_an_unknown_trust_log_is_indeterminate() -> None:
    report = scene(trust=None).ask()
    assert (step(report, 3), step(report, 4)) == ("unknown-key", "trust-log-unknown")
    assert report.verdict is Verdict.INDETERMINATE


# step 5


def test_a_credential_counts_in_its_validity_period_only() -> None:
    raw = signed(valid_from=NOW.isoformat(), valid_until=(NOW + timedelta(days=1)).isoformat())
    asked = [answer(scene(raw).ask(now=NOW + timedelta(hours=hours))) for hours in (-1, 0, 23, 24)]
    assert asked == [
        ("indeterminate", "not-yet-valid"),
        ("valid", None),
        ("valid", None),
        ("invalid", "expired"),
    ]


# step 6


def test_a_revoked_credential_no_longer_verifies() -> None:
    assert answer(scene().also(revoked()).ask()) == ("invalid", "revoked")
    superseded = scene().also(revoked(reason="superseded", replaced_by=new_ref())).ask()
    assert answer(superseded) == ("invalid", "superseded")
    assert "ask the holder for the new one" in superseded.detail


@pytest.mark.parametrize(
    "doubt", [{"age": None}, {"age": 1e9}, {"parked": True}, {"contradictory": True}, {"node": node(status="suspended")}]
)
def test_a_known_revocation_wins_over_whatever_is_not_known(doubt: dict[str, Any]) -> None:
    assert scene(**doubt).also(revoked()).ask().verdict is Verdict.INVALID


def test_a_credential_revoked_by_its_key_no_longer_verifies() -> None:
    cut = KeyCutoff(kid=SIGNER.kid, stand_to=0, effective=NOW, hash=hash_of(9), reason="withdrawn", known_at=NOW)
    assert answer(scene(cutoffs=(cut,)).ask()) == ("invalid", "revoked")
    assert answer(scene(cutoffs=(replace(cut, stand_to=1),)).ask()) == ("valid", None)


def test_a_suspended_credential_is_indeterminate() -> None:
    assert answer(scene().also(suspended()).ask()) == ("indeterminate", "suspended")


def test_silence_makes_an_answer_stale() -> None:
    assert answer(scene(age=900.0).ask()) == ("valid", None)
    assert answer(scene(age=900.1).ask()) == ("indeterminate", "stale")
    assert answer(scene(age=None).ask()) == ("indeterminate", "stale")


def test_as_of_answers_for_the_past_by_what_is_known_now() -> None:
    before = NOW - timedelta(hours=2)
    assert answer(scene(age=3_600.0).also(revoked()).ask(as_of=before)) == ("valid", None)
    assert answer(scene(age=7_200.0 + 901).ask(as_of=before)) == ("indeterminate", "stale")
    assert answer(scene(age=600.0).ask(as_of=NOW + timedelta(hours=1))) == ("indeterminate", "stale")


def test_known_at_answers_by_what_was_known_then() -> None:
    late = replace(revoked(), known_at=NOW + timedelta(hours=1))
    assert answer(scene().also(late).ask(known_at=NOW)) == ("valid", None)
    assert answer(scene().also(late).ask(known_at=NOW - timedelta(hours=1))) == ("indeterminate", "not-registered")


def test_earlier_knowledge_has_to_have_been_fresh_when_it_was_known() -> None:
    past = NOW - timedelta(minutes=1)
    assert answer(scene(age=900.0).ask(known_at=NOW)) == ("valid", None)
    assert answer(scene(age=900.1).ask(known_at=NOW)) == ("indeterminate", "stale-then")
    assert answer(scene(age=None).ask(known_at=NOW)) == ("indeterminate", "stale-then")
    assert answer(scene(age=950.0).ask(known_at=NOW, as_of=past)) == ("valid", None)
    early = replace(registration(signed()), known_at=past)
    assert answer(scene(facts=(early,), age=840.0).ask(known_at=past, as_of=NOW)) == ("valid", None)
    assert answer(scene(facts=(early,), age=841.0).ask(known_at=past, as_of=NOW)) == ("indeterminate", "stale-then")


# step 7


def test_an_unregistered_credential_is_indeterminate() -> None:
    assert answer(scene(facts=()).ask()) == ("indeterminate", "not-registered")


def test_another_credential_under_the_same_ref_is_refused() -> None:
    other = signed(title={"en": "Brain surgery"})
    assert answer(scene(facts=(registration(other),)).ask()) == ("invalid", "commitment-mismatch")


def test_a_credential_registered_in_another_format_is_indeterminate() -> None:
    fact = registration(signed(), commitments={"dc+sd-jwt": "c" * 43})
    assert answer(scene(facts=(fact,)).ask()) == ("indeterminate", "format-not-registered")


@pytest.mark.parametrize(
    "changes", [{"kid": THIEF.kid}, {"institution": "porto"}, {"credential_type": "x"}, {"ref": new_ref()}]
)
def test_a_registration_that_speaks_of_something_else_is_refused(changes: dict[str, str]) -> None:
    raw = signed()
    assert answer(scene(raw, facts=(registration(raw, **changes),)).ask()) == ("invalid", "registration-differs")


# step 10


def test_a_level_is_placed_only_where_the_referencing_is_confirmed() -> None:
    home, abroad = scene().ask(country="EE").steps[10], scene().ask(country="PT").steps[10]
    assert home.outcome is Outcome.PASSED and list(home.evidence["national_levels"]) == [
        "Estonian Qualifications Framework 6"
    ]
    assert abroad.reason == "level-unknown" and abroad.evidence["eqf"] == 6 and not abroad.evidence["national_levels"]
    none = scene(signed(level={"reason": "a hobby course"})).ask().steps[10]
    assert none.outcome is Outcome.PASSED and none.evidence["eqf"] is None


def test_a_level_that_nobody_mapped_is_unknown() -> None:
    raw = signed(level={"nqf": "Level Nine and Three Quarters"})
    assert step(scene(raw).ask(), 10) == "level-unknown"


# the rehearsal


def test_a_rehearsal_passes_what_may_be_signed() -> None:
    throwaway = THIEF.verification_key()
    later = (NOW + timedelta(days=9)).isoformat()
    results = rehearse(signed(THIEF, valid_from=later), throwaway, Policy(), NOW, book(accredited()))
    assert [found.number for found in results] == [0, 1, 2, 3, 4, 5, 10]
    assert {found.outcome for found in results} == {Outcome.PASSED}
    assert len(rehearse(signed(THIEF), throwaway, Policy(), NOW)) == 6


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (signed(SIGNER), "signature-invalid"),
        (signed(THIEF, level={"eqf": 8}), "level-out-of-scope"),
        (signed(THIEF, valid_until=(NOW - timedelta(days=1)).isoformat()), "expired"),
        (signed(THIEF, workload={"ects": 2.0, "hours": 200.0}), "incoherent"),
        (b"hello", "unknown-format"),
        (b"eyJ.e30.AAAA", "malformed"),
    ],
)
def test_a_rehearsal_finds_what_must_not_be_signed(raw: bytes, reason: str) -> None:
    results = rehearse(raw, THIEF.verification_key(), Policy(), NOW, book(accredited()))
    assert reason in [found.reason for found in results]


def test_the_ref_and_the_origin_are_read_from_the_signed_bytes() -> None:
    presented = recognise(signed())
    assert (presented.ref, presented.origin, presented.kid) == (REF, "ee", SIGNER.kid)
    assert presented.credential is not None and presented.credential.award == award()

"""Promise: a credential's state follows from the facts as the protocol lays it down."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.events.base import Event
from shared.events.entry import Place, Unsigned, sign
from shared.events.registrations import CredentialRegistered
from shared.events.status import CredentialReinstated, CredentialRevoked, CredentialsRevoked, CredentialSuspended
from shared.ids import new_event_id, new_ref
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner
from shared.status.facts import (
    Fact,
    FactUnreadable,
    KeyCutoff,
    StatusEvent,
    by_credential,
    from_document,
    from_entry,
    key_cutoff,
    to_document,
)
from shared.status.fold import Status, fold, hash_of_lines, state_line

T0 = datetime(2026, 1, 1, tzinfo=UTC)
REF, KID = new_ref(), "k" * 43


def at(days: float) -> datetime:
    return T0 + timedelta(days=days)


def digest_of(facts: Iterable[Fact]) -> str:
    return hash_of_lines({state_line(fact) for fact in facts})


def fact(event: StatusEvent, seq: int, known: float = 0) -> Fact:
    return Fact(event=event, epoch=1, seq=seq, hash=f"{seq:043d}", known_at=at(known), trust_seq=4, at=at(0))


def registered(seq: int = 7, known: float = 0) -> Fact:
    event = CredentialRegistered(
        ref=REF, commitments={"vc+jwt": "c" * 43}, institution="tartu", kid=KID, credential_type="micro-credential"
    )
    return fact(event, seq, known)


def suspended(version: int, day: float, seq: int = 20) -> Fact:
    return fact(CredentialSuspended(ref=REF, version=version, effective=at(day), reason="error", until=at(day + 9)), seq)


def reinstated(version: int, day: float, seq: int = 21) -> Fact:
    return fact(CredentialReinstated(ref=REF, version=version, effective=at(day)), seq)


def revoked(version: int, day: float, seq: int = 22, known: float = 0) -> Fact:
    event = CredentialRevoked(ref=REF, version=version, effective=at(day), reason="superseded", replaced_by=new_ref())
    return fact(event, seq, known)


def cutoff(stand_to: int, day: float = 1) -> KeyCutoff:
    return KeyCutoff(kid=KID, stand_to=stand_to, effective=at(day), hash="z" * 43, reason="withdrawn", known_at=at(0))


def test_of_what_nothing_was_said_is_absent() -> None:
    assert fold([]).status is Status.ABSENT


def test_a_registered_credential_is_active_since_it_was_sequenced() -> None:
    state = fold([registered()])
    assert (state.status, state.version, state.since) == (Status.ACTIVE, 0, at(0))
    assert state.registered is not None and state.registered.kid == KID


def test_a_suspension_says_since_when_until_when_and_why() -> None:
    state = fold([registered(), suspended(1, 3)])
    assert (state.status, state.since, state.until, state.reason) == (Status.SUSPENDED, at(3), at(12), "error")


def test_the_larger_version_wins_and_a_tie_goes_to_the_suspension() -> None:
    assert fold([registered(), suspended(1, 3), reinstated(2, 4)]).status is Status.ACTIVE
    assert fold([registered(), suspended(3, 3), reinstated(2, 4)]).status is Status.SUSPENDED
    assert fold([registered(), suspended(2, 3), reinstated(2, 4)]).status is Status.SUSPENDED


def test_no_later_version_undoes_a_revocation() -> None:
    state = fold([registered(), revoked(1, 3), reinstated(9, 5)])
    assert (state.status, state.version) == (Status.REVOKED, 9)


def test_of_several_revocations_the_earliest_names_the_reason() -> None:
    later = fact(CredentialRevoked(ref=REF, version=2, effective=at(5), reason="error"), 30)
    earlier = revoked(3, 3, seq=31)
    state = fold([registered(), later, earlier])
    assert (state.reason, state.revocation, state.since) == ("superseded", earlier.hash, at(3))
    assert isinstance(earlier.event, CredentialRevoked) and state.replaced_by == earlier.event.replaced_by


def test_a_revocation_before_the_registration_is_a_tombstone() -> None:
    state = fold([revoked(1, 3)])
    assert state.status is Status.REVOKED and state.registration is None
    assert fold([revoked(1, 3), registered()]).status is Status.REVOKED


def test_a_reinstatement_alone_makes_nothing_active() -> None:
    assert fold([reinstated(5, 1)]).status is Status.ABSENT


def test_a_clock_set_a_year_ahead_delays_no_revocation() -> None:
    assert fold([registered(), revoked(1, 365)]).status is Status.REVOKED


def test_as_of_asks_what_was_true_then() -> None:
    facts = [registered(), suspended(1, 3), revoked(2, 6)]
    asked = [fold(facts, as_of=at(day)).status for day in (-1, 1, 4, 6)]
    assert asked == [Status.ABSENT, Status.ACTIVE, Status.SUSPENDED, Status.REVOKED]


def test_known_at_asks_what_was_known_then() -> None:
    facts = [registered(known=1), revoked(1, 0, known=5)]
    asked = [fold(facts, known_at=at(day)).status for day in (0, 2, 5)]
    assert asked == [Status.ABSENT, Status.ACTIVE, Status.REVOKED]


def test_a_key_cutoff_reaches_only_what_was_registered_beyond_it() -> None:
    assert fold([registered(seq=7)], [cutoff(7)]).status is Status.ACTIVE
    state = fold([registered(seq=7)], [cutoff(6)])
    assert (state.status, state.reason, state.revocation) == (Status.REVOKED, "withdrawn", "z" * 43)
    assert fold([registered(seq=7)], [replace(cutoff(0), kid="x")]).status is Status.ACTIVE
    assert fold([], [cutoff(0)]).status is Status.ABSENT


def test_as_of_holds_for_key_cutoffs_too() -> None:
    asked = [fold([registered()], [cutoff(0, day=4)], as_of=at(day)).status for day in (3, 4)]
    assert asked == [Status.ACTIVE, Status.REVOKED]


def test_an_event_of_many_refs_revokes_each_of_them() -> None:
    refs = (REF, new_ref(), new_ref())
    many = fact(CredentialsRevoked(operation=new_ref(), refs=refs, effective=at(2), reason="withdrawn"), 40)
    narrow = dict(by_credential(many))
    assert set(narrow) == set(refs)
    state = fold([registered(), narrow[REF]])
    assert (state.status, state.reason, state.revocation) == (Status.REVOKED, "withdrawn", many.hash)
    assert digest_of(narrow.values()) == digest_of([many])


def test_an_event_about_a_key_is_a_cutoff_and_names_no_credential() -> None:
    event = CredentialsRevoked(operation=new_ref(), key=KID, registrations_stand_to=6, effective=at(2))
    said = fact(event, 40)
    cut = key_cutoff(said)
    assert cut is not None and (cut.kid, cut.stand_to, cut.hash) == (KID, 6, said.hash)
    assert by_credential(said) == []
    assert key_cutoff(revoked(1, 1)) is None
    assert fold([registered(seq=7), said]) == fold([registered(seq=7)], [cut])


@pytest.mark.parametrize("said", [registered(), suspended(1, 3), reinstated(2, 4), revoked(3, 5)])
def test_a_fact_survives_the_store(said: Fact) -> None:
    document = to_document(said)
    assert from_document(document) == said
    assert from_document({**document, "of_a_newer_version": 1}) == said


@pytest.mark.parametrize(
    "damage", [{"kind": "credential.lost.v1"}, {"event": {"ref": "x"}}, {"at": "soon"}, {"known_at": None}]
)
def test_a_damaged_document_is_no_fact(damage: dict[str, object]) -> None:
    with pytest.raises(FactUnreadable):
        from_document({**to_document(registered()), **damage})


def test_a_fact_takes_its_place_from_the_signed_entry() -> None:
    event: Event = revoked(1, 3).event
    place = Place("europe", "ee", 2, 9, "A" * 43, {"trust": 5, "registrations": 8})
    entry = sign(Unsigned.of(event, new_event_id(), at(3)), place, LocalSigner.generate(Purpose.EVENT))
    said = from_entry(entry, revoked(1, 3).event, at(4))
    assert (said.epoch, said.seq, said.hash, said.trust_seq, said.at, said.known_at) == (2, 9, entry.hash, 5, at(3), at(4))


def test_two_sets_of_facts_that_differ_have_different_hashes() -> None:
    facts = [registered(), suspended(1, 3), revoked(2, 4)]
    assert digest_of(facts) == digest_of([*reversed(facts), facts[0]])
    assert digest_of(facts) != digest_of(facts[:-1])

"""The registry's rules, without a store or a clock: what may become of a credential, of a key, of an accreditation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registry.credentials import domain as credentials
from services.registry.credentials.domain import Credential
from services.registry.credentials.status_lists import MAX_ENTRIES, length_for
from services.registry.revocations import domain as revocations
from services.registry.settings import RegistrySettings
from services.registry.status.domain import list_url
from services.registry.trust import domain as trust
from shared.errors import TestamurError
from shared.events.entry import digest
from shared.events.issuance import CredentialIssued, actor_pseudonym
from shared.events.status import CredentialReinstated, CredentialRevoked, CredentialSuspended
from shared.events.trust import InstitutionAccredited, Scope
from shared.ids import new_ref
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner
from shared.settings import NodeSettings
from shared.status.bitstring import MIN_ENTRIES
from shared.status.facts import Fact
from shared.status.fold import fold
from shared.trust.scope import RequiredScope
from shared.two_persons.domain import UNKNOWN_PERSON, SecondPersonNeeded, require_another

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
REF = "3f0c0e0a-8d6c-4a53-9a55-0d3e3c1b7a11"


def issued(**members: Any) -> CredentialIssued:
    said = {
        "ref": REF,
        "commitments": {"vc+jwt": digest(b"one")},
        "institution": "tartu",
        "kid": "key",
        "credential_type": "micro-credential",
        "eqf": 6,
        "isced_f": "0612",
        "status_list": "1",
        "status_index": 0,
        "issued": NOW,
    }
    return CredentialIssued(**{**said, **members})


def registered() -> Credential:
    credential, _ = credentials.register(issued(), None, NOW)
    return stored(credential)


def stored(credential: Credential) -> Credential:
    """As a store keeps it: one version on."""
    return Credential(
        **{**{name: getattr(credential, name) for name in credential.__slots__}, "version": credential.version + 1}
    )


def fact(event: Any, seq: int) -> Fact:
    return Fact(event=event, epoch=1, seq=seq, hash=digest(str(seq).encode()), known_at=NOW, trust_seq=0, at=NOW)


ACTIONS = {
    "revoke": lambda held, now: credentials.revoke(held, "error", now),
    "suspend": lambda held, now: credentials.suspend(held, "unspecified", None, now),
    "reinstate": lambda held, now: credentials.reinstate(held, now),
}


@given(st.lists(st.sampled_from(sorted(ACTIONS)), max_size=12))
def test_what_the_registry_holds_is_what_every_reader_folds_from_its_events(actions: list[str]) -> None:
    credential, event = credentials.register(issued(), None, NOW)
    held, facts = stored(credential), [fact(event, 1)]
    for step, action in enumerate(actions):
        try:
            after, said = ACTIONS[action](held, NOW + timedelta(minutes=step))
        except TestamurError:
            continue
        assert said.version == held.version
        held = stored(after)
        facts.append(fact(said, len(facts) + 1))
    state = fold(facts)
    assert state.status.name.lower() == held.status
    if held.status != "active":
        assert (state.reason, state.since) == (held.reason, held.effective)


@given(st.lists(st.sampled_from(sorted(ACTIONS)), max_size=12))
def test_its_own_events_tell_of_a_credential_all_but_its_place_in_the_status_list(actions: list[str]) -> None:
    credential, event = credentials.register(issued(), None, NOW)
    held, again = stored(credential), credentials.registered_before(event, NOW)
    for step, action in enumerate(actions):
        try:
            after, said = ACTIONS[action](held, NOW + timedelta(minutes=step))
        except TestamurError:
            continue
        held = stored(after)
        again = credentials.changed_before(again, said)
    assert again == replace(held, status_list=None, status_index=None, version=again.version)


@given(st.lists(st.sampled_from(sorted(ACTIONS)), max_size=6))
def test_nothing_comes_back_from_revoked(actions: list[str]) -> None:
    held, _ = credentials.revoke(registered(), "withdrawn", NOW)
    for action in actions:
        with pytest.raises(TestamurError):
            ACTIONS[action](held, NOW)


def test_each_change_says_what_it_is() -> None:
    held = registered()
    suspended, said = credentials.suspend(held, "unspecified", NOW + timedelta(days=1), NOW)
    assert isinstance(said, CredentialSuspended)
    assert (suspended.status, suspended.until) == ("suspended", said.until)
    active, again = credentials.reinstate(stored(suspended), NOW)
    assert isinstance(again, CredentialReinstated)
    assert (active.status, active.until, active.reason) == ("active", None, None)
    _, ended = credentials.revoke(stored(active), "superseded", NOW, replaced_by=new_ref())
    assert isinstance(ended, CredentialRevoked)
    assert (said.version, again.version, ended.version) == (1, 2, 3)


def test_a_revocation_counts_from_now_or_before_and_never_from_later() -> None:
    before = NOW - timedelta(days=3)
    assert credentials.revoke(registered(), "error", NOW, before)[1].effective == before
    assert credentials.revoke(registered(), "error", NOW, NOW + timedelta(seconds=30))[1].effective == NOW
    with pytest.raises(credentials.EffectiveInFuture):
        credentials.revoke(registered(), "error", NOW, NOW + timedelta(minutes=5))


def test_the_registration_says_nothing_of_the_place_in_the_status_list() -> None:
    _, event = credentials.register(issued(status_index=4711), None, NOW)
    assert b"4711" not in event.value()
    assert b"status" not in event.value()


@pytest.mark.parametrize("change", [{"commitments": {"vc+jwt": digest(b"two")}}, {"institution": "tallinn"}])
def test_only_the_same_issuance_is_a_repeat(change: dict[str, Any]) -> None:
    held = registered()
    assert credentials.is_repeat(held, issued())
    assert not credentials.is_repeat(held, issued(**change))


def accredited(**scope: Any) -> trust.Accreditation:
    said = InstitutionAccredited(
        institution="tartu",
        accreditation=new_ref(),
        name="University of Tartu",
        country="EE",
        scope=Scope(**{"credential_types": ("micro-credential",), "eqf_max": 7, **scope}),
        valid_from=NOW,
    )
    return trust.Accreditation(said)


def wanted() -> RequiredScope:
    said = issued()
    return RequiredScope(said.credential_type, said.eqf, said.isced_f)


def test_one_accreditation_that_covers_it_is_enough_and_otherwise_the_nearest_miss_is_told() -> None:
    low, other_field = accredited(eqf_max=5), accredited(isced_f=("09",))
    assert trust.not_covered([], wanted(), NOW) == "not-accredited"
    assert trust.not_covered([low], wanted(), NOW) == "level-out-of-scope"
    assert trust.not_covered([low, other_field], wanted(), NOW) == "field-out-of-scope"
    assert trust.not_covered([low, other_field, accredited()], wanted(), NOW) is None


def test_a_withdrawn_accreditation_covers_nothing_and_is_withdrawn_once() -> None:
    ended, event = trust.withdraw(accredited(), NOW)
    assert event.effective == NOW
    assert trust.not_covered([ended], wanted(), NOW) == "accreditation-withdrawn"
    with pytest.raises(trust.AccreditationAlreadyWithdrawn):
        trust.withdraw(ended, NOW)


def test_a_superseded_key_may_still_be_found_compromised_and_never_the_other_way() -> None:
    signer = LocalSigner.generate(Purpose.INSTITUTION)
    key, _ = trust.add_key("tartu", signer.kid, signer.public_jwk)
    superseded, _ = trust.retire(key, "superseded", None)
    compromised, event = trust.retire(superseded, "compromised", 7)
    assert (event.registrations_stand_to, compromised.stand_to) == (7, 7)
    for held, reason in ((superseded, "superseded"), (compromised, "superseded"), (compromised, "compromised")):
        with pytest.raises(trust.KeyAlreadyRetired):
            trust.retire(held, reason, None)  # type: ignore[arg-type]


def operation(**members: Any) -> revocations.Operation:
    return revocations.Operation(id=new_ref(), asked_by="mari", asked=NOW, reason="error", effective=NOW, **members)


def test_the_second_person_is_another_person_and_comes_in_time() -> None:
    asked = operation(refs=(REF,))
    assert revocations.confirm(asked, "jaan", NOW + timedelta(hours=23)).confirmed_by == "jaan"
    with pytest.raises(SecondPersonNeeded):
        revocations.confirm(asked, "mari", NOW)
    with pytest.raises(revocations.OperationOutlived):
        revocations.confirm(asked, "jaan", NOW + timedelta(hours=25))
    with pytest.raises(revocations.OperationNotPending):
        revocations.confirm(operation(refs=(REF,), state="done"), "jaan", NOW)


@pytest.mark.parametrize("first", ["mari", actor_pseudonym("mari"), UNKNOWN_PERSON])
def test_a_person_is_no_second_one_under_a_pseudonym_or_where_the_first_is_unknown(first: str) -> None:
    with pytest.raises(SecondPersonNeeded):
        require_another(first, "mari")


def test_the_largest_mass_revocation_is_one_event_within_the_limits_of_an_entry() -> None:
    refs = tuple(new_ref() for _ in range(revocations.MAX_REFS))
    assert len(revocations.event(operation(refs=refs), refs).value()) < 200_000


@given(st.integers(0, MAX_ENTRIES - 1), st.sampled_from([0, MIN_ENTRIES, MIN_ENTRIES * 2]))
def test_a_list_holds_every_index_it_was_made_for_and_never_shrinks(index: int, length: int) -> None:
    longer = length_for(index, length)
    assert longer is not None
    assert index < longer <= MAX_ENTRIES
    assert longer >= max(length, MIN_ENTRIES)
    assert longer % MIN_ENTRIES == 0


def test_no_list_is_longer_than_the_longest() -> None:
    assert length_for(MAX_ENTRIES, 0) is None


def test_the_address_of_a_list_follows_the_nodes_own() -> None:
    settings = RegistrySettings.of(NodeSettings(node="ee", public_url="https://ee.example.org"))
    base = settings.status_list_url
    assert list_url(base, "1", "revocation") == "https://ee.example.org/registry/status-lists/1"
    assert list_url(base, "1", "suspension") == "https://ee.example.org/registry/status-lists/1/suspension"

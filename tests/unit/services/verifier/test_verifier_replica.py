"""A replica is a set of facts, each in the namespace of who signed it, and only ever grows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.verifier import consumer, repository
from services.verifier.repository import facts_of, read_book, revision_of
from services.verifier.settings import VerifierSettings
from shared.errors import Misconfigured
from shared.events.trust import InstitutionAccredited, Scope
from shared.ids import new_ref
from shared.inbox.received import Received
from shared.log import outbox
from shared.status.fold import Status, fold
from shared.store.open import open_store
from shared.verification.verdict import Verdict
from tests.scenes.notifier import INSTITUTION, NOW, Scene, key_added, mass_revoked, registered, revoked


class Replica(Scene):
    """A verifier's store, and what it receives."""

    async def handles(self, received: Received) -> None:
        handler = consumer.SUBSCRIPTIONS[type(received.event)]
        await self.outbox.transact(lambda unit: handler(unit, received), "bus")

    async def status(self, origin: str, ref: str, kid: str = "") -> Status:
        book = await read_book(self.store, origin)
        return fold(await facts_of(self.store, origin, ref), book.cutoffs.get(kid, ())).status


@pytest.fixture
async def replica(tmp_path: Path) -> AsyncIterator[Replica]:
    from shared.clock import ManualClock

    collections = (*repository.COLLECTIONS, *outbox.COLLECTIONS)
    store = await open_store(f"sqlite:///{tmp_path}/data", "verifier", collections)
    yield Replica(store, ManualClock(NOW))
    await store.close()


async def test_a_fact_is_kept_once_however_often_it_is_heard(replica: Replica) -> None:
    ref = new_ref()
    received = await replica.receives(registered(ref))
    first = await facts_of(replica.store, "ee", ref)
    replica.clock.advance(hours=1)
    await replica.handles(received._replace(known_at=replica.clock.now()))
    assert await facts_of(replica.store, "ee", ref) == first
    assert [fact.hash for fact in first] == [received.hash]


async def test_a_fact_comes_back_as_it_went_in(replica: Replica) -> None:
    ref, newer = new_ref(), new_ref()
    received = await replica.receives(revoked(ref, reason="superseded", replaced_by=newer))
    (fact,) = await facts_of(replica.store, "ee", ref)
    assert (fact.event, fact.epoch, fact.seq, fact.hash) == (received.event, received.epoch, received.seq, received.hash)
    assert (fact.known_at, fact.at) == (received.known_at, received.entry.envelope.issued_at)


async def test_a_strangers_tombstone_lies_in_the_strangers_namespace(replica: Replica) -> None:
    ref = new_ref()
    await replica.receives(revoked(ref), origin="xx")
    await replica.receives(registered(ref))
    assert await replica.status("ee", ref) is Status.ACTIVE
    assert await replica.status("xx", ref) is Status.REVOKED


async def test_a_mass_revocation_reaches_every_ref_it_names_and_no_other(replica: Replica) -> None:
    refs = [new_ref() for _ in range(4)]
    for ref in refs:
        await replica.receives(registered(ref))
    received = await replica.receives(mass_revoked(*refs[:3]))
    await replica.handles(received)
    assert [await replica.status("ee", ref) for ref in refs] == [Status.REVOKED] * 3 + [Status.ACTIVE]


async def test_a_key_cut_off_reaches_later_registrations_by_it_in_any_order(replica: Replica) -> None:
    stands, falls, late = new_ref(), new_ref(), new_ref()
    await replica.receives(registered(stands), seq=7)
    await replica.receives(registered(falls), seq=8)
    await replica.receives(mass_revoked(key=INSTITUTION.kid, registrations_stand_to=7))
    await replica.receives(registered(late), seq=9)
    states = [await replica.status("ee", ref, INSTITUTION.kid) for ref in (stands, falls, late)]
    assert states == [Status.ACTIVE, Status.REVOKED, Status.REVOKED]


async def test_the_revision_of_a_book_counts_each_fact_once(replica: Replica) -> None:
    assert await revision_of(replica.store, "ee") == 0
    accreditation = InstitutionAccredited(
        institution="tartu",
        accreditation=new_ref(),
        name="University of Tartu",
        country="EE",
        scope=Scope(credential_types=("micro-credential",), eqf_max=7, isced_f=("06",)),
        valid_from=NOW,
    )
    received = [await replica.receives(event) for event in (accreditation, key_added(), mass_revoked(key=INSTITUTION.kid))]
    await replica.receives(registered(new_ref()))
    for again in received:
        await replica.handles(again)
    assert (await revision_of(replica.store, "ee"), await revision_of(replica.store, "xx")) == (3, 0)
    book = await read_book(replica.store, "ee")
    assert book.revision == 3
    assert book.trust.accreditation("tartu", at=None, on=NOW) == [accreditation]
    assert book.trust.key("tartu", INSTITUTION.kid) is not None


async def test_many_facts_of_one_credential_are_all_read(replica: Replica) -> None:
    ref = new_ref()
    for version in range(1, 505):
        await replica.receives(revoked(ref).model_copy(update={"version": version}))
    assert len(await facts_of(replica.store, "ee", ref)) == 504


def test_a_policy_hardens_and_cannot_soften(tmp_path: Path) -> None:
    hardened = VerifierSettings(node="pt", home=tmp_path, verifier_hardened={"incomplete": "invalid", "8": "indeterminate"})
    assert hardened.policy().hardened == {"incomplete": Verdict.INVALID, 8: Verdict.INDETERMINATE}
    with pytest.raises(Misconfigured):
        VerifierSettings(node="pt", home=tmp_path, verifier_hardened={"incomplete": "valid"}).policy()
    with pytest.raises(Misconfigured):
        VerifierSettings(node="pt", home=tmp_path, verifier_hardened={"revoked": "indeterminate"}).policy()
    with pytest.raises(Misconfigured, match="TESTAMUR_VERIFIER_HOURS_PER_ECTS"):
        VerifierSettings.load(node="pt", home=tmp_path, verifier_hours_per_ects=(30, 25))

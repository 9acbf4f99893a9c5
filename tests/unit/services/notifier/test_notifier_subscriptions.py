"""Subscribers get what they asked for, once, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from services.notifier import handlers
from services.notifier.channels.webhook import new_secret
from services.notifier.commands import Subscribe
from services.notifier.domain import SubscriptionNotFound, TooManySubscriptions
from services.notifier.repository import DUE, INTERESTS, WAITING
from shared.events.status import CredentialReinstated, CredentialSuspended
from shared.events.trust import AccreditationWithdrawn, InstitutionAccredited, Scope
from shared.ids import new_event_id, new_ref
from tests.scenes.notifier import (
    COMMITMENTS,
    INSTITUTION,
    NOW,
    TARTU,
    Scene,
    key_added,
    mass_revoked,
    notifier,
    registered,
    revoked,
)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with notifier(tmp_path) as made:
        yield made


async def test_a_subscriber_is_told_of_a_revocation_with_everything_that_matters(scene: Scene) -> None:
    subscription, ref, newer = await scene.subscribes(kinds=("credential.revoked",)), new_ref(), new_ref()
    await scene.receives(registered(ref))
    received = await scene.receives(revoked(ref, reason="superseded", replaced_by=newer))
    assert await scene.payloads(subscription) == [
        {
            "type": "credential.revoked",
            "timestamp": "2026-11-23T20:19:00Z",
            "data": {
                "origin": "ee",
                "epoch": 1,
                "sequence": received.seq,
                "ref": ref,
                "version": 1,
                "effective": "2026-11-23T20:19:00Z",
                "reason": "superseded",
                "replaced_by": newer,
                "institution": TARTU,
            },
        }
    ]


async def test_a_commitment_is_told_to_nobody(scene: Scene) -> None:
    subscription = await scene.subscribes()
    await scene.receives(registered(new_ref()))
    (payload,) = await scene.payloads(subscription)
    assert COMMITMENTS["vc+jwt"] not in str(payload)
    assert set(payload["data"]) == {"origin", "epoch", "sequence", "ref", "credential_type", "institution"}


async def test_an_event_heard_again_is_told_once_whenever_it_comes(scene: Scene) -> None:
    subscription, ref = await scene.subscribes(), new_ref()
    received = await scene.receives(revoked(ref))
    scene.clock.advance(minutes=5)
    await scene.handles(received._replace(early=True, known_at=scene.clock.now()))
    assert len(await scene.payloads(subscription)) == 1
    assert len(await scene.store.scan(DUE)) == 1


async def test_each_filter_narrows_what_is_told(scene: Scene) -> None:
    mine, other = new_ref(), new_ref()
    by_ref = await scene.subscribes(origins=("ee",), refs=(mine,))
    by_institution = await scene.subscribes(institutions=(TARTU,))
    by_origin = await scene.subscribes(origins=("pt",))
    by_kind = await scene.subscribes(kinds=("credential.suspended",))
    for ref, institution in ((mine, "tartu"), (other, "tallinn")):
        await scene.receives(registered(ref, institution))
        await scene.receives(revoked(ref))
    assert [payload["data"]["ref"] for payload in await scene.payloads(by_ref)] == [mine, mine]
    assert [payload["data"]["ref"] for payload in await scene.payloads(by_institution)] == [mine, mine]
    assert await scene.payloads(by_origin) == []
    assert await scene.payloads(by_kind) == []


async def test_a_stranger_cannot_speak_of_our_credential(scene: Scene) -> None:
    ref = new_ref()
    by_ref = await scene.subscribes(origins=("ee",), refs=(ref,))
    by_institution = await scene.subscribes(institutions=(TARTU,))
    await scene.receives(registered(ref))
    before = len(await scene.payloads(by_ref)), len(await scene.payloads(by_institution))
    await scene.receives(revoked(ref), origin="xx")
    assert (len(await scene.payloads(by_ref)), len(await scene.payloads(by_institution))) == before


def test_refs_without_their_origin_are_refused() -> None:
    with pytest.raises(ValidationError, match="name exactly one in origins"):
        Subscribe(url="https://receiver.example", kinds=("credential.revoked",), refs=(new_ref(),))


async def test_a_revocation_heard_before_its_registration_reaches_who_asked_by_institution(scene: Scene) -> None:
    by_institution, by_all, ref = await scene.subscribes(institutions=(TARTU,)), await scene.subscribes(), new_ref()
    await scene.receives(revoked(ref))
    assert await scene.payloads(by_institution) == []
    assert [payload["type"] for payload in await scene.payloads(by_all)] == ["credential.revoked"]
    scene.clock.advance(seconds=1)
    await scene.receives(registered(ref))
    assert {payload["type"] for payload in await scene.payloads(by_institution)} == {
        "credential.revoked",
        "credential.registered",
    }
    assert [payload["type"] for payload in await scene.payloads(by_all)] == ["credential.revoked", "credential.registered"]
    assert await scene.store.scan(WAITING) == []


async def test_a_mass_revocation_is_one_webhook_with_the_refs_that_were_asked_for(scene: Scene) -> None:
    one, two, three = new_ref(), new_ref(), new_ref()
    by_all = await scene.subscribes(kinds=("credential.revoked",))
    by_ref = await scene.subscribes(kinds=("credential.revoked",), origins=("ee",), refs=(two, three))
    unconcerned = await scene.subscribes(kinds=("credential.revoked",), origins=("ee",), refs=(new_ref(),))
    await scene.receives(mass_revoked(one, two))
    assert [payload["data"]["refs"] for payload in await scene.payloads(by_all)] == [[one, two]]
    assert [payload["data"]["refs"] for payload in await scene.payloads(by_ref)] == [[two]]
    assert await scene.payloads(unconcerned) == []


async def test_a_mass_revocation_before_the_registrations_is_told_by_institution_ref_by_ref(scene: Scene) -> None:
    one, two = new_ref(), new_ref()
    by_institution = await scene.subscribes(kinds=("credential.revoked",), institutions=(TARTU,))
    by_all = await scene.subscribes(kinds=("credential.revoked",))
    await scene.receives(mass_revoked(one, two))
    await scene.receives(registered(one))
    await scene.receives(registered(two, "tallinn"))
    assert [payload["data"]["refs"] for payload in await scene.payloads(by_institution)] == [[one]]
    assert len(await scene.payloads(by_all)) == 1


async def test_a_stolen_key_reaches_those_who_watch_its_credentials_and_not_those_that_stand(scene: Scene) -> None:
    stands, falls, late = new_ref(), new_ref(), new_ref()
    watches = await scene.subscribes(kinds=("credential.revoked",), origins=("ee",), refs=(stands, falls, late))
    by_institution = await scene.subscribes(kinds=("credentials.revoked",), institutions=(TARTU,))
    await scene.receives(key_added())
    await scene.receives(registered(stands), seq=7)
    await scene.receives(registered(falls), seq=8)
    await scene.receives(mass_revoked(key=INSTITUTION.kid, registrations_stand_to=7))
    assert [payload["data"]["refs"] for payload in await scene.payloads(watches)] == [[falls]]
    (payload,) = await scene.payloads(by_institution)
    assert (payload["data"]["key"], payload["data"]["registrations_stand_to"], payload["data"]["refs"]) == (
        INSTITUTION.kid,
        7,
        [],
    )
    await scene.receives(registered(late), seq=9)
    assert sorted(payload["data"]["refs"] for payload in await scene.payloads(watches)) == sorted([[falls], [late]])


async def test_suspension_reinstatement_and_accreditation_are_told(scene: Scene) -> None:
    ref, accreditation = new_ref(), new_ref()
    kinds = ("credential.suspended", "credential.reinstated", "institution.accredited", "accreditation.withdrawn")
    subscription = await scene.subscribes(kinds=kinds)
    scope = Scope(credential_types=("micro-credential",), eqf_max=7)
    accredited = InstitutionAccredited(
        institution="tartu", accreditation=accreditation, name="Tartu", country="EE", scope=scope, valid_from=NOW
    )
    withdrawn = AccreditationWithdrawn(institution="tartu", accreditation=accreditation, effective=NOW)
    suspended = CredentialSuspended(ref=ref, version=1, effective=NOW, until=NOW)
    reinstated = CredentialReinstated(ref=ref, version=2, effective=NOW)
    for event in (accredited, suspended, reinstated, withdrawn):
        await scene.receives(event)
        scene.clock.advance(seconds=1)
    payloads = await scene.payloads(subscription)
    assert [one["type"] for one in payloads] == [
        "institution.accredited",
        "credential.suspended",
        "credential.reinstated",
        "accreditation.withdrawn",
    ]
    assert payloads[0]["data"]["institution"] == TARTU
    assert payloads[1]["data"]["until"] == "2026-11-23T20:19:00Z"


async def test_nobody_is_told_of_what_was_heard_before_they_asked(scene: Scene) -> None:
    ref = new_ref()
    await scene.receives(revoked(ref))
    scene.clock.advance(seconds=1)
    subscription = await scene.subscribes(institutions=(TARTU,))
    await scene.receives(registered(ref))
    assert [payload["type"] for payload in await scene.payloads(subscription)] == ["credential.registered"]


async def test_an_ended_subscription_is_told_nothing_more_and_leaves_no_trace_in_the_headings(scene: Scene) -> None:
    subscription = await scene.subscribes(institutions=(TARTU, TARTU.replace("tartu", "tallinn")))
    await scene.outbox.transact(lambda unit: handlers.end_subscription(unit, "anna", subscription), "anna")
    await scene.receives(registered(new_ref()))
    assert await scene.payloads(subscription) == []
    assert await scene.store.scan(INTERESTS) == []


async def test_another_callers_subscription_is_not_there(scene: Scene) -> None:
    subscription = await scene.subscribes(owner="anna")
    for attempt in (
        lambda unit: handlers.end_subscription(unit, "bert", subscription),
        lambda unit: handlers.renew_secret(unit, "bert", subscription, new_secret()),
    ):
        with pytest.raises(SubscriptionNotFound):
            await scene.outbox.transact(attempt, "bert")


async def test_a_caller_has_only_so_many_subscriptions(scene: Scene) -> None:
    await scene.subscribes()
    command = Subscribe(url="https://receiver.example", kinds=("credential.revoked",))
    with pytest.raises(TooManySubscriptions):
        await scene.outbox.transact(
            lambda unit: handlers.subscribe(unit, "anna", command, new_event_id(), new_secret(), 1), "anna"
        )

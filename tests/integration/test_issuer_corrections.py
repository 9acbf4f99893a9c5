"""Corrections, and what the issuer shows of a credential once its registry has spoken."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.issuer.credentials.domain import CredentialNotInForce, CredentialReplaced
from services.issuer.replica.handlers import on_status
from services.issuer.replica.repository import STATUS_FACTS
from shared.events.entry import Place, Unsigned, sign
from shared.events.issuance import actor_pseudonym
from shared.events.registrations import CredentialRegistered
from shared.events.status import CredentialReinstated, CredentialRevoked, CredentialsRevoked, CredentialSuspended
from shared.formats import vc_jwt
from shared.ids import new_event_id, new_ref
from shared.inbox.received import Received
from shared.jose import gate
from shared.log.outbox import AUDIT
from tests.integration.test_issuer import issued_events
from tests.scenes.issuer import NOW, Scene, draft, issuer


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with issuer(tmp_path) as opened:
        await opened.accredit()
        yield opened


async def registered(scene: Scene, made: dict[str, Any], replaces: str | None = None) -> None:
    await scene.say(
        CredentialRegistered(
            ref=made["ref"],
            commitments={"vc+jwt": made["commitment"]},
            institution="tartu",
            kid=made["kid"],
            credential_type=made["credential_type"],
            replaces=replaces,
        )
    )


async def status(scene: Scene, ref: str) -> str:
    return (await scene.get(f"/credentials/{ref}")).json()["status"]


async def correct(scene: Scene, ref: str, **changes: Any) -> Any:
    return await scene.post(f"/credentials/{ref}/correct", {"credential": draft(**changes)})


async def test_a_correction_names_what_it_replaces_in_its_signed_bytes_and_in_its_event(scene: Scene) -> None:
    made = await scene.issue()
    answer = await correct(scene, made["ref"], holder={"full_name": "Specimen Corrected"})
    assert answer.status_code == 201 and answer.json()["replaces"] == made["ref"]
    new = answer.json()
    said = vc_jwt.read_token(gate.read(new["credential"], typ="vc+jwt"))
    assert (said.replaces, said.award.holder.display_name) == (made["ref"], "Specimen Corrected")
    audits = [row.body for row in await scene.engine.store.scan(AUDIT) if row.body["subject"] == new["ref"]]
    assert [audit["replaces"] for audit in audits] == [made["ref"]]


async def test_a_correction_names_who_asked_for_it_by_a_hash_and_a_first_issue_names_nobody(scene: Scene) -> None:
    made = await scene.issue()
    await correct(scene, made["ref"])
    first, correction = await issued_events(scene)
    assert first.asked_by is None
    assert correction.asked_by == actor_pseudonym(f"anna by {scene.home.settings.audience}")
    assert b"anna" not in correction.value()


async def test_the_superseded_credential_shows_what_replaced_it_once_the_registry_says_so(scene: Scene) -> None:
    made = await scene.issue()
    new = (await correct(scene, made["ref"])).json()
    await registered(scene, made)
    await registered(scene, new, replaces=made["ref"])
    await scene.say(
        CredentialRevoked(ref=made["ref"], version=1, effective=NOW, reason="superseded", replaced_by=new["ref"])
    )
    old = (await scene.get(f"/credentials/{made['ref']}")).json()
    assert (old["status"], old["replaced_by"]) == ("revoked", new["ref"])
    assert await status(scene, new["ref"]) == "registered"


async def test_a_credential_is_corrected_once(scene: Scene) -> None:
    made = await scene.issue()
    assert (await correct(scene, made["ref"])).status_code == 201
    again = await correct(scene, made["ref"])
    assert again.status_code == 409 and again.json()["type"] == f"/problems/{CredentialReplaced.slug()}"


async def test_what_is_revoked_or_suspended_cannot_be_corrected(scene: Scene) -> None:
    revoked, suspended = await scene.issue(), await scene.issue()
    await scene.say(CredentialRevoked(ref=revoked["ref"], version=1, effective=NOW))
    await scene.say(CredentialSuspended(ref=suspended["ref"], version=1, effective=NOW))
    for made in (revoked, suspended):
        answer = await correct(scene, made["ref"])
        assert answer.status_code == 409 and answer.json()["type"] == f"/problems/{CredentialNotInForce.slug()}"
    await scene.say(CredentialReinstated(ref=suspended["ref"], version=2, effective=NOW))
    assert (await correct(scene, suspended["ref"])).status_code == 201


async def test_a_credential_of_another_institution_cannot_be_replaced(scene: Scene) -> None:
    await scene.accredit("tallinn")
    made = await scene.issue()
    body = {"institution": "tallinn", "credential": draft(), "replaces": made["ref"]}
    assert (await scene.post("/credentials", body)).status_code == 404
    assert (await correct(scene, made["ref"])).status_code == 201


async def test_who_may_only_issue_ends_nothing_by_replacing_it(scene: Scene) -> None:
    made = await scene.issue()
    body = {"institution": "tartu", "credential": draft(), "replaces": made["ref"]}
    refused = await scene.post("/credentials", body, scopes=["credentials:issue"])
    assert (refused.status_code, refused.json()["scope"]) == (403, "credentials:correct")
    assert 'scope="credentials:correct"' in refused.headers["www-authenticate"]
    assert (await scene.post("/credentials", body, scopes=["credentials:issue", "credentials:correct"])).status_code == 201


async def test_the_status_follows_the_registry(scene: Scene) -> None:
    made = await scene.issue()
    ref = made["ref"]
    seen = [await status(scene, ref)]
    await registered(scene, made)
    seen.append(await status(scene, ref))
    for event in (
        CredentialSuspended(ref=ref, version=1, effective=NOW),
        CredentialReinstated(ref=ref, version=2, effective=NOW),
        CredentialRevoked(ref=ref, version=3, effective=NOW, reason="error"),
    ):
        await scene.say(event)
        seen.append(await status(scene, ref))
    assert seen == ["issued", "registered", "suspended", "registered", "revoked"]


async def test_a_mass_revocation_reaches_those_it_lists_and_those_of_its_key(scene: Scene) -> None:
    one, two, three = [await scene.issue() for _ in range(3)]
    for made in (one, two, three):
        await registered(scene, made)
    await scene.say(CredentialsRevoked(operation=new_ref(), refs=(one["ref"],), effective=NOW))
    assert [await status(scene, made["ref"]) for made in (one, two, three)] == ["revoked", "registered", "registered"]
    await scene.say(CredentialsRevoked(operation=new_ref(), key=two["kid"], registrations_stand_to=2, effective=NOW))
    assert [await status(scene, made["ref"]) for made in (one, two, three)] == ["revoked", "registered", "revoked"]


async def test_an_event_heard_twice_changes_nothing(scene: Scene) -> None:
    made = await scene.issue()
    event = CredentialRevoked(ref=made["ref"], version=1, effective=NOW)
    entry = sign(Unsigned.of(event, new_event_id(), NOW), Place("testamur", "ee", 1, 1), scene.home.signer("registry"))
    for _ in range(3):
        await scene.engine.outbox.transact(lambda unit: on_status(unit, Received(entry, event, False, unit.now)), "bus")
    assert len(await scene.engine.store.scan(STATUS_FACTS)) == 1
    assert await status(scene, made["ref"]) == "revoked"

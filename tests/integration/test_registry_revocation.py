"""What becomes of a registered credential: suspended, reinstated, revoked, by whom, and how often alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.registry.credentials.commands import RevokeCredential
from services.registry.credentials.handlers import revoke_credential
from shared.clock import ManualClock
from shared.events.registrations import CredentialRegistered
from shared.events.status import CredentialReinstated, CredentialRevoked, CredentialsRevoked, CredentialSuspended
from shared.events.trust import InstitutionKeyRetired
from shared.ids import new_ref
from shared.log.outbox import AUDIT
from shared.web.auth.bearer import Caller
from tests.scenes.registry import NOON, Scene, home_of, registry, running, until


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with registry(tmp_path) as running:
        await running.accredits("tartu")
        yield running


async def many(scene: Scene, count: int, slug: str = "tartu") -> list[str]:
    issued = [scene.issuance(slug) for _ in range(count)]
    await scene.receives(*issued)
    return [one.ref for one in issued]


async def revokes(scene: Scene, ref: str, **given: Any) -> Any:
    return await scene.ask("POST", f"/credentials/{ref}/revoke", {"reason": "error"}, **given)


async def _two_revoke(scene: Scene, **asked: Any) -> None:
    """Ask for a revocation of many, and have a second person confirm it."""
    operation = await scene.must("POST", "/revocations", {"reason": "error", **asked})
    if operation["status"] == "pending":
        await scene.must("POST", f"/revocations/{operation['operation']}/confirm", token=scene.token("jaan"))
    await until(lambda: _done(scene, operation["operation"]))


async def statuses(scene: Scene, refs: list[str]) -> list[str]:
    return [(await scene.shows(ref))["status"] for ref in refs]


async def test_a_revocation_is_told_abroad_and_recorded_with_who_asked_for_it(scene: Scene) -> None:
    ref = await scene.registers()
    answer = await revokes(scene, ref)
    assert (answer.status_code, answer.json()["status"], answer.headers["etag"]) == (200, "revoked", '"2"')
    emitted = await scene.emitted(CredentialRevoked)
    assert [(one["ref"], one["version"], one["reason"]) for one in emitted] == [(ref, 1, "error")]
    audited = await scene.engine.store.scan(AUDIT, where={"subject": ref})
    assert [row.body["action"] for row in audited] == ["credential.register", "credential.revoke"]
    assert audited[-1].body["actor"].startswith("mari by ")


async def test_a_revoked_credential_stays_revoked(scene: Scene) -> None:
    ref = await scene.registers()
    await revokes(scene, ref)
    for action, body in (("revoke", {}), ("suspend", {}), ("reinstate", None)):
        answer = await scene.ask("POST", f"/credentials/{ref}/{action}", body)
        assert answer.status_code == 409
    assert (await scene.shows(ref))["version"] == 2
    assert len(await scene.log("status")) == 1


async def test_a_repeated_request_gets_the_first_answer_byte_for_byte(scene: Scene) -> None:
    ref = await scene.registers()
    first = await revokes(scene, ref, idempotency_key="once")
    again = await revokes(scene, ref, idempotency_key="once")
    assert (again.status_code, again.content, again.headers["etag"]) == (200, first.content, first.headers["etag"])
    assert len(await scene.emitted(CredentialRevoked)) == 1


async def test_somebody_who_saw_an_older_version_changes_nothing(scene: Scene) -> None:
    ref = await scene.registers()
    tag = (await scene.ask("GET", f"/credentials/{ref}")).headers["etag"]
    await scene.must("POST", f"/credentials/{ref}/suspend", {})
    assert (await revokes(scene, ref, if_match=tag)).status_code == 412
    assert (await scene.shows(ref))["status"] == "suspended"
    assert (await revokes(scene, ref, if_match='"2"')).status_code == 200


async def test_a_suspended_credential_is_reinstated_and_its_versions_rise(scene: Scene) -> None:
    ref = await scene.registers()
    await scene.must("POST", f"/credentials/{ref}/suspend", {"reason": "unspecified"})
    assert (await scene.shows(ref))["status"] == "suspended"
    await scene.must("POST", f"/credentials/{ref}/reinstate")
    assert (await scene.shows(ref))["status"] == "active"
    versions = [entry.envelope.kind for entry in await scene.log("status")]
    assert versions == [CredentialSuspended.kind, CredentialReinstated.kind]
    assert [(await scene.emitted(kind))[0]["version"] for kind in (CredentialSuspended, CredentialReinstated)] == [1, 2]
    assert (await scene.ask("POST", f"/credentials/{ref}/reinstate")).status_code == 409


async def test_a_suspension_ends_by_itself_even_if_the_registry_was_down_when_it_was_due(tmp_path: Path) -> None:
    home, clock = home_of(tmp_path), ManualClock(NOON)
    async with running(home, clock) as scene:
        await scene.accredits("tartu")
        ref, stays = await scene.registers(), await scene.registers()
        for one, until_ in ((ref, "2026-03-02T13:00:00.123Z"), (stays, "2026-03-02T15:00:00Z")):
            await scene.must("POST", f"/credentials/{one}/suspend", {"until": until_})
        clock.advance(minutes=59)
        await asyncio.sleep(0.1)
        assert (await scene.shows(ref))["status"] == "suspended"
    clock.advance(minutes=2)
    async with running(home, clock) as scene:
        await until(lambda: _is(scene, ref, "active"))
        assert (await scene.shows(stays))["status"] == "suspended"
        assert [(one["ref"], one["version"]) for one in await scene.emitted(CredentialReinstated)] == [(ref, 2)]


async def test_suspending_again_replaces_the_end_and_reinstating_forgets_it(scene: Scene) -> None:
    ref = await scene.registers()
    await scene.must("POST", f"/credentials/{ref}/suspend", {"until": "2026-03-02T13:00:00Z"})
    await scene.must("POST", f"/credentials/{ref}/suspend", {"until": "2026-03-02T16:00:00Z"})
    scene.clock.advance(hours=2)
    await asyncio.sleep(0.1)
    assert (await scene.shows(ref))["status"] == "suspended"
    await scene.must("POST", f"/credentials/{ref}/reinstate")
    await scene.must("POST", f"/credentials/{ref}/suspend", {})
    scene.clock.advance(hours=4)
    await asyncio.sleep(0.1)
    assert (await scene.shows(ref))["status"] == "suspended"


@pytest.mark.parametrize(
    ("action", "body"),
    [("suspend", {"until": "2026-03-02T11:59:59Z"}), ("revoke", {"effective": "2026-03-02T12:02:00Z"})],
)
async def test_times_that_make_no_sense_are_refused(scene: Scene, action: str, body: dict[str, str]) -> None:
    ref = await scene.registers()
    assert (await scene.ask("POST", f"/credentials/{ref}/{action}", body)).status_code == 422
    assert (await scene.shows(ref))["version"] == 1


async def test_what_is_another_institutions_looks_exactly_like_what_is_not_there(scene: Scene) -> None:
    await scene.accredits("tallinn")
    theirs, nobodys = await scene.registers("tallinn"), new_ref()
    token = scene.token("jaan", "tartu")
    for method, action, body in (("GET", "", None), ("POST", "/revoke", {}), ("POST", "/suspend", {})):
        answers = [await scene.ask(method, f"/credentials/{ref}{action}", body, token=token) for ref in (theirs, nobodys)]
        assert [one.status_code for one in answers] == [404, 404]
        first, second = ({name: value for name, value in one.json().items() if name != "trace_id"} for one in answers)
        assert first == second
    body = {"refs": [theirs]}
    assert (await scene.ask("POST", "/revocations", body, token=token)).status_code == 404
    assert (await scene.shows(theirs))["status"] == "active"


async def test_a_token_without_the_scope_changes_nothing(scene: Scene) -> None:
    ref = await scene.registers()
    token = scene.token("mari", None, "credentials:read")
    assert (await revokes(scene, ref, token=token)).status_code == 403
    assert (await scene.client.post(f"/credentials/{ref}/revoke", json={})).status_code == 401
    assert (await scene.shows(ref))["status"] == "active"


async def test_the_eleventh_revocation_of_an_hour_needs_a_second_person_whatever_the_route(scene: Scene) -> None:
    refs = await many(scene, 13)
    for ref in refs[:6]:
        assert (await revokes(scene, ref)).status_code == 200
    done = await scene.must("POST", "/revocations", {"refs": refs[6:10]})
    assert (done["status"], done["revoked"]) == ("done", 4)
    refusal = await revokes(scene, refs[10])
    assert (refusal.status_code, refusal.json()["type"]) == (409, "/problems/second-person-needed")
    assert "/revocations" in refusal.json()["detail"]
    pending = await scene.must("POST", "/revocations", {"refs": [refs[10]]})
    assert pending["status"] == "pending"
    assert (await revokes(scene, refs[11], token=scene.token("jaan"))).status_code == 200
    scene.clock.advance(minutes=61)
    assert (await revokes(scene, refs[12])).status_code == 200
    assert (await scene.shows(refs[10]))["status"] == "active"


async def test_many_credentials_are_revoked_by_one_event_once_another_person_confirms(scene: Scene) -> None:
    refs = await many(scene, 11)
    asked = await scene.ask("POST", "/revocations", {"refs": refs, "reason": "withdrawn"})
    operation = asked.json()["operation"]
    assert (asked.status_code, asked.json()["status"]) == (202, "pending")
    assert asked.headers["location"] == f"/revocations/{operation}"
    assert set(await statuses(scene, refs)) == {"active"}
    assert (await scene.ask("POST", f"/revocations/{operation}/confirm")).status_code == 409
    assert await scene.emitted(CredentialsRevoked) == []

    confirmed = await scene.must("POST", f"/revocations/{operation}/confirm", token=scene.token("jaan"))
    assert (confirmed["status"], confirmed["revoked"]) == ("done", 11)
    assert set(await statuses(scene, refs)) == {"revoked"}
    emitted = await scene.emitted(CredentialsRevoked)
    assert [(one["operation"], one["refs"]) for one in emitted] == [(operation, refs)]
    again = await scene.ask("POST", f"/revocations/{operation}/confirm", token=scene.token("toomas"))
    assert again.status_code == 409
    assert (await revokes(scene, (await many(scene, 1))[0])).status_code == 200


async def test_what_was_revoked_meanwhile_keeps_its_reason(scene: Scene) -> None:
    refs = await many(scene, 11)
    operation = (await scene.must("POST", "/revocations", {"refs": refs, "reason": "withdrawn"}))["operation"]
    await revokes(scene, refs[0])
    confirmed = await scene.must("POST", f"/revocations/{operation}/confirm", token=scene.token("jaan"))
    assert (confirmed["named"], confirmed["revoked"]) == (11, 10)
    assert (await scene.shows(refs[0]))["reason"] == "error"
    assert (await scene.emitted(CredentialsRevoked))[0]["refs"] == refs[1:]


async def test_an_operation_that_nobody_confirms_for_a_day_is_over(scene: Scene) -> None:
    refs = await many(scene, 11)
    operation = (await scene.must("POST", "/revocations", {"refs": refs}))["operation"]
    scene.clock.advance(hours=25)
    answer = await scene.ask("POST", f"/revocations/{operation}/confirm", token=scene.token("jaan"))
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/operation-outlived")
    assert set(await statuses(scene, refs)) == {"active"}


async def test_one_unknown_ref_stops_the_whole_list(scene: Scene) -> None:
    refs = await many(scene, 2)
    answer = await scene.ask("POST", "/revocations", {"refs": [*refs, new_ref()]})
    assert answer.status_code == 404
    assert set(await statuses(scene, refs)) == {"active"}


@pytest.mark.parametrize(
    "body", [{}, {"refs": [], "reason": "error"}, {"key": "k", "refs": [new_ref()]}, {"registrations_stand_to": 3}]
)
async def test_a_mass_revocation_names_refs_or_a_key_and_not_both(scene: Scene, body: dict[str, Any]) -> None:
    assert (await scene.ask("POST", "/revocations", body)).status_code == 422


async def test_a_keys_credentials_are_revoked_but_for_the_registrations_that_stand(scene: Scene) -> None:
    await scene.accredits("tallinn")
    early, theirs, late = await many(scene, 3), await many(scene, 2, "tallinn"), await many(scene, 4)
    seqs = {one["ref"]: seq for seq, one in enumerate(await scene.emitted(CredentialRegistered), start=1)}
    kid = scene.keys["tartu"].kid
    body = {"key": kid, "registrations_stand_to": seqs[early[-1]], "reason": "error"}
    operation = (await scene.must("POST", "/revocations", body))["operation"]
    await until(lambda: _done(scene, operation))
    assert await statuses(scene, early) == ["active"] * 3
    assert await statuses(scene, theirs) == ["active"] * 2
    assert await statuses(scene, late) == ["revoked"] * 4
    emitted = await scene.emitted(CredentialsRevoked)
    assert [(one["key"], one["registrations_stand_to"]) for one in emitted] == [(kid, seqs[early[-1]])]
    issued = scene.issuance()
    await scene.receives(issued)
    assert (await scene.shows(issued.ref))["reason"] == "key-revoked"


async def test_registrations_that_were_not_made_yet_cannot_stand(scene: Scene) -> None:
    await many(scene, 2)
    await scene.log("registrations")
    body = {"key": scene.keys["tartu"].kid, "registrations_stand_to": 3}
    answer = await scene.ask("POST", "/revocations", body)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/registrations-not-reached")


async def test_a_key_revocation_goes_on_where_it_stood_after_a_restart(tmp_path: Path) -> None:
    home, clock = home_of(tmp_path), ManualClock(NOON)
    slow = home.settings.model_copy(update={"due_interval": 60.0})
    home.settings = slow
    async with running(home, clock) as scene:
        await scene.accredits("tartu")
        refs = await many(scene, 3)
        await asyncio.sleep(0.05)  # the loop over what is due has looked and sleeps for a minute now
        operation = (await scene.must("POST", "/revocations", {"key": scene.keys["tartu"].kid}))["operation"]
        assert (await scene.must("GET", f"/revocations/{operation}"))["status"] == "applying"
    async with running(home, clock) as scene:
        await until(lambda: _done(scene, operation))
        assert set(await statuses(scene, refs)) == {"revoked"}


async def test_a_compromised_key_with_many_credentials_needs_the_second_person_too(scene: Scene) -> None:
    await many(scene, 11)
    kid = scene.keys["tartu"].kid
    retire = f"/institutions/tartu/keys/{kid}/retire"
    answer = await scene.ask("POST", retire, {"reason": "compromised"})
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/second-person-needed")
    await scene.must("POST", retire, {"reason": "superseded"})
    operation = (await scene.must("POST", "/revocations", {"key": kid}))["operation"]
    await scene.must("POST", f"/revocations/{operation}/confirm", token=scene.token("jaan"))
    shown = await scene.must("POST", retire, {"reason": "compromised"})
    assert shown["keys"][0]["status"] == "compromised"


async def test_one_person_takes_no_standing_from_what_two_agreed_shall_stand(scene: Scene) -> None:
    refs = await many(scene, 12)
    last_seq = len(await scene.emitted(CredentialRegistered))
    kid = scene.keys["tartu"].kid
    retire = f"/institutions/tartu/keys/{kid}/retire"
    await _two_revoke(scene, key=kid, registrations_stand_to=last_seq)
    answer = await scene.ask("POST", retire, {"reason": "compromised"})
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/second-person-needed")
    assert await statuses(scene, refs) == ["active"] * 12
    assert not await scene.emitted(InstitutionKeyRetired)
    await _two_revoke(scene, key=kid, registrations_stand_to=last_seq - 1)
    shown = await scene.must("POST", retire, {"reason": "compromised", "registrations_stand_to": last_seq - 1})
    assert (shown["keys"][0]["status"], shown["keys"][0]["registrations_stand_to"]) == ("compromised", last_seq - 1)


async def test_what_two_agreed_shall_stand_is_retired_with_by_one_however_much_it_is(scene: Scene) -> None:
    await many(scene, 12)
    last_seq = len(await scene.emitted(CredentialRegistered))
    kid = scene.keys["tartu"].kid
    await _two_revoke(scene, key=kid, registrations_stand_to=last_seq - 1)
    await _two_revoke(scene, key=kid, registrations_stand_to=last_seq)
    retire = f"/institutions/tartu/keys/{kid}/retire"
    shown = await scene.must("POST", retire, {"reason": "compromised", "registrations_stand_to": last_seq - 1})
    assert shown["keys"][0]["status"] == "compromised"


async def test_two_who_revoke_at_once_tell_it_once(scene: Scene) -> None:
    ref = await scene.registers()
    answers = await asyncio.gather(*(revokes(scene, ref) for _ in range(5)))
    assert sorted(one.status_code for one in answers) == [200, 409, 409, 409, 409]
    assert len(await scene.emitted(CredentialRevoked)) == 1


async def test_a_transaction_that_fails_leaves_neither_state_nor_event_nor_count(scene: Scene) -> None:
    ref = await scene.registers()
    caller = Caller("mari", frozenset(), None, "here")

    async def work(unit: Any) -> None:
        await revoke_credential(unit, caller, ref, RevokeCredential(), None)
        raise RuntimeError("the process dies here")

    with pytest.raises(RuntimeError):
        await scene.engine.outbox.transact(work, caller.actor)
    assert (await scene.shows(ref))["status"] == "active"
    assert await scene.log("status") == []


async def _is(scene: Scene, ref: str, status: str) -> bool:
    return bool((await scene.shows(ref))["status"] == status)


async def _done(scene: Scene, operation: str) -> bool:
    return bool((await scene.must("GET", f"/revocations/{operation}"))["status"] == "done")

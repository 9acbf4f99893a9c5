"""Promise: whatever ends credentials, more than ten an hour are not one person's to end; correcting is one way of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared.events.issuance import actor_pseudonym
from shared.events.status import CredentialRevoked, CredentialsRevoked
from shared.log.outbox import AUDIT
from tests.scenes.registry import Scene, registry
from tests.world import Nation, world


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with registry(tmp_path) as running:
        await running.accredits("tartu")
        yield running


def by(scene: Scene, subject: str) -> str:
    """How an issuance names that administrator."""
    return actor_pseudonym(f"{subject} by {scene.home.settings.audience}")


async def corrects(scene: Scene, old: str, subject: str | None = "mari") -> str:
    """Register a credential that this administrator issued in place of another; returns its ref."""
    return await scene.registers(replaces=old, asked_by=by(scene, subject) if subject else None)


async def status(scene: Scene, ref: str) -> str:
    return str((await scene.shows(ref))["status"])


async def ten_ended(scene: Scene, subject: str = "mari") -> None:
    """Four revoked by hand and six superseded, all by one administrator."""
    for number in range(10):
        ref = await scene.registers()
        if number < 4:
            await scene.must("POST", f"/credentials/{ref}/revoke", {"reason": "error"}, token=scene.token(subject))
        else:
            await corrects(scene, ref, subject)
            assert await status(scene, ref) == "revoked"


async def confirms(scene: Scene, operation: str, subject: str) -> Any:
    return await scene.ask("POST", f"/revocations/{operation}/confirm", token=scene.token(subject))


async def test_the_eleventh_correction_of_one_person_ends_the_old_one_once_another_confirms(
    scene: Scene,
) -> None:
    await ten_ended(scene)
    old = await scene.registers()
    new = await corrects(scene, old)
    assert [await status(scene, ref) for ref in (old, new)] == ["active", "active"]
    waiting = await scene.must("GET", f"/revocations/{new}")
    assert (waiting["status"], waiting["reason"], waiting["named"]) == ("pending", "superseded", 1)
    assert (await confirms(scene, new, "mari")).json()["type"] == "/problems/second-person-needed"
    assert await status(scene, old) == "active"
    assert (await confirms(scene, new, "jaan")).json()["status"] == "done"
    shown = await scene.shows(old)
    assert (shown["status"], shown["reason"], shown["replaced_by"]) == ("revoked", "superseded", new)
    event = (await scene.emitted(CredentialRevoked))[-1]
    assert (event["ref"], event["reason"], event["replaced_by"]) == (old, "superseded", new)
    rows = await scene.engine.store.scan(AUDIT, where={"subject": old})
    assert [row.body["action"] for row in rows] == ["credential.register", "credential.supersede"]


async def test_what_one_corrects_counts_towards_the_ten_that_one_may_revoke(scene: Scene) -> None:
    for _ in range(10):
        await corrects(scene, await scene.registers())
    ref = await scene.registers()
    answer = await scene.ask("POST", f"/credentials/{ref}/revoke", {"reason": "error"})
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/second-person-needed")
    assert await status(scene, ref) == "active"


async def test_each_person_has_ten_of_their_own_and_ten_more_an_hour_later(scene: Scene) -> None:
    await ten_ended(scene)
    old = await scene.registers()
    await corrects(scene, old, "jaan")
    scene.clock.advance(minutes=61)
    later = await scene.registers()
    await corrects(scene, later)
    assert [await status(scene, ref) for ref in (old, later)] == ["revoked", "revoked"]


async def test_corrections_that_name_nobody_share_ten_and_nobody_confirms_the_rest(scene: Scene) -> None:
    for _ in range(10):
        await corrects(scene, await scene.registers(), None)
    old = await scene.registers()
    new = await corrects(scene, old, None)
    assert (await confirms(scene, new, "jaan")).status_code == 409
    assert await status(scene, old) == "active"


async def test_a_whole_cohorts_corrections_are_confirmed_at_once_by_revoking_the_old_ones_as_a_list(scene: Scene) -> None:
    olds = [await scene.registers() for _ in range(12)]
    news = [await corrects(scene, old) for old in olds]
    waiting = olds[10:]
    assert [await status(scene, old) for old in waiting] == ["active", "active"]
    asked = await scene.must("POST", "/revocations", {"refs": olds, "reason": "superseded"})
    assert asked["status"] == "pending"
    assert (await confirms(scene, asked["operation"], "jaan")).json()["revoked"] == 2
    assert [one["refs"] for one in await scene.emitted(CredentialsRevoked)] == [waiting]
    assert (await confirms(scene, news[10], "jaan")).json()["revoked"] == 0


async def test_one_who_may_only_correct_ends_ten_an_hour_and_not_twelve() -> None:
    async with world("ee") as europe:
        ee = europe["ee"]
        await ee.accredits("tartu")
        refs = [await _issued(ee) for _ in range(12)]
        for ref in refs:
            await _corrects(ee, ref)
        await ee.settles()
        shown = [(await ee.must("registry", "GET", f"/credentials/{ref}"))["status"] for ref in refs]
        assert shown == ["revoked"] * 10 + ["active"] * 2


async def _issued(nation: Nation) -> str:
    body = {"institution": "tartu", "credential": nation.draft()}
    return str((await nation.must("issuer", "POST", "/credentials", body))["ref"])


async def _corrects(nation: Nation, ref: str) -> None:
    token = nation.token("credentials:correct", institution="tartu", subject="mallory")
    body = {"credential": nation.draft(holder={"given_name": "No", "family_name": "Body"})}
    await nation.must("issuer", "POST", f"/credentials/{ref}/correct", body, authorization=f"Bearer {token}")

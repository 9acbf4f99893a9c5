"""Promise: erasing destroys what opens a credential, in every file, and nothing else; a thousand persons leave none."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.issuer.credentials import handlers
from services.issuer.credentials.commands import IssueCredential, IssuedCredentialView
from services.issuer.credentials.repository import CREDENTIAL_KEYS, CREDENTIALS, ERASURES
from shared.ids import new_ref
from shared.log.outbox import AUDIT
from shared.web.request_transaction import RequestTransaction
from tests.integration.test_privacy import everything_in, spellings
from tests.scenes.issuer import Scene, draft, issuer
from tests.world import World, world

PERSONS = int(os.environ.get("CANARIES", "1000"))
"""How many persons; `make chaos` takes ten thousand."""
MARK = "Kanaarilind"
"""Part of every canary's name, given and family: who finds none of it in a file finds none of them."""

AT_ONCE = 64


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with issuer(tmp_path) as opened:
        await opened.accredit()
        yield opened


async def key_of(scene: Scene, ref: str) -> list[bytes]:
    """A credential's key in the forms in which a file may hold it."""
    row = await scene.engine.store.get(CREDENTIAL_KEYS, ref)
    assert row is not None
    plain = base64.b64decode(row.body["key"])
    return [plain, row.body["key"].encode(), plain.hex().encode()]


async def test_no_file_holds_the_key_of_an_erased_credential(scene: Scene, tmp_path: Path) -> None:
    made = [await scene.issue() for _ in range(5)]
    ref = made[2]["ref"]
    key, other = await key_of(scene, ref), await key_of(scene, made[3]["ref"])
    assert any(form in everything_in(tmp_path) for form in key), "the files that are searched are the ones that are written"
    assert (await scene.post(f"/credentials/{ref}/erase", {})).status_code == 200
    on_disk = everything_in(tmp_path)
    assert not any(form in on_disk for form in key)
    assert any(form in on_disk for form in other), "and only that one is gone"


async def test_erasing_twice_is_erasing_once_and_is_noted_with_who_did_it(scene: Scene) -> None:
    ref = (await scene.issue())["ref"]
    first, second = [await scene.post(f"/credentials/{ref}/erase", {}) for _ in range(2)]
    assert first.json() == second.json()
    rows = [row.body for row in await scene.engine.store.scan(AUDIT) if row.body["action"] == "credential.erase"]
    assert [row["subject"] for row in rows] == [ref]


async def test_a_credential_of_another_institution_is_not_there_to_be_erased(scene: Scene) -> None:
    await scene.accredit("tallinn")
    ref = (await scene.issue())["ref"]
    foreign = await scene.post(f"/credentials/{ref}/erase", {}, institution="tallinn")
    unknown = await scene.post(f"/credentials/{new_ref()}/erase", {}, institution="tallinn")
    assert {**foreign.json(), "trace_id": ""} == {**unknown.json(), "trace_id": ""}
    assert foreign.status_code == 404
    assert await scene.engine.store.get(CREDENTIAL_KEYS, ref) is not None


async def test_a_credential_that_was_erased_can_still_be_corrected_and_stays_erased_after_a_restart(tmp_path: Path) -> None:
    async with issuer(tmp_path) as scene:
        await scene.accredit()
        ref = (await scene.issue())["ref"]
        await scene.post(f"/credentials/{ref}/erase", {})
    async with issuer(tmp_path) as scene:
        after = (await scene.get(f"/credentials/{ref}")).json()
        assert (after["credential"], after["erased"] is None) == (None, False)
        assert (await scene.post(f"/credentials/{ref}/correct", {"credential": draft()})).status_code == 201


async def test_what_the_learner_holds_goes_on_verifying_and_can_be_revoked() -> None:
    async with world("ee", "pt") as europe:
        await europe["ee"].accredits("tartu")
        credential = await europe["ee"].issues("tartu")
        await europe.mirrors("ee", "pt")
        ref = (await europe["ee"].verifies(credential))["credential"]["ref"]
        await europe["ee"].must("issuer", "POST", f"/credentials/{ref}/erase", {})
        assert await verdicts(europe, credential) == ["valid", "valid"]
        await europe["ee"].revokes(ref)
        await europe.mirrors("ee", "pt")
        assert await verdicts(europe, credential) == ["invalid", "invalid"]


async def verdicts(europe: World, credential: str) -> list[str]:
    return [(await europe[name].verifies(credential))["verdict"] for name in ("ee", "pt")]


@pytest.mark.timeout(280)
async def test_a_thousand_persons_leave_no_trace_outside_the_encrypted_part(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with issuer(tmp_path) as scene:
        await scene.accredit()
        refs = await asyncio.gather(*(issue_many(scene, PERSONS // AT_ONCE + 1) for _ in range(AT_ONCE)))
        await mistakes(scene)
        made = [ref for some in refs for ref in some][:PERSONS]
        assert len(set(made)) == PERSONS
        on_disk = everything_in(tmp_path)
        assert all(ref.encode() in on_disk for ref in made[::500]), (
            "the files that were searched are the ones that were written"
        )
        assert [form for form in spellings(MARK) if form in on_disk] == []
        await erase_all(scene, made)
        on_disk = everything_in(tmp_path)
        assert [form for form in spellings(MARK) if form in on_disk] == []
        assert await scene.engine.store.count(CREDENTIAL_KEYS) == await scene.engine.store.count(CREDENTIALS) - PERSONS
    logged = "".join(capfd.readouterr())
    assert MARK not in logged


def person() -> dict[str, Any]:
    """Somebody whose names stand nowhere else."""
    return {"given_name": f"{MARK}{secrets.token_hex(4)}", "family_name": f"{MARK}{secrets.token_hex(4)}"}


async def issue_many(scene: Scene, count: int) -> list[str]:
    """Issue one after the other, as the handlers do; the references."""
    refs = []
    for _ in range(count):
        command = IssueCredential(institution="tartu", credential=draft(holder=person()))
        transaction: RequestTransaction[IssuedCredentialView] = RequestTransaction(
            outbox=scene.engine.outbox, actor="canary"
        )
        answer = await handlers.draft_and_issue(scene.context, transaction, command)
        refs.append(json.loads(answer.body)["ref"])
    return refs


async def mistakes(scene: Scene) -> None:
    """What callers do wrong, with names in it, and what is done twice."""
    for wrong in (draft(holder=person(), title=None), draft(holder={**person(), "nickname": MARK}), draft(title=MARK * 400)):
        await scene.post(
            "/credentials", {"institution": "tartu", "credential": wrong}, key=f"wrong-{MARK[:0]}{len(str(wrong))}"
        )
    body = {"institution": "tartu", "credential": draft(holder=person())}
    for _ in range(2):
        await scene.post("/credentials", body, key="twice")
    await scene.client.post("/credentials", content=f'{{"holder": "{MARK}"'.encode(), headers=scene.headers())
    await scene.get(f"/credentials/{MARK}")


async def erase_all(scene: Scene, refs: list[str]) -> None:
    """Erase all, a thousand a transaction: what one request does, and what follows it once."""
    for start in range(0, len(refs), 1000):
        some = refs[start : start + 1000]

        async def work(unit: Any, some: list[str] = some) -> None:
            for ref in some:
                await handlers.erase_credential(unit, scene.context, ref, None)

        await scene.engine.outbox.transact(work, "canary")
    assert await scene.engine.store.scrub()
    assert await scene.engine.store.count(ERASURES) == len(refs)

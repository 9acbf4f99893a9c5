"""Promise: a request under an `Idempotency-Key` is drafted once and signed once, however often and at once it comes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from services.issuer.cohorts.repository import COHORTS
from services.issuer.cohorts.worker import Worker
from services.issuer.credentials.repository import CREDENTIALS
from shared.events.trust import InstitutionKeyAdded
from shared.jose.signers import LocalSigner
from tests.scenes.cohort import body, csv
from tests.scenes.issuer import Scene, draft, issuer
from tests.scenes.signatures import counted


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with issuer(tmp_path) as opened:
        yield opened


@pytest.fixture
async def tartu(scene: Scene) -> LocalSigner:
    """The institution's key."""
    return await scene.accredit()


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each signing key was used."""
    return counted(monkeypatch)


def uses(used: Counter[str], institution: LocalSigner) -> tuple[int, int]:
    """Rehearsals with a throwaway key, and signatures of the institution's."""
    return used.total() - used[institution.kid], used[institution.kid]


async def asked(scene: Scene, path: str, command: Any, times: int) -> list[httpx2.Response]:
    """One request, so often at once, under one key."""
    return list(await asyncio.gather(*(scene.post(path, command, key="once") for _ in range(times))))


def assert_answered_once(answers: list[httpx2.Response], status: int) -> None:
    """One was answered; the others too with the same bytes, or told that it is under way."""
    answered = [one for one in answers if one.status_code == status]
    assert len({one.content for one in answered}) == 1
    others = [one for one in answers if one not in answered]
    assert {one.json()["type"] for one in others} <= {"/problems/request-in-flight"}


COMMAND = {"institution": "tartu", "credential": draft()}


async def test_a_repeated_request_rehearses_and_signs_no_more(scene: Scene, tartu: LocalSigner, used: Counter[str]) -> None:
    answers = [(await asked(scene, "/credentials", COMMAND, 1))[0] for _ in range(3)]
    assert [one.status_code for one in answers] == [201] * 3
    assert_answered_once(answers, 201)
    assert uses(used, tartu) == (1, 1)


async def test_five_requests_at_once_are_drafted_once_and_signed_once(
    scene: Scene, tartu: LocalSigner, used: Counter[str]
) -> None:
    assert_answered_once(await asked(scene, "/credentials", COMMAND, 5), 201)
    assert uses(used, tartu) == (1, 1)
    assert await scene.engine.store.count(CREDENTIALS) == 1


async def test_a_correction_is_drafted_once_and_signed_once(scene: Scene, tartu: LocalSigner, used: Counter[str]) -> None:
    made = await scene.issue()
    used.clear()
    for times in (5, 1):
        answers = await asked(scene, f"/credentials/{made['ref']}/correct", {"credential": draft()}, times)
        assert_answered_once(answers, 201)
    assert uses(used, tartu) == (1, 1)


async def test_each_format_is_rehearsed_and_signed_once(scene: Scene, tartu: LocalSigner, used: Counter[str]) -> None:
    command = {**COMMAND, "formats": ["vc+jwt", "dc+sd-jwt", "openbadge+jwt"]}
    for times in (5, 1):
        assert_answered_once(await asked(scene, "/credentials", command, times), 201)
    assert uses(used, tartu) == (3, 3)


async def test_what_is_refused_is_never_signed_and_may_be_mended(
    scene: Scene, tartu: LocalSigner, used: Counter[str]
) -> None:
    beyond = {**COMMAND, "credential": draft(level={"eqf": 8})}
    refused = await asked(scene, "/credentials", beyond, 5)
    assert {one.status_code for one in refused} <= {422, 409}
    assert used[tartu.kid] == 0
    assert_answered_once(await asked(scene, "/credentials", COMMAND, 1), 201)


async def test_the_rows_of_a_cohort_are_rehearsed_once(
    scene: Scene, tartu: LocalSigner, used: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def rest(_: Worker) -> bool:
        return False

    monkeypatch.setattr(Worker, "round", rest)
    for times in (5, 1):
        assert_answered_once(await asked(scene, "/cohorts", body(csv(7)), times), 202)
    assert uses(used, tartu) == (7, 0)
    assert await scene.engine.store.count(COHORTS) == 1


async def test_one_key_is_made_though_it_was_announced_before_the_request_is_repeated(
    scene: Scene, tartu: LocalSigner
) -> None:
    answers = await asked(scene, "/institutions/tartu/keys", {}, 5)
    assert_answered_once(answers, 201)
    made = next(one.json() for one in answers if one.status_code == 201)
    await scene.say(InstitutionKeyAdded(institution="tartu", kid=made["kid"], jwk=made["jwk"]))
    assert [one.json() for one in await asked(scene, "/institutions/tartu/keys", {}, 1)] == [made]
    of_tartu = [name for name in scene.home.keys.names() if name.endswith("-tartu")]
    assert len(of_tartu) == 2, "the first one, and the one that was made now"

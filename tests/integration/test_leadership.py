"""Of several processes of one service one works and the others stand by; a dead or a stopped one is replaced in seconds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from shared.clock import SystemClock
from shared.engine.leadership import ANSWER_SECONDS, LEADERS, LOOK_SECONDS, Leadership
from shared.events.trust import AccreditationWithdrawn
from shared.ids import new_ref
from shared.log.outbox import COLLECTIONS, OUTBOX, Outbox, Unit
from shared.store.open import open_store
from shared.store.port import Store
from tests.world import ShiftedClock, found, running


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(f"sqlite:///{tmp_path}", "registry", [LEADERS, OUTBOX])
    yield opened
    await opened.close()


@asynccontextmanager
async def part(store: Store) -> AsyncIterator[tuple[Leadership, asyncio.Task[None]]]:
    """One process's part, until the block ends."""
    one = Leadership(store, "registry", SystemClock())
    await one.look()
    running = asyncio.create_task(one.run())
    try:
        yield one, running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.01)


async def test_a_lone_process_leads_at_once_and_writes_nothing_to_go_on_leading(store: Store) -> None:
    async with part(store) as (one, _):
        assert one.leads
        first = await store.get(LEADERS, "registry")
        await asyncio.sleep(3 * LOOK_SECONDS)
        assert await store.get(LEADERS, "registry") == first


async def test_a_standby_waits_while_the_leader_answers_and_takes_over_as_soon_as_it_resigns(store: Store) -> None:
    async with part(store) as (one, running), part(store) as (other, _):
        await asyncio.sleep(ANSWER_SECONDS + 3 * LOOK_SECONDS)
        assert (one.leads, other.leads) == (True, False)
        running.cancel()
        await until(lambda: other.leads)


async def test_a_leader_that_falls_silent_is_replaced_and_notices_when_it_wakes(store: Store) -> None:
    """What a paused or killed process does: it answers no challenge, and resigns from nothing."""
    silent, working, ended = Leadership(store, "registry", SystemClock()), asyncio.Event(), asyncio.Event()
    await silent.look()

    async def work() -> None:
        working.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    loop = asyncio.create_task(silent.while_leading(work))
    await working.wait()
    async with part(store) as (other, _):
        await until(lambda: other.leads)
        assert silent.leads  # it has not looked
        assert not ended.is_set()
        await silent.look()
        assert not silent.leads
        await until(ended.is_set)
    loop.cancel()


async def test_what_two_processes_emit_is_sequenced_in_commit_order_whatever_their_clocks_show(
    tmp_path: Path,
) -> None:
    slow, fast = ShiftedClock(), ShiftedClock()
    slow.shift = timedelta(hours=-1)
    stores = [await open_store(f"sqlite:///{tmp_path}", "registry", COLLECTIONS) for _ in range(2)]
    said = []
    for number in range(6):
        outbox = Outbox(stores[number % 2], (fast, slow)[number % 2])
        said.append(await outbox.transact(_withdraw, actor="test"))
    rows = await stores[0].scan(OUTBOX)
    assert [row.body["id"] for row in rows] == said
    for one in stores:
        await one.close()


async def _withdraw(unit: Unit) -> str:
    return await unit.emit(AccreditationWithdrawn(institution="tartu", accreditation=new_ref(), effective=unit.now))


async def test_a_standby_verifier_answers_with_what_its_leader_took_in_and_takes_over_from_it(tmp_path: Path) -> None:
    home = found(tmp_path / "ee", "ee")
    async with running(home) as leading:
        await leading.accredits("tartu")
        credential = await leading.issues("tartu")
        async with running(home, ["verifier"], settles=False) as standby:
            assert not standby.engine("verifier").leadership.leads
            await eventually(lambda: standby.verifies(credential), "valid")
            ref = (await leading.verifies(credential))["credential"]["ref"]
            await leading.revokes(ref)
            await eventually(lambda: standby.verifies(credential), "invalid")


async def eventually(ask: Callable[[], Awaitable[dict]], verdict: str) -> None:
    async with asyncio.timeout(60):
        while (await ask())["verdict"] != verdict:
            await asyncio.sleep(0.05)

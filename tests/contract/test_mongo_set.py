"""Three members of a replica set: the primary may die or step down amid writes; with two gone the store says so."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from shared.store.mongo import writer as mongo_writer
from shared.store.mongo.store import MongoStore, open_mongo
from shared.store.port import StoreUnavailable, Transaction
from tests import engines
from tests.contract.conftest import THINGS


@pytest.fixture(scope="module")
def mongo() -> Iterator[engines.MongoSet]:
    with engines.own_mongo_set() as replica_set:
        yield replica_set


@pytest.fixture
async def store(mongo: engines.MongoSet) -> AsyncIterator[MongoStore]:
    """A store that is never opened again; all members run at the beginning of each test."""
    await asyncio.to_thread(mongo.start)
    url = f"{mongo.database(f'set_{uuid4().hex[:8]}')}&serverSelectionTimeoutMS=1000"
    opened = await open_mongo(url, "contract", [THINGS])
    yield opened
    await opened.close()


class Load:
    """Writers that go on: each transaction raises one counter and leaves two notes of it."""

    def __init__(self, store: MongoStore) -> None:
        self.acknowledged: list[str] = []
        self.unavailable: list[StoreUnavailable] = []
        self._store = store

    async def write(self, name: str) -> None:
        async def work(tx: Transaction) -> None:
            held = await tx.get(THINGS, "counter")
            await tx.put(THINGS, "counter", {"n": held.body["n"] + 1 if held else 1}, held.version if held else 0)
            await tx.insert_many(THINGS, [(f"note/{name}/a", {}), (f"note/{name}/b", {})])

        await self._store.transact(work)
        self.acknowledged.append(name)

    async def go_on(self, number: int) -> None:
        """Until it is cancelled. What was unknown is not asked for again: it may be there or not, but whole."""
        for done in range(1_000_000):
            try:
                await self.write(f"{number:02}.{done:06}")
            except StoreUnavailable as error:
                self.unavailable.append(error)
                await asyncio.sleep(0.05)

    async def gets_on(self, by: int) -> None:
        """Wait until so many more were acknowledged."""
        wanted = len(self.acknowledged) + by
        async with asyncio.timeout(60):
            while len(self.acknowledged) < wanted:
                await asyncio.sleep(0.01)

    async def require_complete(self) -> None:
        """All that was acknowledged is there, and everything that is there is there once and whole."""
        found: Counter[str] = Counter()
        after = "note/"
        while page := await self._store.scan(THINGS, prefix="note/", after=after):
            found.update(row.key.split("/")[1] for row in page)
            assert {row.version for row in page} == {1}
            after = page[-1].key
        assert set(self.acknowledged) - found.keys() == set()
        assert set(found.values()) == {2}
        counter = await self._store.get(THINGS, "counter")
        assert counter is not None
        assert counter.body["n"] == counter.version == len(found)


@asynccontextmanager
async def under_load(store: MongoStore) -> AsyncIterator[Load]:
    load = Load(store)
    tasks = [asyncio.create_task(load.go_on(number)) for number in range(8)]
    await load.gets_on(100)
    yield load
    await load.gets_on(100)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await load.write("last")  # behind whatever a cancelled writer left in the queue
    await load.require_complete()


async def test_the_primary_killed_amid_transactions_another_is_elected_and_all_is_there_once(
    mongo: engines.MongoSet, store: MongoStore
) -> None:
    async with under_load(store) as load:
        primary = await asyncio.to_thread(mongo.primary)
        await asyncio.to_thread(primary.kill)
        await load.gets_on(100)
        assert await asyncio.to_thread(mongo.primary) is not primary


async def test_a_primary_that_steps_down_under_load_costs_nothing_and_no_answer(
    mongo: engines.MongoSet, store: MongoStore
) -> None:
    async with under_load(store) as load:
        for _ in range(2):
            primary = await asyncio.to_thread(mongo.primary)
            await asyncio.to_thread(primary.step_down)
            await load.gets_on(100)
    assert not load.unavailable


async def test_without_a_majority_the_store_says_so_and_goes_on_when_one_is_back(
    mongo: engines.MongoSet, store: MongoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongo_writer, "RETRY_SECONDS", 1.0)
    async with under_load(store) as load:
        gone = [member for member in mongo.members if member is not mongo.primary()]
        for member in gone:
            await asyncio.to_thread(member.kill)
        with pytest.raises(StoreUnavailable, match=r"did not say whether it kept this|has no primary"):
            while True:  # until the primary has noticed, it answers what it knows
                await load.write(f"lonely.{len(load.acknowledged)}")
        with pytest.raises(StoreUnavailable, match="has no primary"):
            while True:
                await store.get(THINGS, "counter")
        await asyncio.to_thread(gone[0].start)

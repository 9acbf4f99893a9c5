"""What MongoDB or the way to it does wrong, and what the store keeps all the same: all that it acknowledged, and once."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from shared.store.mongo import bulk as mongo_bulk
from shared.store.mongo import idle as mongo_idle
from shared.store.mongo import writer as mongo_writer
from shared.store.mongo.client import MongoUrl
from shared.store.mongo.store import MongoStore, open_mongo
from shared.store.port import StoreUnavailable, Transaction
from tests import engines
from tests.contract.conftest import THINGS, database, drop

Fail = Callable[..., Any]


@pytest.fixture(scope="module")
def server() -> Iterator[engines.Mongo]:
    """One that can be told to fail."""
    with engines.own_mongo("--setParameter", "enableTestCommands=1") as mongo:
        yield mongo


@pytest.fixture
def url(server: engines.Mongo) -> Iterator[str]:
    text = f"{server.database('faults')}&serverSelectionTimeoutMS=2000"
    yield text
    drop(text)


@pytest.fixture
async def store(url: str) -> AsyncIterator[MongoStore]:
    opened = await open_mongo(url, "contract", [THINGS])
    yield opened
    await opened.close()


@pytest.fixture
def failing(server: engines.Mongo) -> Iterator[Fail]:
    """Let the server fail the next `times` of some commands (https://github.com/mongodb/mongo, docs/fail_points)."""
    with MongoClient[dict[str, Any]](server.url) as client:

        def fail(times: int | None, *commands: str, **how: Any) -> None:
            mode = {"times": times} if times else "alwaysOn"
            point = {"configureFailPoint": "failCommand", "mode": mode, "data": {"failCommands": list(commands), **how}}
            client.admin.command(point)

        yield fail
        client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})


async def increment(store: MongoStore, runs: Counter[str]) -> int:
    """Raise a counter by one and note it by a document; returns what it was raised to."""

    async def work(tx: Transaction) -> int:
        runs["work"] += 1
        held = await tx.get(THINGS, "counter")
        number = int(held.body["n"]) + 1 if held else 1
        await tx.put(THINGS, "counter", {"n": number}, held.version if held else 0)
        await tx.insert(THINGS, f"note/{number:06}", {})
        return number

    return await store.transact(work)


async def state(store: MongoStore) -> tuple[int, int]:
    """The counter, and how many notes there are: with every effect once, they are equal."""
    counter = await store.get(THINGS, "counter")
    return (counter.body["n"] if counter else 0), await store.count(THINGS) - (counter is not None)


TRANSIENT = {"errorCode": 112, "errorLabels": ["TransientTransactionError"]}
BROKEN = {"closeConnection": True}


@pytest.mark.parametrize("command", ["find", "bulkWrite", "commitTransaction"])
@pytest.mark.parametrize("how", [TRANSIENT, BROKEN], ids=["transient", "broken"])
async def test_work_that_is_run_again_has_its_effect_once(
    store: MongoStore, failing: Fail, command: str, how: dict[str, Any]
) -> None:
    runs: Counter[str] = Counter()
    await increment(store, runs)
    failing(1, command, **how)
    assert await increment(store, runs) == 2
    assert runs["work"] == (2 if (command, how) == ("commitTransaction", BROKEN) else 3)  # a commit is repeated by itself
    assert await state(store) == (2, 2)


async def test_a_commit_whose_answer_never_comes_is_asked_for_until_it_does(store: MongoStore, failing: Fail) -> None:
    runs: Counter[str] = Counter()
    failing(6, "commitTransaction", **BROKEN)
    assert await increment(store, runs) == 1
    assert runs["work"] == 1
    assert await state(store) == (1, 1)


async def test_a_commit_that_was_applied_before_its_answer_was_lost_is_not_applied_again(
    store: MongoStore, failing: Fail
) -> None:
    runs: Counter[str] = Counter()
    failing(3, "commitTransaction", writeConcernError={"code": 64, "errmsg": "timed out", "errInfo": {"wtimeout": True}})
    assert await increment(store, runs) == 1
    assert await state(store) == (1, 1)


async def test_a_commit_of_which_nothing_is_ever_heard_is_said_to_be_unknown(
    store: MongoStore, failing: Fail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongo_writer, "RETRY_SECONDS", 0.1)
    failing(None, "commitTransaction", **BROKEN)
    with pytest.raises(StoreUnavailable, match="did not say whether it kept this"):
        await increment(store, Counter())
    failing(1, "none")
    monkeypatch.undo()
    assert await increment(store, Counter()) == 1  # the commit never came, and the transaction left open is ended
    assert await state(store) == (1, 1)


async def test_a_process_that_was_killed_before_its_commit_keeps_nobody_waiting_for_long(url: str) -> None:
    text = """
import asyncio, sys
from shared.store.mongo import writer
from shared.store.mongo.store import open_mongo
from tests.contract.conftest import THINGS

async def commit(self, session):
    print("written", flush=True)
    await asyncio.sleep(60)

async def main():
    store = await open_mongo(sys.argv[1], "contract", [THINGS])
    writer.GroupWriter._send_commit = commit
    await store.transact(lambda tx: tx.insert(THINGS, "never", {}))

asyncio.run(main())
"""
    victim = await asyncio.create_subprocess_exec(sys.executable, "-c", text, url, stdout=asyncio.subprocess.PIPE)
    assert victim.stdout is not None
    assert await victim.stdout.readline() == b"written\n"
    victim.kill()
    await victim.wait()
    store = await open_mongo(url, "contract", [THINGS])
    assert await increment(store, Counter()) == 1
    assert await state(store) == (1, 1)
    await store.close()


async def test_one_that_was_only_slow_runs_its_work_again_and_loses_nothing(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, other = [await open_mongo(url, "contract", [THINGS]) for _ in range(2)]
    send, asleep = slow._writer._send_commit, asyncio.Event()

    async def sleepy(session: Any) -> None:
        if not asleep.is_set():
            asleep.set()
            await asyncio.sleep(mongo_idle.IDLE_SECONDS * 3)
        await send(session)

    monkeypatch.setattr(slow._writer, "_send_commit", sleepy)
    runs: Counter[str] = Counter()
    first = asyncio.create_task(increment(slow, runs))
    await asleep.wait()
    assert await increment(other, Counter()) == 1
    assert await first == 2
    assert runs["work"] > 1
    assert await state(other) == (2, 2)
    for store in (slow, other):
        await store.close()


async def test_what_the_server_goes_on_refusing_ends_in_words(
    store: MongoStore, failing: Fail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongo_writer, "RETRY_SECONDS", 0.1)
    for how, words in ((TRANSIENT, "repeat"), ({"errorCode": 13}, "readWrite"), ({"errorCode": 8000}, "refused")):
        failing(None, "bulkWrite", **how)
        with pytest.raises(StoreUnavailable, match=words):
            await increment(store, Counter())
    failing(None, "find", "aggregate", **BROKEN)
    for ask in (store.get(THINGS, "a"), store.scan(THINGS), store.count(THINGS)):
        with pytest.raises(StoreUnavailable, match="does not answer"):
            await ask
    failing(1, "none")
    assert await state(store) == (0, 0)


async def test_what_was_acknowledged_before_the_server_was_killed_is_there_after_it_and_once() -> None:
    with await asyncio.to_thread(engines.own_mongo) as mongo:
        store = await open_mongo(f"{mongo.database('killed')}&serverSelectionTimeoutMS=2000", "contract", [THINGS])
        acknowledged: list[str] = []
        ended = asyncio.Event()

        async def insert(key: str) -> None:
            async def work(tx: Transaction) -> None:
                await tx.insert_many(THINGS, [(f"{key}/a", {"n": 1}), (f"{key}/b", {"n": 1})])

            await store.transact(work)
            acknowledged.append(key)

        async def load(number: int) -> None:
            done = 0
            while not ended.is_set():
                try:
                    await insert(f"{number:02}/{done:05}")
                except StoreUnavailable:
                    await asyncio.sleep(0.05)
                done += 1  # what was unknown is not asked for again: it may be there or not, but whole

        tasks = [asyncio.create_task(load(n)) for n in range(16)]
        for _ in range(3):
            before = len(acknowledged)
            while len(acknowledged) < before + 200:
                await asyncio.sleep(0.01)
            await asyncio.to_thread(mongo.kill)
            await asyncio.to_thread(mongo.start)
        ended.set()
        await asyncio.gather(*tasks)
        await insert("99/healed")
        await store.close()
        await _require_whole(mongo.database("killed"), acknowledged)


async def _require_whole(url: str, acknowledged: list[str]) -> None:
    store = await open_mongo(url, "contract", [THINGS])
    found: Counter[str] = Counter()
    after = ""
    while page := await store.scan(THINGS, after=after):
        found.update(row.key[:-2] for row in page)
        assert {row.version for row in page} == {1}
        after = page[-1].key
    await store.close()
    assert set(acknowledged) - found.keys() == set()
    assert set(found.values()) == {2}


async def test_a_server_that_stands_still_is_unavailable_and_heals() -> None:
    with await asyncio.to_thread(engines.own_mongo) as mongo:
        haste = "serverSelectionTimeoutMS=500&socketTimeoutMS=500&connectTimeoutMS=500"
        store = await open_mongo(f"{mongo.database('paused')}&{haste}", "contract", [THINGS])
        assert await increment(store, Counter()) == 1
        mongo.pause()
        with pytest.raises(StoreUnavailable):
            while True:  # what is under way when it stops may still be answered
                await store.get(THINGS, "counter")
        with pytest.raises(StoreUnavailable):
            await increment(store, Counter())
        mongo.resume()
        async with asyncio.timeout(60):
            while True:
                try:
                    counter, notes = await state(store)
                    break
                except StoreUnavailable:
                    await asyncio.sleep(0.1)
        assert counter == notes
        assert await increment(store, Counter()) == counter + 1
        await store.close()


@pytest.fixture
def shared_url() -> Iterator[str]:
    text = database()
    yield text
    drop(text)


CAP = 5


async def fill_up(store: MongoStore, name: str) -> None:
    """Insert below a cap that only counting keeps: what two who count at the same time must not both do."""

    async def work(tx: Transaction) -> None:
        if await tx.count(THINGS) < CAP:
            await tx.insert(THINGS, name, {})

    await store.transact(work)


async def test_two_stores_that_each_count_before_they_insert_keep_the_cap(shared_url: str) -> None:
    for round_ in range(10):
        stores = [await open_mongo(shared_url, f"cap_{round_}", [THINGS]) for _ in range(2)]
        await asyncio.gather(*[fill_up(stores[n % 2], str(n)) for n in range(24)])
        assert await stores[0].count(THINGS) == CAP
        for store in stores:
            await store.close()
        drop(shared_url, f"cap_{round_}")


async def test_without_the_guard_they_would_not(shared_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mongo_bulk, "_guard", lambda: {"delete": 0, "filter": {"_id": "no guard"}, "multi": False})
    monkeypatch.setattr(mongo_bulk.Bulk, "_send", _unguarded)
    counts = []
    for round_ in range(10):
        stores = [await open_mongo(shared_url, f"skew_{round_}", [THINGS]) for _ in range(2)]
        await asyncio.gather(*[fill_up(stores[n % 2], str(n)) for n in range(24)])
        counts.append(await stores[0].count(THINGS))
        for store in stores:
            await store.close()
        drop(shared_url, f"skew_{round_}")
    assert max(counts) > CAP


_send = mongo_bulk.Bulk._send


async def _unguarded(bulk: Any, operations: list[Any], *, counted: bool) -> None:
    await _send(bulk, operations, counted=False)


async def test_two_stores_under_load_both_get_on(shared_url: str) -> None:
    stores = [await open_mongo(shared_url, "contract", [THINGS]) for _ in range(2)]
    await asyncio.gather(*[increment(stores[n % 2], Counter()) for n in range(60)])
    assert await state(stores[0]) == (60, 60)
    for store in stores:
        await store.close()


async def test_a_database_that_was_dropped_under_a_store_is_not_written_to(shared_url: str) -> None:
    store = await open_mongo(shared_url, "contract", [THINGS])
    with MongoClient[dict[str, Any]](shared_url) as client:
        client.drop_database(MongoUrl.parse(shared_url).database("contract"))
        with pytest.raises(StoreUnavailable):
            await increment(store, Counter())
    await store.close()

"""What the store and the log cost: group commit, append, ordered read."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path

from shared.bus.open import open_bus
from shared.bus.port import Message
from shared.store.open import open_store
from shared.store.port import Collection, Transaction
from tests.bench.measure import ENTRY, ROUNDS, Row, at_least, fdatasync_rate, rate_of, timed

THINGS = Collection("things")
WAITERS = 128
TRANSACTIONS = 6_000
BATCH = 100
HEADERS = (("jws", b"h" * 420), ("ce_id", b"i" * 36), ("ce_type", b"credential.revoked.v1"), ("ce_sequence", b"0" * 20))


async def group_commit(folder: Path) -> Row:
    """Store transactions a second at 128 waiters, against the disk's own rate."""
    store = await open_store(f"sqlite:///{folder}", "bench", [THINGS])
    numbers, pairs = count(), []

    async def one() -> None:
        key = f"{next(numbers):012d}"

        async def work(tx: Transaction) -> None:
            await tx.insert(THINGS, key, {"value": "v" * 200})

        await store.transact(work)

    async def all_waiters() -> int:
        async def waiter() -> None:
            for _ in range(TRANSACTIONS // WAITERS):
                await one()

        await asyncio.gather(*(waiter() for _ in range(WAITERS)))
        return TRANSACTIONS // WAITERS * WAITERS

    for _ in range(ROUNDS):
        against = fdatasync_rate(folder)
        pairs.append((await timed(all_waiters), against))
    await store.close()
    return at_least("group-commit", "store transactions/s at 128 waiters / fdatasync rate", pairs, 4)


async def log(folder: Path) -> list[Row]:
    """The bus as a log: batches of 100 appended, and everything read in order."""
    bus = await open_bus(f"sqlite:///{folder}")
    messages = [Message("k", ENTRY, HEADERS)] * BATCH
    appended, read = [], []

    async def append() -> int:
        for _ in range(200):
            await bus.append("testamur.ee.status.v1", messages)
        return 200 * BATCH

    async def read_all(name: str) -> int:
        consumer = bus.consumer(name)
        consumer.follow(["testamur.ee.status.v1"])
        got = 0
        while records := await consumer.poll(2_000, 0.0):
            got += len(records)
        await consumer.close()
        return got

    for number in range(ROUNDS):
        against = fdatasync_rate(folder)
        appended.append((await timed(append), against))
        read.append(await timed(lambda name=f"r{number}": read_all(name)))  # type: ignore[misc]
    await bus.close()
    return [
        at_least("log-append", "events/s appended in batches of 100 / fdatasync rate", appended, 25),
        rate_of("log-read", "events read in order, per second", read, 300_000),
    ]


async def rows(folder: Path) -> list[Row]:
    """All rows of this group."""
    return [await group_commit(folder), *await log(folder)]

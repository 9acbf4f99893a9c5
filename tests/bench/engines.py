"""What a real Kafka and a real MongoDB cost: publishing, reading, applying, and both sides of the store.

Every row stands beside the vendor's own client on the same engine, with the same bytes, in the same run. Where an engine
cannot be had the group says so and gives no row.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, Producer
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from shared.bus.kafka.bus import KafkaBus, open_kafka
from shared.bus.kafka.url import KafkaUrl
from shared.bus.port import Message
from shared.clock import SystemClock, rfc3339
from shared.events.base import REGISTRATIONS
from shared.events.entry import Entry, message_headers
from shared.home.folder import Home
from shared.ids import topic_name
from shared.log.archive import COLLECTIONS, LOG, archived
from shared.log.relay import MARKS, Relay
from shared.settings import NodeSettings
from shared.store.open import open_store
from shared.store.port import Collection, Store, Transaction
from tests import engines
from tests.bench.credentials import raw_verify
from tests.bench.measure import ROUNDS, Row, at_least, rate, timed
from tests.bench.replica import certificates, registrations
from tests.world import federate, found, running

EVENTS = 10_000
APPLIED = 4_000
BATCH = 500
WAITERS = 256
INSERTS = 4_096
READERS = 16
READS = 4_000
THINGS = Collection("things")
BODY = {"value": "v" * 200}
KEYS = tuple(f"r{number:06d}" for number in range(2_000))
TOPIC = topic_name("ee", "registrations")


async def rows(folder: Path) -> list[Row]:
    """All rows of this group, or none and a sentence."""
    try:
        kafka, mongo = await asyncio.to_thread(engines.own_kafka), await asyncio.to_thread(engines.mongo)
    except pytest.skip.Exception as absent:
        print(f"engines: {absent}", file=sys.stderr)
        return []
    name = f"bench_{uuid4().hex[:8]}"
    try:
        ee = found(folder / "ee", "ee")
        chain = list(registrations(ee, SystemClock(), EVENTS))
        measured = [
            *await _log(folder, kafka.url, chain),
            await _applied(folder, ee, kafka.url, lambda number: mongo.database(f"{name}_{number}"), chain),
        ]
        return [*measured, *await _documents(mongo.database(name))]
    finally:
        await asyncio.to_thread(kafka.discard)


async def _log(folder: Path, url: str, chain: Sequence[Entry]) -> list[Row]:
    """Relay and consume: the archive onto a topic, the topic to its end."""
    store = await _archive(folder, chain)
    bus = await open_kafka(url)
    client = KafkaUrl.parse(url).librdkafka()
    relayed, read = [], []
    await _relay(store, bus, forget=True)  # the topic is made, the connections are there
    for number in range(ROUNDS):
        ours = await timed(lambda: _relay(store, bus, forget=True))
        relayed.append((ours, await asyncio.to_thread(_produce, client, chain)))
        held = await bus.end(TOPIC)
        ours = await _read(bus, f"bench-{number}", held)
        read.append((ours, await asyncio.to_thread(_poll, client, f"their-{number}", held)))
    await bus.close()
    await store.close()
    return [
        at_least("relay", "stored entries -> Kafka acknowledged/s / confluent-kafka produce, same bytes", relayed, 1.0),
        at_least("consume", "records in from Kafka/s, unverified / confluent-kafka poll", read, 0.45),
    ]


async def _archive(folder: Path, chain: Sequence[Entry]) -> Store:
    store = await open_store(f"sqlite:///{folder}", "bench", [*COLLECTIONS, MARKS])
    rows_ = [archived(entry, rfc3339(SystemClock().now())) for entry in chain]
    await store.transact(lambda tx: tx.insert_many(LOG, rows_))
    return store


async def _relay(store: Store, bus: KafkaBus, *, forget: bool) -> int:
    if forget:
        await store.transact(lambda tx: tx.delete(MARKS, TOPIC))
    relay, done = Relay(store, bus, "ee", [REGISTRATIONS]), 0
    while step := await relay.step():
        done += step
    return done


def _produce(client: dict[str, object], chain: Sequence[Entry]) -> float:
    """The vendor's own producer: idempotent, every copy in step, its own batching."""
    messages = [(entry.token.payload, list(message_headers(entry))) for entry in chain]
    producer = Producer({**client, "enable.idempotence": True, "acks": "all", "queue.buffering.max.messages": 500_000})
    start = time.perf_counter()
    for value, headers in messages:
        producer.produce(TOPIC, value=value, headers=headers)
        producer.poll(0)
    producer.flush()
    return len(messages) / (time.perf_counter() - start)


async def _read(bus: KafkaBus, name: str, held: int) -> float:
    """Records a second from the first one on, as with the vendor's own reader: finding the topic is not reading it."""
    consumer = bus.consumer(name)
    consumer.follow([TOPIC])
    while not (got := len(await consumer.poll(1, 1.0))):
        continue
    start = time.perf_counter()
    while got < held:
        got += len(await consumer.poll(BATCH, 1.0))
    taken = time.perf_counter() - start
    await consumer.close()
    return got / taken


def _poll(client: dict[str, object], group: str, held: int) -> float:
    consumer = Consumer({**client, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False})
    consumer.subscribe([TOPIC])
    got = 0
    while (first := consumer.poll(1.0)) is None:
        continue
    start, got = time.perf_counter(), 1
    assert first.error() is None
    while got < held:
        got += consumer.poll(1.0) is not None
    taken = time.perf_counter() - start
    consumer.close()
    return got / taken


async def _applied(folder: Path, ee: Home, bus_url: str, database: Callable[[int], str], chain: Sequence[Entry]) -> Row:
    """From Kafka, verified, into a verifier's MongoDB; by the processor time of this process, since the product runs on one
    core of it.
    """
    bare = raw_verify(chain[0].token, ee.signer("registry").verification_key())
    bus = await open_kafka(bus_url)
    trust = [_message(entry) for entry in certificates(ee, SystemClock())]
    await bus.append(topic_name("ee", "trust"), trust)
    pairs = []
    for number in range(ROUNDS):
        against = rate(bare)
        pairs.append((await _apply_once(folder, ee, bus, database(number), number), against))
    await bus.close()
    return at_least("apply-kafka", "Kafka -> verified -> MongoDB, events/s of CPU / raw verify rate", pairs, 0.25)


async def _apply_once(folder: Path, ee: Home, bus: KafkaBus, url: str, number: int) -> float:
    home = found(folder / f"pt{number}", "pt")
    federate([ee, home])
    pt = Home(NodeSettings(**home.settings.model_dump() | {"store": url}))
    async with running(pt, ["registry", "verifier"]) as nation:
        inbox = nation.engine("verifier").inbox
        consumer = bus.consumer(f"apply-{number}")
        consumer.follow([topic_name("ee", "trust"), TOPIC])
        start, done = time.process_time(), 0
        while inbox.origin("ee").seq("registrations") < APPLIED:
            records = await consumer.poll(BATCH, 5.0)
            await inbox.receive(records)
            await consumer.commit({records[-1].topic: records[-1].offset})
            done += len(records)
        taken = time.process_time() - start
        await consumer.close()
    return done / taken


def _message(entry: Entry) -> Message:
    return Message(entry.envelope.sub, entry.token.payload, message_headers(entry))


async def _documents(url: str) -> list[Row]:
    """The store's writes and reads beside the driver's own."""
    store = await open_store(url, "bench", [THINGS])
    durable, majority = WriteConcern("majority", j=True), ReadConcern("majority")
    plain: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(url)
    theirs = plain.get_default_database()["plain"].with_options(write_concern=durable, read_concern=majority)
    motor = AsyncIOMotorClient(url).get_default_database()["plain"].with_options(read_concern=majority)
    numbers, written, read = count(), [], []

    async def ours() -> None:
        key = f"{next(numbers):012d}"

        async def work(tx: Transaction) -> None:
            await tx.insert(THINGS, key, BODY)

        await store.transact(work)

    async def one_by_one() -> None:
        await theirs.insert_one({"_id": f"{next(numbers):012d}", **BODY})  # type: ignore[dict-item]

    await store.transact(lambda tx: tx.insert_many(THINGS, [(key, BODY) for key in KEYS]))
    await theirs.insert_many([{"_id": key, **BODY} for key in KEYS])
    turn = count()

    async def get() -> None:
        assert await store.get(THINGS, KEYS[next(turn) * 7 % len(KEYS)])

    async def find() -> None:
        assert await motor.find_one({"_id": KEYS[next(turn) * 7 % len(KEYS)]})

    for _ in range(ROUNDS):
        pair = [await timed(lambda call=call: _at_once(call, WAITERS, INSERTS)) for call in (ours, one_by_one)]  # type: ignore[misc]
        written.append((pair[0], pair[1]))
        pair = [await timed(lambda call=call: _at_once(call, READERS, READS)) for call in (get, find)]  # type: ignore[misc]
        read.append((pair[0], pair[1]))
    await store.close()
    await plain.close()
    return [
        at_least("mongo-coalesced", "coalesced writes/s at 256 waiters / insert_one at 256", written, 8),
        at_least("mongo-read", "reads/s at concurrency 16 / Motor's find_one", read, 1.3),
    ]


async def _at_once(call: Callable[[], Awaitable[None]], waiters: int, times: int) -> int:
    async def waiter() -> None:
        for _ in range(times // waiters):
            await call()

    await asyncio.gather(*(waiter() for _ in range(waiters)))
    return times // waiters * waiters

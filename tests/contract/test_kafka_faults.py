"""Brokers that are not there, die, hang or refuse: nothing acknowledged is lost, each is a sentence, and all heals."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from shared.bus.kafka import connection as kafka_connection
from shared.bus.kafka import producer as kafka_producer
from shared.bus.kafka.bus import KafkaBus, open_kafka
from shared.bus.kafka.url import KafkaUrl
from shared.bus.port import BusUnavailable, Consumer, Record
from tests import engines
from tests.scenes.kafka import append, message, read, reader, values

USERS = {"alice": "al:ice/s secret", "mirror": "word"}
EAGER: dict[str, Any] = {"auto.create.topics.enable": "true"}


@pytest.fixture(scope="module")
def broker() -> Iterator[engines.Kafka]:
    """A broker that may be harmed, and runs again at the end of each test."""
    with engines.own_kafka(users=USERS, **EAGER) as kafka:
        yield kafka


@pytest.fixture
async def bus(broker: engines.Kafka) -> AsyncIterator[KafkaBus]:
    opened = await open_kafka(broker.url)
    yield opened
    await opened.close()


@pytest.fixture
def admin(broker: engines.Kafka) -> AdminClient:
    return AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})


async def test_without_a_broker_every_call_says_so_and_all_works_once_it_runs(
    caplog: pytest.LogCaptureFixture, t: str
) -> None:
    with engines.own_kafka(start=False) as broker, caplog.at_level(logging.WARNING):
        bus = await open_kafka(broker.url)
        consumer = reader(bus, t)
        for call in (lambda: bus.append(t, [message("a")]), lambda: consumer.poll(1, 5), consumer.lag, lambda: bus.end(t)):
            with pytest.raises(BusUnavailable) as caught:
                await call()
            assert broker.bootstrap in caught.value.detail
            assert "Start it" in caught.value.detail
        assert not caplog.records, "the library says nothing of its own"
        await asyncio.to_thread(broker.start)
        assert await bus.append(t, [message("a")]) == 1
        assert values(await read(consumer, 1)) == ["a"]
        await consumer.commit({t: 1})
        assert await consumer.lag() == {t: 0}
        await bus.close()


async def test_a_broker_killed_amid_appends_loses_nothing_acknowledged_and_no_order(
    broker: engines.Kafka, bus: KafkaBus, t: str, caplog: pytest.LogCaptureFixture
) -> None:
    consumer, seen, offsets = reader(bus, t), list[Record](), list[int]()

    async def listen() -> None:
        while not seen or seen[-1].value != b"299":
            seen.extend(await read(consumer, 1))
            await commit(consumer, {t: seen[-1].offset})

    listening = asyncio.create_task(listen())
    for n in range(300):
        if n == 100:
            killing = asyncio.create_task(asyncio.to_thread(_kill_and_start, broker))
        offsets.append(await append(bus, t, str(n)))
    await killing
    async with asyncio.timeout(60):
        await listening
    assert offsets == sorted(set(offsets))
    kept = {record.offset: record.value.decode() for record in await read(reader(bus, t, name="after"), offsets[-1])}
    assert [kept[offset] for offset in offsets] == [str(n) for n in range(300)]
    heard = dict.fromkeys(values(seen))
    assert list(heard) == [str(n) for n in range(300)], "in order, however often"
    assert not [record for record in caplog.records if record.exc_info]


def _kill_and_start(broker: engines.Kafka) -> None:
    broker.kill()
    broker.start()


async def commit(consumer: Consumer, places: dict[str, int]) -> None:
    while True:
        try:
            await consumer.commit(places)
        except BusUnavailable:
            await asyncio.sleep(0.1)
        else:
            return


async def test_a_broker_that_hangs_holds_up_no_call_for_ever(
    broker: engines.Kafka, bus: KafkaBus, t: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_connection, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(kafka_connection, "GOODBYE_SECONDS", 0.2)
    monkeypatch.setattr(kafka_producer, "ANSWER_SECONDS", 0.5)
    await append(bus, t, "before")
    consumer = reader(bus, t)
    await read(consumer, 1)
    await asyncio.to_thread(broker.pause)
    try:
        for call in (lambda: bus.append(t, [message("a")]), consumer.lag, lambda: consumer.commit({t: 1})):
            with pytest.raises(BusUnavailable, match="in time"):
                await call()
        with pytest.raises(BusUnavailable):
            await consumer.poll(1, 30)
    finally:
        await asyncio.to_thread(broker.resume)
    last = await append(bus, t, "after")
    assert (await read(consumer, last - 1))[-1].value == b"after"


async def test_asking_for_a_topic_never_makes_it(bus: KafkaBus, admin: AdminClient, t: str) -> None:
    consumer = reader(bus, t)
    assert await consumer.poll(1, 1.2) == []
    assert await consumer.lag() == {t: 0}
    assert await bus.end(t) == 0
    assert t not in (await asyncio.to_thread(admin.list_topics)).topics


async def test_a_compacted_topic_is_read_over_its_gaps(bus: KafkaBus, admin: AdminClient, t: str) -> None:
    eager = {"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01"}
    await asyncio.to_thread(admin.create_topics([NewTopic(t, 1, 1, config=eager)])[t].result)
    consumer, found = reader(bus, t), list[Record]()
    async with asyncio.timeout(60):
        while not found or found[-1].offset == len(found):
            await append(bus, t, "of one key")
            await consumer.seek(t, 0)
            found = await read(consumer, 1)
    last = await append(bus, t, "last")
    while found[-1].offset < last:
        found += await read(consumer, 1)
    assert found[-1] == Record(t, last, *message("last"))
    offsets = [record.offset for record in found]
    assert offsets == sorted(set(offsets))
    assert len(offsets) < last, "what was compacted is missing"
    await consumer.commit({t: last})
    assert await consumer.lag() == {t: 0}


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_a_wrong_password_is_one_sentence_without_the_password(
    broker: engines.Kafka, t: str, mechanism: str, caplog: pytest.LogCaptureFixture
) -> None:
    bus = await open_kafka(broker.url_as("alice", "wrong s3cret", mechanism))
    consumer = reader(bus, t)
    for call in (lambda: bus.append(t, [message("a")]), lambda: consumer.poll(1, 5), lambda: bus.end(t)):
        with pytest.raises(BusUnavailable, match="does not accept this user and password") as caught:
            await call()
        assert "TESTAMUR_BUS" in caught.value.detail
        assert "s3cret" not in caught.value.detail
    assert not [record for record in caplog.records if record.exc_info or "s3cret" in record.getMessage()]
    await bus.close()


async def test_a_listener_of_another_kind_is_a_sentence_that_names_the_setting(broker: engines.Kafka, t: str) -> None:
    address = KafkaUrl.parse(broker.url_as("alice")).bootstrap
    for url in (f"kafka://{address}", f"kafka://{address}?security=ssl", f"kafka://{broker.bootstrap}?security=ssl"):
        bus = await open_kafka(url)
        with pytest.raises(BusUnavailable, match="security="):
            await bus.end(t)
        await bus.close()


async def test_a_name_that_leads_nowhere_is_a_sentence(t: str) -> None:
    bus = await open_kafka("kafka://nowhere.invalid:9092")
    with pytest.raises(BusUnavailable, match=r"No broker answers at nowhere\.invalid:9092"):
        await bus.append(t, [message("a")])
    await bus.close()


def allow(admin: AdminClient, user: str, kind: ResourceType, name: str, operation: AclOperation) -> None:
    given = AclBinding(kind, name, ResourcePatternType.LITERAL, f"User:{user}", "*", operation, AclPermissionType.ALLOW)
    for future in admin.create_acls([given]).values():
        future.result()


async def test_a_user_without_rights_is_told_so_and_a_forbidden_topic_hides_no_other(
    broker: engines.Kafka, bus: KafkaBus, admin: AdminClient, t: str, u: str, caplog: pytest.LogCaptureFixture
) -> None:
    alice = await open_kafka(broker.url_as("alice"))
    with pytest.raises(BusUnavailable, match="`testamur topics apply`"):
        await alice.append(t, [message("a")])
    consumer = reader(alice, t, u, f"{t}-unseen", name=f"g-{t}")
    with pytest.raises(BusUnavailable, match="`testamur topics apply`"):
        await consumer.poll(1, 1)
    await bus.append(t, [message("forbidden")])
    await bus.append(u, [message("allowed")])
    allow(admin, "alice", ResourceType.GROUP, f"g-{t}", AclOperation.READ)
    allow(admin, "alice", ResourceType.TOPIC, u, AclOperation.READ)
    allow(admin, "alice", ResourceType.TOPIC, t, AclOperation.DESCRIBE)
    assert values(await read(consumer, 1)) == ["allowed"]
    await consumer.commit({u: 1})
    assert (await consumer.lag())[u] == 0
    with pytest.raises(BusUnavailable, match="let this user use a topic"):
        await alice.append(u, [message("a")])
    allow(admin, "alice", ResourceType.TOPIC, u, AclOperation.WRITE)
    assert await append(alice, u, "granted") == 2
    await alice.close()

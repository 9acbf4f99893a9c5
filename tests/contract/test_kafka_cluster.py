"""Three brokers: any one of them may be killed and the bus goes on; with two gone it says so, and heals by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from shared.bus.kafka import connection as kafka_connection
from shared.bus.kafka import producer as kafka_producer
from shared.bus.kafka.admin import KafkaAdmin
from shared.bus.kafka.bus import KafkaBus, open_kafka
from shared.bus.port import BusUnavailable, Record
from shared.bus.topics import settings_of
from tests import engines
from tests.engines.brokers import OFFSETS
from tests.scenes.kafka import append, message, read, reader, values


@pytest.fixture(scope="module")
def kafka() -> Iterator[engines.KafkaCluster]:
    with engines.own_kafka_cluster() as cluster:
        yield cluster


@pytest.fixture
async def bus(kafka: engines.KafkaCluster, caplog: pytest.LogCaptureFixture) -> AsyncIterator[KafkaBus]:
    """A bus that is never opened again and writes no traceback into a log; all brokers run at the beginning of each test."""
    await asyncio.to_thread(kafka.start)
    opened = await open_kafka(kafka.url)
    yield opened
    await opened.close()
    assert not [record for record in caplog.get_records("call") if record.exc_info]


async def test_a_topic_gets_as_many_copies_as_the_cluster_can_give_a_broker_counted_that_is_away(
    kafka: engines.KafkaCluster, bus: KafkaBus, t: str, u: str
) -> None:
    await bus.append(t, [message("a")])
    fewer = await open_kafka(f"{kafka.url}?replication=2")
    await fewer.append(u, [message("a")])
    await fewer.close()
    admin = KafkaAdmin(kafka.url)
    for topic, copies in ((t, 3), (u, 2)):
        state = admin.look([topic]).there[topic]
        assert state.replication == copies
        assert settings_of(topic, copies).items() <= state.settings.items()
    await asyncio.to_thread(kafka.leader_of(u).kill)
    admin = KafkaAdmin(kafka.url)
    assert admin.look([f"{t}-missing"]).copies == admin.look([t]).copies == 3
    assert KafkaAdmin(f"{kafka.url}?replication=1").look([t]).copies == 1
    await append(bus, f"{t}-later", "a")
    assert len(kafka.described(f"{t}-later").replicas) == 3
    assert await bus.append(u, [message("b")]) == 2, "of two copies one is enough to go on"


async def test_the_leader_killed_amid_appends_another_leads_and_all_is_there_in_order_and_once(
    kafka: engines.KafkaCluster, bus: KafkaBus, t: str
) -> None:
    consumer, seen = reader(bus, t), list[Record]()
    await bus.append(t, [message("first")])
    leader = kafka.leader_of(t)

    async def listen() -> None:
        while not seen or seen[-1].value != b"299":
            seen.extend(await read(consumer, 1))
            await consumer.commit({t: seen[-1].offset})

    listening = asyncio.create_task(listen())
    for n in range(300):
        if n == 100:
            killing = asyncio.create_task(asyncio.to_thread(leader.kill))
        assert await bus.append(t, [message(str(n))]) == n + 2
    await killing
    async with asyncio.timeout(60):
        await listening
    assert values(seen) == ["first", *map(str, range(300))]
    assert kafka.leader_of(t) is not leader
    assert await consumer.lag() == {t: 0}


async def test_a_committed_place_outlives_its_broker_and_a_reader_reads_again_rather_than_less(
    kafka: engines.KafkaCluster, bus: KafkaBus, t: str
) -> None:
    await bus.append(t, [message(str(n)) for n in range(6)])
    consumer = reader(bus, t, name=f"g-{t}")
    await read(consumer, 3, limit=3)
    await consumer.commit({t: 3})
    coordinator = kafka.leader_of(OFFSETS)
    await asyncio.to_thread(coordinator.kill)
    assert await consumer.lag() == {t: 3}
    async with asyncio.timeout(60):  # a coordinator that is new knows of no place for a moment: then all is heard again
        while (first := await begins(bus, t)) == "0":
            await asyncio.sleep(0.1)
    assert first == "3"
    await consumer.commit({t: 6})
    assert await consumer.lag() == {t: 0}
    assert kafka.leader_of(OFFSETS) is not coordinator


async def begins(bus: KafkaBus, topic: str) -> str:
    """What a reader hears first who takes the place of the one before."""
    successor = reader(bus, topic, name=f"g-{topic}")
    first, *_ = values(await read(successor, 1))
    await successor.close()
    return first


async def test_with_too_few_in_step_a_write_is_refused_in_words_and_goes_on_when_they_are_back(
    kafka: engines.KafkaCluster, bus: KafkaBus, t: str, u: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_connection, "GOODBYE_SECONDS", 0.2)
    for n in range(50):
        assert await bus.append(t, [message(str(n))]) == n + 1
    second, first = kafka.leader_of(t), kafka.follower_of(t)
    await asyncio.to_thread(make_strict, kafka, u, [second, first])
    assert await append(bus, u, "both") == 1

    await asyncio.to_thread(first.kill)
    await in_step(kafka, t, 2)
    await refused_in_words(bus, u)
    assert await bus.append(t, [message("50")]) == 51, "two of three are enough"
    await asyncio.to_thread(second.kill)
    await refused_in_words(bus, t)

    await asyncio.to_thread(first.start)
    found = values(await read(reader(bus, t), await append(bus, t, "51")))
    # what was refused may be there, since nobody was told that it is not
    assert list(dict.fromkeys(value for value in found if value != "refused")) == [str(n) for n in range(52)]


def make_strict(kafka: engines.KafkaCluster, topic: str, on: list[engines.Kafka]) -> None:
    """A topic with a copy on each of these brokers, which wants a write on all."""
    assigned, settings = [[kafka.members.index(one) + 1 for one in on]], {"min.insync.replicas": str(len(on))}
    new = NewTopic(topic, num_partitions=1, replica_assignment=assigned, config=settings)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    admin.create_topics([new])[topic].result()


async def refused_in_words(bus: KafkaBus, topic: str) -> None:
    """As long as it is tried to append; in the end it is said what was lacking."""
    with pytest.MonkeyPatch.context() as hasty, pytest.raises(BusUnavailable, match="too few copies of a topic in step"):
        hasty.setattr(kafka_producer, "ANSWER_SECONDS", 1.0)
        await bus.append(topic, [message("refused")])


async def in_step(kafka: engines.KafkaCluster, topic: str, copies: int) -> None:
    """Wait until so many copies of a topic are in step."""
    async with asyncio.timeout(60):
        while len((await asyncio.to_thread(kafka.described, topic)).isrs) != copies:
            await asyncio.sleep(0.05)

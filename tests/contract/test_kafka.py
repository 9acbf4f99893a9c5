"""What Kafka and its library may do, and the adapter takes in its stride."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.util import calc_crc32c
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, Producer
from confluent_kafka import KafkaError as KafkaFault
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]

from shared.bus.kafka import consumer as kafka_consumer
from shared.bus.kafka.bus import KafkaBus, open_kafka
from shared.bus.kafka.errors import RecordTooLarge
from shared.bus.kafka.url import KafkaUrl
from shared.bus.port import BusUnavailable, Message, Record
from shared.bus.topics import settings_of
from tests import engines
from tests.contract.conftest import drop_topics
from tests.scenes.kafka import PATIENCE, message, read, reader, values


@pytest.fixture
def url() -> str:
    return engines.kafka().url


@pytest.fixture
async def bus(url: str, t: str, u: str) -> AsyncIterator[KafkaBus]:
    opened = await open_kafka(url)
    yield opened
    await opened.close()
    drop_topics(url, [t, u])


@pytest.fixture
def admin(url: str) -> AdminClient:
    return AdminClient({**KafkaUrl.parse(url).librdkafka(), "log_level": 0})


async def test_a_cancelled_append_lands_once_or_not_at_all_and_never_behind_the_next(bus: KafkaBus, t: str) -> None:
    for n in range(40):
        task = asyncio.create_task(bus.append(t, [message(f"cancelled {n}")]))
        for _ in range(n % 10):
            await asyncio.sleep(0)
        task.cancel()
        await bus.append(t, [message(f"next {n}")])
    end = await bus.end(t)
    found = values(await read(reader(bus, t), end))
    assert [value for value in found if value.startswith("next")] == [f"next {n}" for n in range(40)]
    for value in set(found):
        if value.startswith("cancelled"):
            assert found.count(value) == 1
            assert found[found.index(value) + 1] == value.replace("cancelled", "next")


async def test_what_came_compressed_is_read_whatever_codecs_are_installed_here(url: str, bus: KafkaBus, t: str) -> None:
    await bus.append(t, [message("0")])
    for codec in ("gzip", "snappy", "lz4", "zstd"):
        await asyncio.to_thread(produce_compressed, url, t, codec, codec.encode() * 100)
    found = await read(reader(bus, t), 5)
    assert [record.value[:4] for record in found] == [b"0", b"gzip", b"snap", b"lz4l", b"zstd"]


async def test_what_unpacks_to_more_than_a_topic_takes_is_refused_though_it_came_small(
    url: str, bus: KafkaBus, t: str
) -> None:
    await bus.append(t, [message("0")])
    with pytest.raises(KafkaException) as caught:
        await asyncio.to_thread(produce_compressed, url, t, "gzip", bytes(20_000_000))
    assert caught.value.args[0].code() == KafkaFault.MSG_SIZE_TOO_LARGE
    assert await bus.end(t) == 1


def produce_compressed(url: str, topic: str, codec: str, value: bytes) -> None:
    """What a mirror does whose operator chose a codec."""
    eager = {"compression.type": codec, "message.max.bytes": 30_000_000, "log_level": 0}
    producer = Producer({**KafkaUrl.parse(url).librdkafka(), **eager})
    faults: list[KafkaFault] = []
    producer.produce(topic, value, on_delivery=lambda fault, _: faults.append(fault) if fault else None)
    assert producer.flush(PATIENCE) == 0
    if faults:
        raise KafkaException(faults[0])


def batches(name: str) -> list[Message]:
    """More than goes into one batch of Kafka's."""
    return [message(f"{name} {n} {'x' * 400_000}") for n in range(8)]


def names(records: Sequence[Record]) -> list[str]:
    return [record.value[:10].decode().partition(" x")[0] for record in records]


async def test_a_cancelled_append_of_many_batches_lands_whole(bus: KafkaBus, t: str) -> None:
    await bus.append(t, [message("0")])
    task = asyncio.create_task(bus.append(t, batches("a")))
    async with asyncio.timeout(PATIENCE):
        while await bus.end(t) == 1:
            await asyncio.sleep(0)
    task.cancel()
    await bus.append(t, [message("z")])
    found = names(await read(reader(bus, t), 10))
    assert found == ["0", *(f"a {n}" for n in range(8)), "z"]


async def test_appends_of_many_batches_at_once_each_stay_together(bus: KafkaBus, t: str) -> None:
    await asyncio.gather(*[bus.append(t, batches(name)) for name in "abc"])
    found = names(await read(reader(bus, t), 24))
    assert sorted(found[at] for at in (0, 8, 16)) == ["a 0", "b 0", "c 0"]
    assert found == [f"{found[at - at % 8][0]} {at % 8}" for at in range(24)]


async def test_closing_waits_for_an_append_whose_caller_is_gone(bus: KafkaBus, url: str, t: str) -> None:
    await bus.append(t, [message("first")])
    task = asyncio.create_task(bus.append(t, [message("left alone")]))
    await asyncio.sleep(0)
    task.cancel()
    await bus.close()
    again = await open_kafka(url)
    assert values(await read(reader(again, t), 2)) == ["first", "left alone"]
    await again.close()


async def test_a_producer_whose_numbering_is_broken_is_replaced(bus: KafkaBus, t: str) -> None:
    await bus.append(t, [message("before")])
    broken: Any = bus._producer._producer
    broken._txn_manager.increment_sequence_number(TopicPartition(t, 0), 7)
    with pytest.raises(BusUnavailable):
        await bus.append(t, [message("refused")])
    assert await bus.append(t, [message("after")]) == 2
    assert bus._producer._producer is not broken


async def test_a_producer_whose_sender_died_is_replaced(bus: KafkaBus, t: str) -> None:
    await bus.append(t, [message("before")])
    producer: Any = bus._producer._producer
    producer._sender.sender_task.cancel()
    producer._message_accumulator.fail_all(KafkaError("Unexpected error during batch delivery"))
    with pytest.raises(BusUnavailable):
        await bus.append(t, [message("refused")])
    assert await bus.append(t, [message("after")]) == 2


async def test_a_record_larger_than_the_topic_takes_is_said_to_be_and_stops_no_other(bus: KafkaBus, t: str) -> None:
    await bus.append(t, [message("before")])
    with pytest.raises(RecordTooLarge, match="size"):
        await bus.append(t, [message("x" * 3_000_000)])
    assert await bus.append(t, [message("after")]) == 2


async def test_a_topic_that_an_append_makes_has_our_settings(bus: KafkaBus, admin: AdminClient, t: str) -> None:
    await bus.append(t, [message("a")])
    [described] = admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, t)]).values()
    found = {name: entry.value for name, entry in (await asyncio.to_thread(described.result)).items()}
    assert settings_of(t).items() <= found.items()


def produce(url: str, topic: str, **record: Any) -> None:
    producer = Producer(KafkaUrl.parse(url).librdkafka())
    producer.produce(topic, **record)
    assert producer.flush(PATIENCE) == 0


async def test_missing_keys_values_and_header_values_read_as_empty(bus: KafkaBus, url: str, t: str) -> None:
    await bus.append(t, [message("before")])
    await asyncio.to_thread(produce, url, t, key=b"tombstone", value=None)
    await asyncio.to_thread(produce, url, t, key=None, value=b"\xff", headers=[("none", None), ("some", b"s")])
    await asyncio.to_thread(produce, url, t, key=b"\xff", value=b"key is no text")
    found = await read(reader(bus, t), 4)
    assert found[1] == Record(t, 2, "tombstone", b"", ())
    assert found[2] == Record(t, 3, "", b"\xff", (("none", b""), ("some", b"s")))
    assert (found[3].key, found[3].value) == ("\ufffd", b"key is no text")


def with_a_name_that_is_no_text(batch: BatchBuilder) -> BatchBuilder:
    """Break the header name `AAAA` of a batch, with a checksum that holds; a broker takes such a batch."""
    built = batch._build()
    at = built.index(b"AAAA")
    built[at : at + 4] = b"\xff\xfe\xfd\xfc"
    built[17:21] = struct.pack(">I", calc_crc32c(bytes(built[21:])))
    return batch


async def poison(url: str, topic: str, *values: str) -> None:
    producer = AIOKafkaProducer(**KafkaUrl.parse(url).aiokafka(), enable_idempotence=False)
    await producer.start()
    batch = producer.create_batch()
    for value in values:
        name = "AAAA" if value == "poison" else "good"
        batch.append(timestamp=None, key=b"k", value=value.encode(), headers=[(name, b"")])
    await (await producer.send_batch(with_a_name_that_is_no_text(batch), topic, partition=0))
    await producer.stop()


@pytest.mark.parametrize("limit", [1, 1000])
@pytest.mark.parametrize("batch", [("poison",), ("poison", "b"), ("a", "poison"), ("a", "b", "poison", "poison", "c")])
async def test_a_record_that_cannot_be_decoded_spoils_at_most_the_rest_of_its_batch(
    bus: KafkaBus, url: str, t: str, u: str, batch: tuple[str, ...], limit: int
) -> None:
    await bus.append(t, [message("first")])
    await bus.append(u, [message("elsewhere")])
    consumer = reader(bus, u, t)
    assert sorted(values(await read(consumer, 2, limit))) == ["elsewhere", "first"]
    await poison(url, t, *batch)
    await bus.append(t, [message("last")])
    found = await read(consumer, len(batch) + 1, limit)
    whole = batch[: batch.index("poison")]
    assert values(found) == [*whole, *[""] * (len(batch) - len(whole)), "last"]
    assert [record.offset for record in found] == list(range(2, len(batch) + 3))


async def test_where_retention_cut_a_place_away_reading_goes_on_at_what_is_there(
    bus: KafkaBus, admin: AdminClient, t: str
) -> None:
    await bus.append(t, [message(str(n)) for n in range(1, 11)])
    await reader(bus, t).commit({t: 2})
    await asyncio.to_thread(admin.delete_records([Place(t, 0, 7)])[Place(t, 0)].result)
    consumer = reader(bus, t)
    assert await consumer.lag() == {t: 3}
    assert [record.offset for record in await read(consumer, 3)] == [8, 9, 10]
    await consumer.commit({t: 9})
    await asyncio.to_thread(admin.delete_records([Place(t, 0, 10)])[Place(t, 0)].result)
    assert await consumer.lag() == {t: 0}
    assert await bus.end(t) == 10
    assert await bus.append(t, [message("11")]) == 11
    assert values(await read(consumer, 1)) == ["11"]


async def test_a_topic_that_was_removed_and_made_anew_is_read_from_its_start(bus: KafkaBus, url: str, t: str) -> None:
    await bus.append(t, [message(str(n)) for n in range(5)])
    consumer = reader(bus, t)
    await read(consumer, 5)
    await consumer.commit({t: 5})
    await asyncio.to_thread(drop_topics, url, [t])
    async with asyncio.timeout(PATIENCE):
        while await bus.end(t):
            await asyncio.sleep(0.05)
    other = await open_kafka(url)
    await other.append(t, [message("anew")])
    await other.close()
    assert values(await read(consumer, 1)) == ["anew"]
    assert await bus.append(t, [message("and on")]) == 2


async def test_the_place_in_a_quiet_topic_is_kept_as_long_as_another_is_read(
    bus: KafkaBus, admin: AdminClient, t: str, u: str
) -> None:
    group = f"g-{t}"
    await bus.append(t, [message("quiet")])
    consumer = reader(bus, t, u, name=group)
    await consumer.commit({t: 1})
    forgotten = ConsumerGroupTopicPartitions(group, [Place(t, 0)])
    await asyncio.to_thread(admin.delete_consumer_groups([group])[group].result)
    assert await consumer.lag() == {t: 0, u: 0}, "the broker forgot, the consumer did not"
    await bus.append(u, [message("busy")])
    await consumer.commit({u: 1})
    [listed] = admin.list_consumer_group_offsets([forgotten]).values()
    assert [place.offset for place in (await asyncio.to_thread(listed.result)).topic_partitions] == [1]


async def test_a_reader_that_stopped_asking_is_made_anew(bus: KafkaBus, t: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_consumer, "LOOK_SECONDS", 0.05)
    await bus.append(t, [message("before")])
    consumer: Any = reader(bus, t)
    assert values(await read(consumer, 1)) == ["before"]
    consumer._reader._client._fetcher._fetch_task.cancel()
    await bus.append(t, [message("after")])
    assert values(await read(consumer, 1)) == ["after"]


async def test_two_buses_append_to_one_topic_each_in_its_order(bus: KafkaBus, url: str, t: str) -> None:
    other = await open_kafka(url)

    async def append(through: KafkaBus, name: str) -> None:
        for n in range(50):
            await through.append(t, [message(f"{name} {n}")])

    await asyncio.gather(append(bus, "one"), append(other, "two"))
    await other.close()
    found = values(await read(reader(bus, t), 100))
    for name in ("one", "two"):
        assert [value for value in found if value.startswith(name)] == [f"{name} {n}" for n in range(50)]

"""Every sentence of the bus's port, over every adapter."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.bus.open import open_bus
from shared.bus.port import Bus, BusUnavailable, Consumer, Message, Record

ROOT = Path(__file__).resolve().parents[2]

PATIENCE = 30.0
"""Seconds that a poll may wait for what certainly comes."""


def messages(*values: str) -> list[Message]:
    return [Message(f"key-{value}", value.encode(), (("n", value.encode()),)) for value in values]


def numbers(first: int, last: int) -> list[Message]:
    return messages(*[str(n) for n in range(first, last + 1)])


def reader(bus: Bus, *topics: str, name: str = "reader") -> Consumer:
    consumer = bus.consumer(name)
    consumer.follow(topics)
    return consumer


async def read(consumer: Consumer, count: int, limit: int = 1000) -> list[Record]:
    """The next `count` records, when exactly as many are there."""
    found: list[Record] = []
    while len(found) < count and (records := await consumer.poll(limit, PATIENCE)):
        assert len(records) <= limit
        found += records
    assert len(found) == count
    assert await consumer.poll(limit, 0) == []
    return found


def values(records: list[Record]) -> list[str]:
    return [record.value.decode() for record in records]


async def test_offsets_rise_by_one_from_one_on_each_topic(bus: Bus, t: str, u: str) -> None:
    assert await bus.append(t, messages("a")) == 1
    assert await bus.append(t, messages("b", "c")) == 3
    assert await bus.append(u, messages("d")) == 1
    assert [record.offset for record in await read(reader(bus, t), 3)] == [1, 2, 3]
    assert await bus.end(t) == 3
    assert await bus.end(u) == 1
    assert await bus.end(f"{t}-nothing") == 0


async def test_appending_nothing_changes_nothing(bus: Bus, t: str) -> None:
    assert await bus.append(t, []) == 0
    await bus.append(t, messages("a"))
    assert await bus.append(t, []) == 1


HOSTILE = [
    Message("k", b"v", (("a", b"1"), ("b", b"2"))),
    Message("", b"", ()),
    Message("kéy", bytes(range(256)), (("n\0ame", b"\0"), ("same", b"1"), ("same", b"2"), ("", b""))),
    Message("k\0k", b"value", (("a", b""), ("b", b"\xff\xfe"))),
    Message("k", b"v", (("b", b"1"), ("a", b"2"))),
]


async def test_records_come_back_byte_for_byte(bus: Bus, t: str) -> None:
    await bus.append(t, HOSTILE)
    expected = [Record(t, offset, *message) for offset, message in enumerate(HOSTILE, 1)]
    assert await read(reader(bus, t), len(HOSTILE)) == expected


async def test_long_and_uneven_batches_come_back_in_order_at_any_limit(bus: Bus, t: str) -> None:
    sizes = [1, 100, 101, 3, 207]
    sent = 0
    for size in sizes:
        assert await bus.append(t, numbers(sent + 1, sent + size)) == sent + size
        sent += size
    for limit in (1000, 250, 64, 7):
        records = await read(reader(bus, t, name=f"at-{limit}"), sent, limit)
        assert values(records) == [str(n) for n in range(1, sent + 1)]
        assert [record.offset for record in records] == list(range(1, sent + 1))


async def test_a_megabyte_in_one_record_is_carried(bus: Bus, t: str) -> None:
    large = Message("k", b"x" * 1_000_000, ())
    await bus.append(t, [large, large, large])
    assert [len(record.value) for record in await read(reader(bus, t), 3, 1)] == [1_000_000] * 3


async def test_concurrent_appends_each_stay_together(bus: Bus, t: str) -> None:
    await asyncio.gather(*[bus.append(t, messages(*[f"{n}.{m}" for m in range(5)])) for n in range(40)])
    found = values(await read(reader(bus, t), 200))
    for at in range(0, 200, 5):
        batch = found[at].split(".")[0]
        assert found[at : at + 5] == [f"{batch}.{m}" for m in range(5)]


async def test_what_was_not_committed_is_delivered_again_in_the_same_order(bus: Bus, t: str) -> None:
    await bus.append(t, numbers(1, 10))
    first = reader(bus, t)
    assert values(await first.poll(6, PATIENCE)) == ["1", "2", "3", "4", "5", "6"]
    await first.commit({t: 4})
    await first.close()
    assert values(await read(reader(bus, t), 6)) == ["5", "6", "7", "8", "9", "10"]


async def test_positions_and_records_outlive_the_process_that_wrote_them(bus: Bus, bus_url: str, t: str) -> None:
    await bus.append(t, numbers(1, 3))
    await reader(bus, t).commit({t: 2})
    await bus.close()
    again = await open_bus(bus_url)
    assert values(await read(reader(again, t), 1)) == ["3"]
    assert await again.append(t, messages("4")) == 4
    await again.close()


async def test_two_consumers_do_not_touch_each_other(bus: Bus, t: str) -> None:
    await bus.append(t, numbers(1, 3))
    one, two = reader(bus, t, name="one"), reader(bus, t, name="two")
    await read(one, 3)
    await one.commit({t: 3})
    assert await one.lag() == {t: 0}
    assert await two.lag() == {t: 3}
    assert values(await read(two, 3)) == ["1", "2", "3"]


async def test_topics_named_earlier_are_drained_first(bus: Bus, t: str, u: str) -> None:
    await bus.append(u, numbers(1, 4))
    await bus.append(t, numbers(11, 14))
    consumer = reader(bus, t, u)
    assert values(await consumer.poll(5, PATIENCE)) == ["11", "12", "13", "14", "1"]
    await bus.append(t, messages("15"))
    await consumer.seek(u, 1)  # what an adapter may have read ahead of that topic is read again
    assert values(await read(consumer, 4)) == ["15", "2", "3", "4"]


async def test_a_topic_that_does_not_exist_yet_is_empty_until_it_does(bus: Bus, t: str) -> None:
    consumer = reader(bus, t)
    assert await consumer.poll(10, 0) == []
    assert await consumer.lag() == {t: 0}
    await bus.append(t, messages("a"))
    assert values(await consumer.poll(10, PATIENCE)) == ["a"]


async def test_following_again_goes_on_where_it_was(bus: Bus, t: str, u: str) -> None:
    await bus.append(t, numbers(1, 3))
    await bus.append(u, messages("u"))
    consumer = reader(bus, t)
    assert len(await consumer.poll(2, PATIENCE)) == 2
    consumer.follow([u, t])
    assert sorted(values(await read(consumer, 2))) == ["3", "u"]
    consumer.follow([u])
    await bus.append(t, messages("unheard"))
    await bus.append(u, messages("heard"))
    assert values(await read(consumer, 1)) == ["heard"]


async def test_a_consumer_that_follows_nothing_hears_nothing(bus: Bus, t: str) -> None:
    await bus.append(t, messages("a"))
    assert await bus.consumer("idle").poll(10, 0.1) == []


@pytest.mark.parametrize(("offset", "expected"), [(0, ["1", "2", "3"]), (2, ["3"]), (3, [])])
async def test_seeking_reads_on_after_that_offset_whatever_was_committed(
    bus: Bus, offset: int, expected: list[str], t: str
) -> None:
    await bus.append(t, numbers(1, 3))
    consumer = reader(bus, t)
    await read(consumer, 3)
    await consumer.commit({t: 2})
    await consumer.seek(t, offset)
    assert values(await read(consumer, len(expected))) == expected


async def test_lag_counts_from_the_committed_position(bus: Bus, t: str, u: str) -> None:
    await bus.append(t, numbers(1, 5))
    consumer = reader(bus, t, u)
    await read(consumer, 5)
    assert await consumer.lag() == {t: 5, u: 0}
    await consumer.commit({t: 3})
    assert await consumer.lag() == {t: 2, u: 0}


async def test_a_waiting_poll_returns_when_something_is_appended(bus: Bus, t: str) -> None:
    waiting = asyncio.create_task(reader(bus, t).poll(10, PATIENCE))
    await asyncio.sleep(0)
    await bus.append(t, messages("a"))
    assert values(await waiting) == ["a"]


async def test_a_poll_that_waits_in_vain_returns_empty(bus: Bus, t: str) -> None:
    assert await reader(bus, t).poll(10, 0.01) == []


async def test_closing_a_consumer_ends_its_waiting_poll(bus: Bus, t: str) -> None:
    consumer = reader(bus, t)
    waiting = asyncio.create_task(consumer.poll(10, PATIENCE))
    await asyncio.sleep(0)
    await consumer.close()
    assert await waiting == []


async def test_another_bus_on_the_same_url_sees_what_this_one_appends(bus: Bus, bus_url: str, t: str) -> None:
    other = await open_bus(bus_url)
    waiting = asyncio.create_task(reader(other, t).poll(10, PATIENCE))
    await asyncio.sleep(0)
    await bus.append(t, messages("a"))
    assert values(await waiting) == ["a"]
    await other.close()
    assert await bus.append(t, messages("b")) == 2


_APPEND = """
import asyncio, sys
from shared.bus.open import open_bus
from shared.bus.port import Message

async def main():
    bus = await open_bus(sys.argv[1])
    for n in range(3):
        await bus.append(sys.argv[2], [Message("k", b"far %d" % n, ())])
    await bus.close()

asyncio.run(main())
"""


async def test_what_another_process_appends_is_seen_and_offsets_go_on(bus: Bus, bus_url: str, t: str) -> None:
    await bus.append(t, messages("near"))
    consumer = reader(bus, t)
    await read(consumer, 1)
    child = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", _APPEND, bus_url, t],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    assert child.returncode == 0
    found: list[Record] = []
    while len(found) < 3:
        found += await consumer.poll(10, PATIENCE)
    assert [(record.offset, record.value) for record in found] == [(2, b"far 0"), (3, b"far 1"), (4, b"far 2")]
    assert await bus.append(t, messages("near again")) == 5


async def test_a_cancelled_poll_skips_nothing(bus: Bus, t: str) -> None:
    await bus.append(t, numbers(1, 2001))
    consumer = reader(bus, t)
    assert values(await consumer.poll(1, PATIENCE)) == ["1"]
    task = asyncio.create_task(consumer.poll(2000, PATIENCE))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert values(await read(consumer, 2000)) == [str(n) for n in range(2, 2002)]


async def test_a_seek_during_a_poll_stands(bus: Bus, t: str, u: str) -> None:
    await bus.append(t, numbers(1, 2001))
    consumer = reader(bus, t)
    assert values(await consumer.poll(1, PATIENCE)) == ["1"]
    task = asyncio.create_task(consumer.poll(2000, PATIENCE))
    await asyncio.sleep(0)
    await consumer.seek(t, 1990)
    await task
    await bus.append(u, messages("another topic"))
    consumer.follow([t, u])
    found = await read(consumer, 12)
    assert values([record for record in found if record.topic == t]) == [str(n) for n in range(1991, 2002)]


async def test_a_closed_bus_does_not_answer(bus: Bus, t: str) -> None:
    consumer = reader(bus, t)
    await bus.close()
    with pytest.raises(BusUnavailable):
        await bus.append(t, messages("a"))
    with pytest.raises(BusUnavailable):
        await consumer.poll(1, 0)

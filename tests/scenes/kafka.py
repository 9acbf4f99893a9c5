"""What the tests of the Kafka adapter have in common: messages, and reading through whatever goes wrong meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from shared.bus.kafka.bus import KafkaBus
from shared.bus.port import BusUnavailable, Consumer, Message, Record

PATIENCE = 30.0
"""Seconds that a poll may wait for what certainly comes."""


def message(value: str) -> Message:
    return Message("k", value.encode(), (("n", value.encode()),))


def values(records: Sequence[Record]) -> list[str]:
    return [record.value.decode() for record in records]


def reader(bus: KafkaBus, *topics: str, name: str = "kafka-reader") -> Consumer:
    consumer = bus.consumer(name)
    consumer.follow(topics)
    return consumer


async def read(consumer: Consumer, count: int, limit: int = 1000) -> list[Record]:
    """The next `count` records at least; a bus that does not answer is asked again."""
    found: list[Record] = []
    async with asyncio.timeout(2 * PATIENCE):
        while len(found) < count:
            try:
                found += await consumer.poll(limit, PATIENCE)
            except BusUnavailable:
                await asyncio.sleep(0.1)
    return found


async def append(bus: KafkaBus, topic: str, value: str) -> int:
    """Its offset, once it is acknowledged; as the relay does, again whenever the bus did not answer."""
    async with asyncio.timeout(2 * PATIENCE):
        while True:
            try:
                return await bus.append(topic, [message(value)])
            except BusUnavailable:
                await asyncio.sleep(0.1)

"""Appending to Kafka: one idempotent producer, whole batches, one append of a topic after the other.

- `acks=all` and idempotence: what was acknowledged is on every copy in step, and a retry inside one append doubles nothing.
- An append goes on when its caller is cancelled: it may land or not, and the next of its topic waits until that is known.
- After any failure the producer is thrown away, for its numbering may have a gap that the broker would never forgive; the
  next append gets a new one. Nobody is told that records are durable unless all of them are; some may be, and come again.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka import errors as kafka
from aiokafka.producer.message_accumulator import BatchBuilder

from shared.bus.kafka.cluster import Cluster
from shared.bus.kafka.connection import ANSWER_SECONDS, let_go
from shared.bus.kafka.errors import FAILURES
from shared.bus.port import Message

BATCH_BYTES = 1_000_000
"""A batch ends before this, below the limit of a broker that was never told another; a single record may be larger."""

REQUEST_BYTES = 2 * 1024 * 1024
"""What our topics take."""

NEVER_BEFORE = -1
"""The broker knows a batch as a repeat, and no longer where it stands."""


class Producer:
    """What appends on behalf of one bus."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._connection = cluster.connection
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._under_way: set[asyncio.Task[int]] = set()

    async def append(self, topic: str, messages: Sequence[Message]) -> int:
        """Append in this order; the last one's offset once all are durable."""
        self._connection.check_open()
        sending = asyncio.create_task(self._append(topic, messages))
        self._under_way.add(sending)
        sending.add_done_callback(self._landed)
        return await asyncio.shield(sending)

    async def close(self) -> None:
        """Finish what is under way, unless it takes too long."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=ANSWER_SECONDS)
        await self._discard(self._producer)

    async def _append(self, topic: str, messages: Sequence[Message]) -> int:
        async with self._turns[topic]:
            await self._cluster.ensure(topic)
            producer = await self._started()
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    last = await _publish(producer, topic, messages)
            except FAILURES as error:
                await self._discard(producer)
                self._cluster.forget(topic)
                if isinstance(error, TimeoutError):  # the library tries on whatever it is told, and does not tell us
                    raise await self._connection.reason(await self._cluster.shortfall(topic) or error) from error
                raise await self._connection.reason(error) from error
            return last if last != NEVER_BEFORE else (await self._cluster.bounds([topic]))[topic][1]

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **self._connection.settings,
                    enable_idempotence=True,
                    acks="all",
                    max_batch_size=BATCH_BYTES,
                    max_request_size=REQUEST_BYTES,
                )
                try:
                    async with asyncio.timeout(ANSWER_SECONDS):
                        await producer.start()
                except FAILURES as error:
                    await let_go(producer.stop(), producer.client)
                    raise await self._connection.reason(error) from error
                producer._message_accumulator._pending_batches = _Pending()  # noqa: SLF001 - see there
                self._producer = producer
            return self._producer

    async def _discard(self, producer: Any) -> None:
        """End a producer; what it still holds would otherwise be retried for ever, and its end would wait for that."""
        if producer is None:
            return
        if producer is self._producer:
            self._producer = None
        _give_up(producer._message_accumulator)  # noqa: SLF001 - the library has no other way to give up
        await let_go(producer.stop(), producer.client)

    def _landed(self, sending: asyncio.Task[int]) -> None:
        self._under_way.discard(sending)
        if not sending.cancelled():
            sending.exception()  # known from here on, also when its caller is gone


def _give_up(accumulator: Any) -> None:
    """Fail all batches, and take note of it where nobody waits: what is never asked for its error writes it into the log."""
    accumulator.fail_all(kafka.ProducerClosed())
    for batch in (*chain.from_iterable(accumulator._batches.values()), *accumulator._pending_batches):  # noqa: SLF001
        for future in (batch.future, batch._drain_waiter):  # noqa: SLF001
            if not future.cancelled():
                future.exception()


class _Pending(set[Any]):
    """The library's set of batches under way. It takes each out once more after one that is being retried was given up,
    and where that raised, its sender died of it with a traceback in the log.
    """

    def remove(self, batch: Any) -> None:
        """Take out a batch that may be gone already."""
        self.discard(batch)


async def _publish(producer: AIOKafkaProducer, topic: str, messages: Sequence[Message]) -> int:
    """Batch after batch, the next one built while the one before is under way and sent when that is acknowledged."""
    last, delivery, count = 0, None, 0
    for batch in _batches(producer, messages):
        if delivery is not None:
            await delivery
        count = batch.record_count()
        delivery = await producer.send_batch(batch, topic, partition=0)
    if delivery is not None:
        base = (await delivery).offset
        last = base + count if base >= 0 else NEVER_BEFORE
    return last


def _batches(producer: AIOKafkaProducer, messages: Sequence[Message]) -> Iterator[BatchBuilder]:
    batch = producer.create_batch()
    for message in messages:
        key, headers = message.key.encode(), list(message.headers)
        if batch.append(timestamp=None, key=key, value=message.value, headers=headers) is None:
            yield batch
            batch = producer.create_batch()
            batch.append(timestamp=None, key=key, value=message.value, headers=headers)
    yield batch

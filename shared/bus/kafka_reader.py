"""What fetches from Kafka: partitions assigned by hand, bytes as they came, nothing parsed.

- Nothing that a record holds stops its topic: a missing key, value or header value reads as empty, and a record whose header
  names are not text as one that holds nothing, which the inbox refuses and remembers. So does the rest of its batch, which
  came from the same hand, since the library decodes a batch from its start.
- A batch whose checksum is wrong is not stepped over: it is fetched again until the broker has it right.
- Where retention has cut a place away, or a topic was made anew, reading goes on at the first record that is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.bus.kafka_connection import PATIENCE, Connection, let_go
from shared.bus.kafka_errors import FAILURES
from shared.bus.port import Record

FETCH_WAIT_MS = 100
"""How long a broker holds a fetch that finds nothing. A record is handed out at once; a seek waits for this."""

PARTITION_BYTES = 4 * 1024 * 1024
"""Bytes of one topic that a fetch brings: a few thousand records, so that asking costs little beside reading."""

FETCH_BYTES = 16 * 1024 * 1024
"""Bytes of all topics that wait here to be polled; one batch may be larger than either, and is handed out all the same."""

AGAIN = 0.02
"""Seconds between looks whether what was thrown away unread has been fetched again."""


class Reader:
    """One client that reads, from `open` to `end`."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._reached: dict[str, int] = {}
        self._one_by_one: set[str] = set()
        self._answered = 0

    @classmethod
    async def open(cls, connection: Connection) -> Reader:
        """Connect, and read nothing yet."""
        reader = cls(
            AIOKafkaConsumer(
                **connection.settings,
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                fetch_max_wait_ms=FETCH_WAIT_MS,
                max_partition_fetch_bytes=PARTITION_BYTES,
                fetch_max_bytes=FETCH_BYTES,
            )
        )
        try:
            async with asyncio.timeout(PATIENCE):
                await reader._client.start()
        except BaseException as error:
            await reader.end()
            if isinstance(error, FAILURES):
                raise await connection.reason(error) from error
            raise
        return reader

    @property
    def topics(self) -> Mapping[str, int]:
        """The topics that are read, each with the offset of the last record that was handed out."""
        return self._reached

    def assign(self, places: Mapping[str, int]) -> None:
        """Read these topics after these offsets, and no others."""
        self._client.assign([TopicPartition(topic, 0) for topic in places])
        self._reached = {}
        self._one_by_one.clear()
        for topic, place in places.items():
            self.move(topic, place)

    def move(self, topic: str, place: int) -> None:
        """Read on after this offset; it is Kafka's own offset of the next record."""
        self._reached[topic] = place
        self._client.seek(TopicPartition(topic, 0), place)

    async def first(self, wait: float) -> list[Record]:
        """Wait for whatever comes first, and take one record of it."""
        if self._one_by_one:
            await asyncio.sleep(min(wait, AGAIN))
            return []
        try:
            fetched = await self._client.getmany(timeout_ms=wait * 1000, max_records=1)
        except UnicodeDecodeError:  # of which topic is not said: each is asked by itself once it was fetched again
            self._one_by_one.update(self._reached)
            return []
        return [self._record(record) for records in fetched.values() for record in records]

    async def next(self, topic: str, limit: int) -> list[Record]:
        """The next records of a topic that were fetched already; never suspends."""
        partition, one_by_one = TopicPartition(topic, 0), topic in self._one_by_one
        try:
            fetched = await self._client.getmany(partition, max_records=1 if one_by_one else limit)
        except UnicodeDecodeError:
            return self._step_over(topic) if one_by_one else self._read_again(topic)
        return [self._record(record) for record in fetched.get(partition, ())]

    def answered(self) -> bool:
        """Whether a fetch was answered since this was last asked."""
        before = self._answered
        self._answered = max(self._client.last_poll_timestamp(TopicPartition(topic, 0)) or 0 for topic in self._reached)
        return self._answered != before

    async def end(self) -> None:
        """Stop reading and disconnect."""
        await let_go(self._client.stop(), self._client._client)  # noqa: SLF001 - stopping may fail before it disconnects

    def _record(self, fetched: Any) -> Record:
        """Made for speed: this is most of what reading costs after the library's own part."""
        headers = fetched.headers
        if [name for name, value in headers if value is None]:
            headers = tuple((name, value or b"") for name, value in headers)
        topic, offset = fetched.topic, fetched.offset + 1
        self._reached[topic] = offset
        key = fetched.key.decode(errors="replace") if fetched.key else ""
        return tuple.__new__(Record, (topic, offset, key, fetched.value or b"", headers))

    def _read_again(self, topic: str) -> list[Record]:
        """What was decoded of this run is lost with the exception: fetch it again, one record at a time."""
        self._one_by_one.add(topic)
        self.move(topic, self._reached[topic])
        return []

    def _step_over(self, topic: str) -> list[Record]:
        self._one_by_one.clear()
        self.move(topic, self._reached[topic] + 1)
        return [Record(topic, self._reached[topic], "", b"", ())]

"""What fetches from Kafka: partitions assigned by hand, bytes as they came, nothing parsed.

- Nothing that a record holds stops its topic: a missing key, value or header value reads as empty, and a record whose header
  names are not text as one that holds nothing, which the inbox refuses and remembers. So does the rest of its batch, which
  came from the same hand, since the library decodes a batch from its start.
- A batch whose checksum is wrong is not stepped over: it is fetched again until the broker has it right.
- Where retention has cut a place away, or a topic was made anew, reading goes on at the first record that is there.
- What was fetched is decoded straight to our records. The library's own records have twice as many members, of which we use
  half, and cost about as much again as decoding. Only a private attribute of its reader says what records are made of, so it
  is set here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.bus.kafka.connection import ANSWER_SECONDS, Connection, let_go
from shared.bus.kafka.errors import FAILURES
from shared.bus.port import Record

FETCH_WAIT_MS = 100
"""How long a broker holds a fetch that finds nothing. A record is handed out at once; a seek waits for this."""

PARTITION_BYTES = 4 * 1024 * 1024
"""Bytes of one topic that a fetch brings: a few thousand records, so that asking costs little beside reading."""

FETCH_BYTES = 16 * 1024 * 1024
"""Bytes of all topics that wait here to be polled; one batch may be larger than either, and is handed out all the same."""

REFETCH_SECONDS = 0.02
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
            async with asyncio.timeout(ANSWER_SECONDS):
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
            await asyncio.sleep(min(wait, REFETCH_SECONDS))
            return []
        try:
            fetched = await self._client.getmany(timeout_ms=wait * 1000, max_records=1)
        except UnicodeDecodeError:  # of which topic is not said: each is asked by itself once it was fetched again
            self._one_by_one.update(self._reached)
            return []
        came = [_record(partition, one) for partition, records in fetched.items() for one in records]
        self._reached.update((record.topic, record.offset) for record in came)
        return came

    async def next(self, topic: str, limit: int) -> list[Record]:
        """The next records of a topic that were fetched already; never suspends."""
        partition, one_by_one = TopicPartition(topic, 0), topic in self._one_by_one
        self._have_made(partition)
        try:
            fetched = await self._client.getmany(partition, max_records=1 if one_by_one else limit)
        except UnicodeDecodeError:
            return self._step_over(topic) if one_by_one else self._read_again(topic)
        records: list[Record] = fetched.get(partition, [])
        self._reached.update((topic, record.offset) for record in records[-1:])
        return records

    def answered(self) -> bool:
        """Whether a fetch was answered since this was last asked."""
        before = self._answered
        self._answered = max(self._client.last_poll_timestamp(TopicPartition(topic, 0)) or 0 for topic in self._reached)
        return self._answered != before

    async def end(self) -> None:
        """Stop reading and disconnect."""
        await let_go(self._client.stop(), self._client._client)  # noqa: SLF001 - stopping may fail before it disconnects

    def _have_made(self, partition: TopicPartition) -> None:
        """Let what was fetched of a topic be decoded to our records."""
        fetched = self._client._fetcher._records.get(partition)  # noqa: SLF001 - see the module's docstring
        if (undecoded := getattr(fetched, "_partition_records", None)) is not None:
            undecoded._consumer_record = _record  # noqa: SLF001

    def _read_again(self, topic: str) -> list[Record]:
        """What was decoded of this run is lost with the exception: fetch it again, one record at a time."""
        self._one_by_one.add(topic)
        self.move(topic, self._reached[topic])
        return []

    def _step_over(self, topic: str) -> list[Record]:
        self._one_by_one.clear()
        self.move(topic, self._reached[topic] + 1)
        return [Record(topic, self._reached[topic], "", b"", ())]


def _record(partition: TopicPartition, read: Any) -> Record:
    """Made for speed: this is half of what reading costs. One that is ours already stays as it is."""
    if type(read) is Record:
        return read
    key, headers = read.key, tuple(read.headers)
    if [None for _, value in headers if value is None]:
        headers = tuple((name, value or b"") for name, value in headers)
    topic, offset = partition.topic, read.offset + 1
    return tuple.__new__(Record, (topic, offset, key.decode(errors="replace") if key else "", read.value or b"", headers))

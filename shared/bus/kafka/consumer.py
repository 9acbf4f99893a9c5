"""Reading on Kafka as the port means it: followed topics in order, places kept here, commits to a group.

- Only topics that are there are read; the others are looked for every `LOOK_SECONDS`, and so is whether the brokers
  answer at all, for the library goes on in silence when they do not. A reader that fails is thrown away and made
  anew.
- Order among topics is by what was fetched already: one that is named first waits for a few records of the others at
  most.
- A topic that this user may not read is left out with a warning, rather than hearing nothing at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from aiokafka import errors as kafka

from shared.bus.kafka.cluster import Cluster
from shared.bus.kafka.errors import FAILURES
from shared.bus.kafka.reader import Reader
from shared.bus.port import Record
from shared.clock import Clock, SystemClock
from shared.tasks.wakeups import wait_for
from shared.telemetry import get_logger

LOOK_SECONDS = 0.5
"""Seconds between looks for topics that are not there yet, and at whether the cluster answers."""

SLICE_RECORDS = 500
"""Records decoded before the event loop gets its turn, a few milliseconds."""

SILENT_LOOKS = 20
"""Looks in a row at which no fetch was answered though the cluster answers: the reader is made anew."""

FORBIDDEN_SECONDS = 30.0
"""Seconds after which a topic that this user may not read is tried again."""

_log = get_logger("bus")


class KafkaConsumer:
    """`Consumer` of one group."""

    def __init__(self, cluster: Cluster, group: str, clock: Clock | None = None) -> None:
        self._cluster = cluster
        self._group = group
        self._clock = clock or SystemClock()
        self._order: tuple[str, ...] = ()
        self._followed: frozenset[str] = frozenset()
        self._places: dict[str, int] = {}
        self._committed: dict[str, int] = {}
        self._reader: Reader | None = None
        self._forbidden: dict[str, float] = {}
        self._next_look = 0.0
        self._silent = 0
        self._closing = asyncio.Event()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closing.is_set()

    def follow(self, topics: Sequence[str]) -> None:
        """Read these topics from now on; one that was followed already goes on from its place."""
        self._order = tuple(topics)
        if self._followed != (followed := frozenset(topics)):
            self._followed, self._next_look = followed, 0.0
            self._places = {topic: place for topic, place in self._places.items() if topic in followed}

    async def poll(self, limit: int, wait: float) -> list[Record]:
        """Up to `limit` next records, the first topics first; waits at most `wait` seconds for one."""
        ends = self._clock.monotonic() + wait
        while True:
            self._cluster.connection.check_open()
            if self.closed:
                return []
            await self._settle()
            left = ends - self._clock.monotonic()
            records = await self._read(limit, max(0.0, min(left, LOOK_SECONDS)))
            if records or left <= 0:
                return records

    async def commit(self, offsets: Mapping[str, int]) -> None:
        """Set the committed places, durably. The others are said again: a broker forgets those of a topic that is quiet."""
        places = {**self._committed, **offsets}
        await self._cluster.commit(self._group, places)
        self._committed = places

    async def seek(self, topic: str, offset: int) -> None:
        """Read on after `offset`."""
        if topic not in self._followed:
            raise LookupError("a consumer seeks on a topic that it follows")
        self._places = {**self._places, topic: offset}
        self._rewind([topic])

    async def lag(self) -> dict[str, int]:
        """Records behind the committed place that can still be read, by followed topic."""
        asked = self._cluster.bounds(self._order), self._cluster.committed(self._group, self._order)
        bounds, committed = await asyncio.gather(*asked)
        places = {**self._committed, **committed}
        return {topic: _behind(places.get(topic, 0), *bounds.get(topic, (0, 0))) for topic in self._order}

    async def close(self) -> None:
        """Stop reading; a poll that waits returns empty."""
        self._closing.set()
        await self._end_reader()

    async def _settle(self) -> None:
        """Look now and then which topics are there, and have exactly those read."""
        if not self._order:
            await self._end_reader()
        now = self._clock.monotonic()
        if now < self._next_look or not self._order:
            return
        try:
            await self._find_places()
            there = await self._cluster.leaders(self._order)
            self._forbidden = {topic: until for topic, until in self._forbidden.items() if until > now}
            self._forbid(self._cluster.forbidden & self._followed, now)
            await self._read_only([topic for topic in there if topic not in self._forbidden])
        except BaseException:
            await self._end_reader()
            raise
        self._next_look = now + LOOK_SECONDS

    async def _find_places(self) -> None:
        new = [topic for topic in self._order if topic not in self._places]
        if new:
            committed = await self._cluster.committed(self._group, new)
            self._committed.update(committed)
            self._places = {**dict.fromkeys(new, 0), **committed, **self._places}

    async def _read_only(self, topics: Sequence[str]) -> None:
        if self._reader is not None and self._reader.topics:
            self._silent = 0 if self._reader.answered() else self._silent + 1
        if not topics or self._silent >= SILENT_LOOKS:
            await self._end_reader()
        if not topics:
            return
        if self._reader is None:
            self._reader = await Reader.open(self._cluster.connection)
        if self._reader.topics.keys() != set(topics):
            self._reader.assign({topic: self._places[topic] for topic in topics})

    async def _end_reader(self) -> None:
        reader, self._reader, self._silent = self._reader, None, 0
        if reader is not None:
            await reader.end()

    def _forbid(self, topics: frozenset[str], now: float) -> None:
        for topic in topics - self._forbidden.keys():
            _log.warning("this user may not read a topic; grant it with `testamur topics apply`", topic=topic)
            self._forbidden[topic] = now + FORBIDDEN_SECONDS
            self._next_look = 0.0

    async def _read(self, limit: int, wait: float) -> list[Record]:
        """What was fetched, or the first that comes. Places move only when all is read: a cancelled poll skips nothing."""
        started, found = self._places, dict[str, list[Record]]()
        try:
            await self._take(limit, found)
            if not found and wait > 0:
                await self._wait(wait, found)
                await self._take(limit, found)
        except kafka.ConsumerStoppedError:  # closed meanwhile
            return []
        except kafka.TopicAuthorizationFailedError as error:
            self._rewind(found)
            self._forbid(frozenset(error.args), self._clock.monotonic())
            return []
        except BaseException as error:
            self._rewind(found)
            if isinstance(error, FAILURES):
                await self._end_reader()
                raise await self._cluster.connection.reason(error) from error
            raise
        if self._places is not started:  # somebody sought meanwhile
            self._rewind(found)
        elif found:
            self._places = {**started, **{topic: records[-1].offset for topic, records in found.items()}}
            self._silent = 0
        return [record for topic in self._order for record in found.get(topic, ())]

    async def _take(self, limit: int, found: dict[str, list[Record]]) -> None:
        """Add what was fetched already, topic by topic; suspends only between slices."""
        count = sum(map(len, found.values()))
        for topic in self._order:
            while self._reader is not None and topic in self._reader.topics and count < limit:
                records = await self._reader.next(topic, min(limit - count, SLICE_RECORDS))
                if not records:
                    break
                found.setdefault(topic, []).extend(records)
                count += len(records)
                if count % SLICE_RECORDS == 0:
                    await asyncio.sleep(0)

    async def _wait(self, wait: float, found: dict[str, list[Record]]) -> None:
        if self._reader is None:
            await wait_for(self._closing, wait)
            return
        for record in await self._reader.first(wait):
            found[record.topic] = [record]

    def _rewind(self, topics: Iterable[str]) -> None:
        """Let the reader go on from where the places say."""
        for topic in topics:
            if self._reader is not None and topic in self._reader.topics:
                self._reader.move(topic, self._places.get(topic, 0))


def _behind(place: int, start: int, end: int) -> int:
    """Records after the place that are still there; a place beyond the end is of a topic that was made anew since."""
    return end - (max(place, start) if place <= end else start)

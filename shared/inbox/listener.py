"""The listener: carries records from the bus to the inbox, in the order of what matters most.

- Trust and checkpoints first, then status, then the rest, own topics and other nodes' alike.
- Every second turn begins with another node's topics, each node's in turn. A node that floods a stream that is read
  first so holds up no other for long. A turn that took long is followed by a smaller one, so that heavy records do
  not make long turns.
- A hole that stays although all of the topic was read is looked for again from the topic's start, after longer and
  longer waits: what this service missed (a restored store, a full quarantine) may lie on the bus, where no other
  service misses it.
- A batch's offsets are committed after its transaction. A store or bus that does not answer is tried again, for ever;
  the service goes on answering from what it knows, and how old that is stands in every answer.
- A watchdog rebuilds the consumer when records wait and the position has not moved for `STALL_SECONDS` seconds; after
  three times in a row the service says that it is not ready.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from shared.bus.port import Bus, Consumer, Record
from shared.clock import Clock
from shared.events.base import PUBLIC, STREAMS
from shared.home.membership import Membership
from shared.ids import node_of, stream_of, topic_name
from shared.inbox.holes import Holes
from shared.inbox.inbox import RETRY, Inbox
from shared.tasks.backoff import pause_after
from shared.tasks.wakeups import Wakeups
from shared.telemetry import get_logger

BATCH_RECORDS = 500
"""Records a transaction: bounded work, and one fsync for all of it."""

POLL_SECONDS = 1.0
STALL_SECONDS = 30.0
MOST_REBUILDS = 3
RETRY_SECONDS = (0.1, 0.5, 2.0)
"""Seconds between tries while the store or the bus does not answer; the last one is repeated."""

TURN_SECONDS = 0.5
"""Seconds that one turn may take before the next one is made smaller."""

READ_AGAIN_SECONDS = (30.0, 300.0, 3600.0)
"""Seconds for which a hole stays open before its topic is read again from the start; the last one is repeated."""

_log = get_logger("listener")


class Listener:
    """One service's reader of the bus."""

    def __init__(
        self,
        bus: Bus,
        inbox: Inbox,
        membership: Membership,
        *,
        name: str,
        streams: Sequence[str],
        foreign: bool,
        grown: Wakeups,
        takes_own: Callable[[], bool] = lambda: True,
    ) -> None:
        """`streams` of this node are heard, and with `foreign` every other node's public ones; `grown` is told which topics
        brought something. `takes_own()`: whether this node's own streams may be taken in now; what they bring about may be
        something that is written.
        """
        self._bus = bus
        self._inbox = inbox
        self._membership = membership
        self._name = f"testamur.{membership.me}.{name}"
        self._streams = streams
        self._foreign = foreign
        self._grown = grown
        self._takes_own = takes_own
        self._rebuilt = 0
        self._failures = 0
        self._version = 0
        self._turn = 0
        self._limit = BATCH_RECORDS
        self._reading = True
        self._holes = Holes(READ_AGAIN_SECONDS)
        self._from_start: set[str] = set()

    def topics(self) -> list[str]:
        """What it listens to, most important stream first."""
        me = self._own() if self._takes_own() else []
        others = [
            topic_name(node.name, stream) for node in self._membership.neighbours() for stream in PUBLIC if self._foreign
        ]
        rank = {stream: place for place, stream in enumerate(STREAMS)}
        return sorted([*me, *others], key=lambda topic: rank[stream_of(topic)])

    def is_reading(self) -> bool:
        """Whether there is a backlog on the bus, as far as the last look tells: it gave as many records as were taken."""
        return self._reading

    async def take_own_again(self) -> None:
        """Take this node's own streams in again from their start, be it after the next start: the store is older than the
        positions on the bus.
        """
        topics, consumer = self._own(), self._bus.consumer(self._name)
        try:
            consumer.follow(topics)
            await consumer.commit(dict.fromkeys(topics, 0))
        finally:
            await consumer.close()
        self._from_start |= set(topics)

    def _own(self) -> list[str]:
        return [topic_name(self._membership.me, stream) for stream in self._streams]

    async def run(self, clock: Clock) -> None:
        """Listen until cancelled, from where the store says that this service stands. Whatever goes wrong, the next consumer
        begins behind the last commit.
        """
        await self._inbox.load()
        while True:
            consumer = self._bus.consumer(self._name)
            try:
                await self._listen(consumer, clock)
            except RETRY as error:
                _log.warning("waiting for the store or the bus", detail=error.detail)
                await asyncio.sleep(pause_after(self._failures, RETRY_SECONDS))
                self._failures += 1
            finally:
                await consumer.close()

    async def not_ready(self) -> str | None:
        """Why this listener makes its service not ready, or None."""
        if self._rebuilt < MOST_REBUILDS:
            return None
        return "Events wait on the bus and are not being taken in. Look at the log and at `testamur doctor`."

    async def _listen(self, consumer: Consumer, clock: Clock) -> None:
        """Until the watchdog asks for a new consumer, or the store or the bus does not answer."""
        moved = clock.monotonic()
        while clock.monotonic() - moved < STALL_SECONDS:
            order = self._order()
            consumer.follow(order)
            for topic in self._from_start.intersection(order):
                await consumer.seek(topic, 0)
                self._from_start.discard(topic)
            records = await consumer.poll(self._limit, POLL_SECONDS)
            self._reading = len(records) >= self._limit
            await self._go_by_newest_list()
            began = clock.monotonic()
            if records:
                await self._take(consumer, records)
            else:
                await self._look_again(consumer, clock.monotonic())
            slow = clock.monotonic() - began > TURN_SECONDS
            self._limit = max(1, self._limit // 2) if slow else min(BATCH_RECORDS, self._limit * 2)
            if records or not any((await consumer.lag()).values()):
                self._failures, moved, self._rebuilt = 0, clock.monotonic(), 0
        self._rebuilt += 1
        _log.error("no progress although records wait; rebuilding the consumer", times=self._rebuilt)

    def _order(self) -> list[str]:
        """The topics in the order of this turn: by importance, and every second time one node's own before all others."""
        self._turn += 1
        topics = self.topics()
        if self._turn % 2:
            return topics
        nodes = sorted({node_of(topic) for topic in topics})
        leader = nodes[self._turn // 2 % len(nodes)] if nodes else ""
        return sorted(topics, key=lambda topic: node_of(topic) != leader)

    async def _look_again(self, consumer: Consumer, now: float) -> None:
        """Everything was read: go back to the start of a topic in which a hole has been open for long."""
        followed = set(self.topics())
        behind = {topic: seq for topic, seq in self._inbox.behind().items() if topic in followed}
        for topic in self._holes.due(behind, now):
            _log.warning("a hole stays open; the topic is read again from its start", topic=topic, after=behind[topic])
            self._holes.tried(topic, now)
            await consumer.seek(topic, 0)

    async def _go_by_newest_list(self) -> None:
        """Judge by the newest list whatever was on the bus once it was there, and again what an earlier one kept out."""
        self._membership.reload()
        if self._membership.list.version != self._version:
            await self._inbox.reconsider_nodes()
            self._version = self._membership.list.version

    async def _take(self, consumer: Consumer, records: Sequence[Record]) -> None:
        await self._inbox.receive(records)
        reached = {record.topic: record.offset for record in records}
        await consumer.commit(reached)
        for topic in reached:
            self._grown.fire(topic)

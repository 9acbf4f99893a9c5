"""The listener: carries records from the bus to the inbox, in the order of what matters most.

- Trust and checkpoints first, then status, then the rest, own topics and other nodes' alike.
- A batch's offsets are committed after its transaction. A store or bus that does not answer is tried again, for ever.
- A watchdog rebuilds the consumer when records wait and the position has not moved for `STUCK` seconds; after three times in
  a row the service says that it is not ready.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from shared.bus.inbox import Inbox
from shared.bus.membership import Membership
from shared.bus.port import Bus, Consumer, Record
from shared.bus.wakeups import Wakeups
from shared.clock import Clock
from shared.errors import Unavailable
from shared.events.base import PUBLIC, STREAMS
from shared.ids import topic_name
from shared.telemetry import get_logger

BATCH = 500
"""Records a transaction: bounded work, and one fsync for all of it."""

WAIT = 1.0
STUCK = 30.0
PATIENCE = 3
BACKOFF = (0.1, 0.5, 2.0, 10.0)
"""Seconds between tries while the store or the bus does not answer; the last one is repeated."""

_log = get_logger("listener")


class Listener:
    """One service's ear on the bus."""

    def __init__(
        self, bus: Bus, inbox: Inbox, membership: Membership, *, name: str, streams: Sequence[str], foreign: bool
    ) -> None:
        self._bus = bus
        self._inbox = inbox
        self._membership = membership
        self._name = name
        self._streams = streams
        self._foreign = foreign
        self.grown = Wakeups()
        self._rebuilt = 0

    def topics(self) -> list[str]:
        """What it listens to, most important stream first."""
        me = [topic_name(self._membership.me, stream) for stream in self._streams]
        others = [
            topic_name(node.name, stream) for node in self._membership.neighbours() for stream in PUBLIC if self._foreign
        ]
        rank = {stream: place for place, stream in enumerate(STREAMS)}
        return sorted([*me, *others], key=lambda topic: rank[topic.split(".")[2]])

    async def run(self, clock: Clock) -> None:
        """Listen until cancelled."""
        while True:
            consumer = self._bus.consumer(self._name)
            try:
                await self._listen(consumer, clock)
            finally:
                await consumer.close()

    async def not_ready(self) -> str | None:
        """Why this listener makes its service not ready, or None."""
        if self._rebuilt < PATIENCE:
            return None
        return "Events wait on the bus and are not being taken in. Look at the log and at `testamur doctor`."

    async def _listen(self, consumer: Consumer, clock: Clock) -> None:
        """Until the watchdog asks for a new consumer."""
        failures, moved = 0, clock.monotonic()
        while clock.monotonic() - moved < STUCK:
            self._membership.reload()
            consumer.follow(self.topics())
            try:
                records = await consumer.poll(BATCH, WAIT)
                if records:
                    await self._take(consumer, records)
                if records or not any((await consumer.lag()).values()):
                    failures, moved, self._rebuilt = 0, clock.monotonic(), 0
            except Unavailable as error:
                _log.warning("waiting for the store or the bus", detail=error.detail)
                await self._start_over(consumer)
                await asyncio.sleep(BACKOFF[min(failures, len(BACKOFF) - 1)])
                failures += 1
        self._rebuilt += 1
        _log.error("no progress although records wait; rebuilding the consumer", times=self._rebuilt)

    async def _take(self, consumer: Consumer, records: Sequence[Record]) -> None:
        await self._inbox.receive(records)
        reached = {record.topic: record.offset for record in records}
        await consumer.commit(reached)
        for topic in reached:
            self.grown.fire(topic)

    async def _start_over(self, consumer: Consumer) -> None:
        """Read again what was polled and not committed."""
        try:
            for topic, behind in (await consumer.lag()).items():
                await consumer.seek(topic, await self._bus.end(topic) - behind)
        except Unavailable:
            return

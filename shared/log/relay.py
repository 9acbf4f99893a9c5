"""The relay: publishes stored entries in sequence, waits for the acknowledgement, moves its mark (protocol, section 3, T3).

It never signs and never deletes. What is lost if the process dies here: nothing. Published and not marked means published
again: delivery is at least once, and consumers count what they know already.

- A bus that does not answer is tried again for ever; what is signed meanwhile waits in the archive.
- A bus that holds less than it once acknowledged (a new one, or one restored from a backup) gets the whole archive again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from shared.bus.port import Bus, Message
from shared.errors import Unavailable
from shared.events.base import Stream
from shared.events.chain import Position
from shared.events.entry import parse, stored_message
from shared.ids import topic_name
from shared.log.archive import position_of, read_on
from shared.store.port import Collection, Document, Store, Transaction
from shared.tasks.backoff import pause_after
from shared.tasks.wakeups import wait_for
from shared.telemetry import get_logger

MARKS = Collection("marks")
"""Per topic: `{epoch, seq, hash, offset}` of the last entry that the bus acknowledged, and where it stands there."""

BATCH_ENTRIES = 500
IDLE_SECONDS = 1.0
RETRY_SECONDS = (0.1, 0.5, 2.0)
"""Seconds between tries while the store or the bus does not answer; the last one is repeated."""

_log = get_logger("relay")


class Relay:
    """Publishes one service's chains, the streams named earlier first."""

    def __init__(self, store: Store, bus: Bus, node: str, streams: Sequence[Stream]) -> None:
        self._store = store
        self._bus = bus
        self._topics = [topic_name(node, stream.name) for stream in streams]
        self._looked_at: set[str] = set()
        self.wake = asyncio.Event()

    async def run(self) -> None:
        """Publish whatever is stored, until cancelled."""
        failures = 0
        while True:
            self.wake.clear()
            try:
                while await self.step():
                    failures = 0
            except Unavailable as error:
                _log.warning("waiting for the store or the bus", detail=error.detail)
                self._looked_at.clear()  # when it is back, it may be another one
                await asyncio.sleep(pause_after(failures, RETRY_SECONDS))
                failures += 1
                continue
            await wait_for(self.wake, IDLE_SECONDS)

    async def step(self) -> int:
        """Publish the next entries of the first topic that has any; returns how many."""
        for topic in self._topics:
            mark = await self._store.get(MARKS, topic)
            reached = await self._from(topic, mark)
            rows = await read_on(self._store, topic, reached.seq, BATCH_ENTRIES, reached.epoch)
            if rows:
                await self._mark(topic, mark, rows[-1], await self._publish(topic, rows))
                return len(rows)
        return 0

    async def _from(self, topic: str, mark: Document | None) -> Position:
        """After which entry to go on: the mark's, unless the bus has less than it acknowledged up to there."""
        if mark is None or topic in self._looked_at:
            return position_of(mark)
        held = await self._bus.end(topic)
        self._looked_at.add(topic)
        if held >= mark.body["offset"]:
            return position_of(mark)
        _log.warning("the bus holds less than it acknowledged; all is published again", topic=topic, held=held)
        return Position()

    async def _publish(self, topic: str, rows: Sequence[Document]) -> int:
        messages = [Message(*stored_message(row.body["jws"], row.body["trace"])) for row in rows]
        return await self._bus.append(topic, messages)

    async def _mark(self, topic: str, mark: Document | None, last: Document, offset: int) -> None:
        place = parse(last.body["jws"]).envelope
        body = {"epoch": place.epoch, "seq": place.seq, "hash": last.body["hash"], "offset": offset}

        async def work(tx: Transaction) -> None:
            await tx.put(MARKS, topic, body, expect=mark.version if mark else 0)

        await self._store.transact(work)

"""The relay: publishes stored entries on the bus, in sequence (protocol section 3, T3). It never signs and never deletes.

What is lost if the process dies here: nothing. Between the bus's acknowledgement and the mark, the next start publishes the
same bytes again, and every consumer counts them as repeats.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from shared.bus.log import position_of, read_on
from shared.bus.port import Bus, Message
from shared.events.base import Stream
from shared.events.entry import message_headers, parse
from shared.ids import topic_name
from shared.store.port import Collection, Document, Store, Transaction

MARKS = Collection("marks")
"""Per topic: `{epoch, seq, hash}` of the last entry the bus acknowledged."""

BATCH = 500
IDLE = 1.0


class Relay:
    """Publishes one service's chains, the streams named earlier first."""

    def __init__(self, store: Store, bus: Bus, node: str, streams: Sequence[Stream]) -> None:
        self._store = store
        self._bus = bus
        self._topics = [topic_name(node, stream.name) for stream in streams]
        self.wake = asyncio.Event()

    async def run(self) -> None:
        """Publish whatever is stored, until cancelled."""
        while True:
            self.wake.clear()
            while await self.step():
                pass
            try:
                async with asyncio.timeout(IDLE):
                    await self.wake.wait()
            except TimeoutError:
                continue

    async def step(self) -> int:
        """Publish the next entries of the first topic that has any; returns how many."""
        for topic in self._topics:
            mark = await self._store.get(MARKS, topic)
            reached = position_of(mark)
            rows = await read_on(self._store, topic, reached.seq, BATCH, reached.epoch)
            if rows:
                await self._publish(topic, rows)
                await self._mark(topic, mark, rows[-1])
                return len(rows)
        return 0

    async def _publish(self, topic: str, rows: Sequence[Document]) -> None:
        messages = []
        for row in rows:
            entry = parse(row.body["jws"])
            messages.append(Message(entry.envelope.sub, entry.token.payload, message_headers(entry, row.body["trace"])))
        await self._bus.append(topic, messages)

    async def _mark(self, topic: str, mark: Document | None, last: Document) -> None:
        place = parse(last.body["jws"]).envelope
        body = {"epoch": place.epo, "seq": place.seq, "hash": last.body["hash"]}

        async def work(tx: Transaction) -> None:
            await tx.put(MARKS, topic, body, expect=mark.version if mark else 0)

        await self._store.transact(work)

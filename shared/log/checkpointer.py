"""The checkpointer: says how far this node's chains have come, every minute when quiet and after each batch when busy.

- The time is taken before the heads are read, so what a checkpoint says of that time is true.
- The last checkpoint is read before either. If another process makes one meanwhile, ours is not stored: a leader that was
  paused here and replaced would name a later time with earlier heads, which every reader calls a contradiction.
- Old checkpoints are deleted but for one an hour.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from itertools import pairwise

from shared.clock import Clock, rfc3339
from shared.events.base import CATALOGUE, CHECKPOINTS, STREAMS
from shared.events.chain import log_prefix
from shared.events.checkpoints import Checkpoint, Head
from shared.events.entry import Place, Unsigned, sign
from shared.ids import new_event_id, topic_name
from shared.log.archive import HEADS, LOG, archived, as_body, position_of
from shared.log.relay import Relay
from shared.log.signing import Signing
from shared.store.port import Document, Store, Transaction
from shared.tasks.wakeups import Wakeups, wait_for

BUSY_SECONDS = 0.25
"""Seconds at least between two checkpoints: a busy node makes one for many batches."""


class Checkpointer:
    """Makes one node's checkpoints, on the store that holds its public chains."""

    def __init__(self, store: Store, signing: Signing, clock: Clock, federation: str, node: str, interval: float) -> None:
        self._store = store
        self._signing = signing
        self._clock = clock
        self._federation = federation
        self._node = node
        self._interval = interval
        self._topic = topic_name(node, CHECKPOINTS.name)
        self.wake = asyncio.Event()

    async def run(self, relay: Relay, grown: Wakeups) -> None:
        """Make checkpoints until cancelled."""
        while True:
            self.wake.clear()
            await self.make()
            relay.wake.set()
            grown.fire(self._topic)
            await asyncio.sleep(BUSY_SECONDS)
            await wait_for(self.wake, max(self._interval - BUSY_SECONDS, 0.0))

    async def make(self) -> None:
        """Make one checkpoint of this moment."""
        last = await self._store.get(HEADS, self._topic)
        reached = position_of(last)
        now = self._clock.now()
        event = Checkpoint(time=now, heads=await self._heads(), understands=tuple(sorted(CATALOGUE)))
        place = Place(self._federation, self._node, reached.epoch, reached.seq + 1)
        # after the head was read: a key that was retired since can only lose against the one that came before this
        signer = (await self._signing.now())[CHECKPOINTS.name]
        entry = sign(Unsigned.of(event, new_event_id(), now), place, signer)
        old = await self._outlived()

        async def work(tx: Transaction) -> None:
            await tx.put(HEADS, self._topic, as_body(reached.advanced_by(entry)), expect=last.version if last else 0)
            await tx.insert(LOG, *archived(entry, rfc3339(now)))
            for key in old:
                await tx.delete(LOG, key)

        await self._store.transact(work)

    async def _heads(self) -> dict[str, Head]:
        heads = {}
        for stream in STREAMS.values():
            if stream.public and stream.chained:
                reached = position_of(await self._store.get(HEADS, topic_name(self._node, stream.name)))
                heads[stream.name] = Head(seq=reached.seq, hash=reached.hash)
        return heads

    async def _outlived(self) -> list[str]:
        """Checkpoints that a later one of the same hour replaced; the newest two stay for readers under way."""
        newest = await self._store.scan(LOG, prefix=log_prefix(self._topic), limit=16, reverse=True)
        return [old.key for later, old in pairwise(newest[1:]) if _hour(later) == _hour(old)]


def _hour(row: Document) -> datetime:
    return datetime.fromisoformat(row.body["at"]).replace(minute=0, second=0, microsecond=0)

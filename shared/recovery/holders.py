"""Who else holds what of this node's own chains: its bus, and its neighbours, who archive every log.

- What somebody holds counts by our own signature alone: certified key, right place in the right log. What does not
  verify, or is another's, is left out; a neighbour can forge nothing of ours, and nothing else that it sends holds
  this service up.
- The bus is read from where the relay's mark says that it was when this store last published: what lies behind that
  is what this store does not know of. A bus that is shorter than the mark is another one, and is looked at from its
  end.
- The issuer's stream never leaves the node: beside the bus only this node's registry holds it.
- A neighbour is asked for two entries of each chain, from our head on, and for the newest checkpoint of ours that it
  has.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import NamedTuple

from shared.bus.access import group_of
from shared.bus.port import Bus, Consumer, Record
from shared.clock import Clock
from shared.events.base import CHECKPOINTS, Event, Stream
from shared.events.chain import Position
from shared.events.entry import Entry
from shared.federation.log_client import PAGE_ENTRIES, LogClient, PageRequest
from shared.home.membership import Membership
from shared.ids import topic_name
from shared.inbox.admission import Refused, Sound, conclude, examine
from shared.log.archive import HEADS, position_of
from shared.log.keyring import Keyring
from shared.log.relay import MARKS
from shared.store.port import Store
from shared.telemetry import get_logger
from shared.trust.nodes import Node

FEW_ENTRIES = 2
"""Entries that a neighbour is asked for of each chain: the one that we hold last, and the one after it."""

LAST_RECORDS = 500
"""Records that are looked at from the end of a bus that holds less than the relay's mark says."""

MOST_POLLS = 8
"""Pages of the bus that are read to see how far it goes."""

QUIET_SECONDS = 1.0
"""Seconds in which a bus that has more brings it; what is not there by then was dropped by the broker."""

THE_BUS = "the bus"

_log = get_logger("holders")


class HeldEntry(NamedTuple):
    """An entry that this node signed, who holds it, and at which offset of the bus (0: elsewhere)."""

    entry: Entry
    event: Event | None
    holder: str
    offset: int = 0


class Holders:
    """Asks what is held of the chains that one service writes."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        membership: Membership,
        keyring: Keyring,
        clock: Clock,
        service: str,
        *,
        streams: Sequence[Stream],
        log_client: LogClient | None,
    ) -> None:
        """`streams` are those that the service writes, checkpoints among them where it makes any. `log_client` is how
        registries are asked, None where there is no way out.
        """
        self._store = store
        self._bus = bus
        self._membership = membership
        self._keyring = keyring
        self._clock = clock
        self._group = group_of(membership.me, service)
        self.began: datetime | None = None
        """When this process had asked for the first time; what was signed later and is not in its store is not its own."""
        self.streams = streams
        self._log_client = log_client

    def is_younger(self, signed: datetime) -> bool:
        """Whether something was signed after this process began, in a later second: it cannot have been forgotten."""
        return self.began is not None and signed > self.began

    def topic(self, stream: Stream) -> str:
        """This node's topic of a stream."""
        return topic_name(self._membership.me, stream.name)

    def nodes(self) -> list[Node]:
        """The nodes whose registries are asked: the neighbours for public chains, this node for what no neighbour holds."""
        if self._log_client is None:
            return []
        if any(stream.public for stream in self.streams):
            return [node for node in self._membership.neighbours() if node.status == "active"]
        own = self._membership.node(self._membership.me)
        return [own] if own else []

    async def on_bus(self) -> list[HeldEntry]:
        """What the bus holds behind the relay's marks."""
        ends = {topic: await self._bus.end(topic) for topic in map(self.topic, self.streams)}
        begins = {topic: await self._from(topic, end) for topic, end in ends.items()}
        unread = {topic for topic, end in ends.items() if begins[topic] < end}
        found: list[HeldEntry] = []
        async with self.reading() as consumer:
            consumer.follow([topic for topic in ends if topic in unread])
            for topic in unread:
                await consumer.seek(topic, begins[topic])
            for _ in range(MOST_POLLS):
                records = await consumer.poll(PAGE_ENTRIES, QUIET_SECONDS) if unread else []
                found += await self.ours(records, THE_BUS)
                unread -= {record.topic for record in records if record.offset >= ends[record.topic]}
                if not records:
                    break
        return found

    async def _from(self, topic: str, end: int) -> int:
        marked = await self.mark(topic)
        return max(0, end - LAST_RECORDS) if marked is None or marked > end else marked

    async def mark(self, topic: str) -> int | None:
        """The offset of the last record that this store knows the bus to hold, None where it knows of none."""
        row = await self._store.get(MARKS, topic)
        return int(row.body["offset"]) if row else None

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Consumer]:
        """A reader of the bus under the service's own name, whose positions it leaves as they are."""
        consumer = self._bus.consumer(self._group)
        try:
            yield consumer
        finally:
            await consumer.close()

    async def records(self, consumer: Consumer, topic: str, after: int) -> list[Record]:
        """The next records of a topic after an offset, ours or not; none at its end."""
        if after >= await self._bus.end(topic):
            return []
        consumer.follow([topic])
        await consumer.seek(topic, after)
        return await consumer.poll(PAGE_ENTRIES, QUIET_SECONDS)

    async def at(self, node: Node) -> list[HeldEntry]:
        """What a neighbour holds at and beyond our heads; raises whatever asking raises."""
        pages = await asyncio.gather(*(self._few(node, stream) for stream in self.streams))
        return [held for page in pages for held in page]

    async def page_of(self, node: Node, stream: Stream, reached: Position) -> list[HeldEntry]:
        """Our next entries of a chain after a place, as a neighbour has them."""
        return await self._page(node, stream, reached.epoch, reached.seq, PAGE_ENTRIES)

    async def _few(self, node: Node, stream: Stream) -> list[HeldEntry]:
        head = position_of(await self._store.get(HEADS, self.topic(stream)))
        # of checkpoints a neighbour keeps the newest alone, and an older one than ours tells as well where chains part
        after = 0 if stream is CHECKPOINTS else max(0, head.seq - 1)
        return await self._page(node, stream, head.epoch, after, FEW_ENTRIES)

    async def _page(self, node: Node, stream: Stream, epoch: int, after: int, limit: int) -> list[HeldEntry]:
        assert self._log_client is not None
        wanted = PageRequest(self._membership.me, stream.name, epoch, after, limit=limit)
        page = await self._log_client.ask(node, wanted)
        topic = self.topic(stream)
        return await self.ours([Record(topic, 0, *message) for message, _ in page.entries[:limit]], node.name)

    async def ours(self, records: Sequence[Record], holder: str) -> list[HeldEntry]:
        """Those among the records that this node signed, each in its place."""
        if len(records) <= FEW_ENTRIES:
            return self._verified(records, holder)
        return await asyncio.to_thread(self._verified, records, holder)

    def _verified(self, records: Sequence[Record], holder: str) -> list[HeldEntry]:
        judged = ((record.offset, self._judge(record)) for record in records)
        return [HeldEntry(one.entry, one.event, holder, offset) for offset, one in judged if one is not None]

    def _judge(self, record: Record) -> Sound | None:
        try:
            candidate = examine(record, self._membership, self._keyring, self._clock.now())
            if isinstance(candidate, Refused) or candidate.entry.envelope.origin != self._membership.me:
                return None
            found = conclude(candidate)
        except Exception:  # noqa: BLE001 - whatever a stranger's bytes bring about, it is not an entry of ours
            _log.exception("a record could not be judged", topic=record.topic)
            return None
        return found if isinstance(found, Sound) else None


def is_checkpoint(held: HeldEntry) -> bool:
    """Whether it stands outside the chains."""
    return held.entry.stream == CHECKPOINTS.name

"""Entries of our own that this store has forgotten, fetched a page at a time from others that hold them.

- They come from the bus first, and where that has them no longer from the neighbours, one after the other.
- An entry that no other had is not asked for again within one try.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from shared.bus.port import Record
from shared.errors import TestamurError
from shared.events.base import Stream
from shared.events.chain import Position
from shared.recovery.holders import THE_BUS, HeldEntry, Holders
from shared.telemetry import get_logger

SEQUENCE_DIGITS = 20
"""Digits of the header `ce_sequence` (`shared.events.entry.cloud_event`)."""

_log = get_logger("recovery")


class OwnEntries:
    """What follows on each chain that one service writes."""

    def __init__(self, holders: Holders) -> None:
        self._holders = holders
        self._at_hand: dict[str, deque[HeldEntry]] = {}
        self._reached_on_bus: dict[str, int] = {}
        self._nowhere: set[tuple[str, int]] = set()

    def begin(self) -> None:
        """Forget what was fetched in an earlier try."""
        self._at_hand.clear()
        self._reached_on_bus.clear()
        self._nowhere.clear()

    def drop(self, stream: Stream) -> None:
        """The entry that `after` gave last was taken."""
        self._at_hand[stream.name].popleft()

    async def after(self, stream: Stream, reached: Position, *, known: bool) -> HeldEntry | None:
        """The entry behind that place, or None where no one that answers has it. `known`: some other is known to have it."""
        at_hand = self._at_hand.setdefault(stream.name, deque())
        while at_hand and at_hand[0].entry.envelope.seq <= reached.seq:
            at_hand.popleft()
        if not at_hand and (stream.name, reached.seq) not in self._nowhere:
            at_hand += await self._fetch(stream, reached, known)
        if not at_hand:
            self._nowhere.add((stream.name, reached.seq))
        return at_hand[0] if at_hand else None

    async def _fetch(self, stream: Stream, reached: Position, known: bool) -> list[HeldEntry]:
        found = await self._from_bus(stream, reached, known)
        for node in [] if found else self._holders.nodes():
            try:
                found = self._run(await self._holders.page_of(node, stream, reached), reached)
            except Exception as error:  # noqa: BLE001 - whatever a neighbour sends, the next one is asked
                _log.info("a neighbour did not serve", node=node.name, error=type(error).__name__)
            if found:
                break
        return found

    async def _from_bus(self, stream: Stream, reached: Position, known: bool) -> list[HeldEntry]:
        """What goes on from that place on the bus, looked for from the relay's mark on, then from the topic's beginning."""
        topic = self._holders.topic(stream)
        begin = self._reached_on_bus.get(topic)
        marked = await self._holders.mark(topic) if begin is None else None
        try:
            found = await self._search(topic, begin or marked or 0, reached)
            if not found and marked and known:
                found = await self._search(topic, 0, reached)
        except TestamurError as error:
            _log.info("the bus could not be read", topic=topic, detail=error.detail)
            return []
        return found

    async def _search(self, topic: str, after: int, reached: Position) -> list[HeldEntry]:
        async with self._holders.reading() as consumer:
            while records := await self._holders.records(consumer, topic, after):
                after = self._reached_on_bus[topic] = records[-1].offset
                beyond = [record for record in records if _sequence(record) > reached.seq]
                found = self._run(await self._holders.ours(beyond, THE_BUS), reached)
                if found:
                    return found
        return []

    def _run(self, found: Sequence[HeldEntry], reached: Position) -> list[HeldEntry]:
        """The entries that follow a place without a gap, repeats left out, and whatever somebody else signs meanwhile."""
        run: list[HeldEntry] = []
        for held in sorted(found, key=lambda one: one.entry.envelope.seq):
            place, wanted = held.entry.envelope, reached.seq + len(run) + 1
            if (place.epoch, place.seq) == (reached.epoch, wanted) and not self._holders.is_younger(place.issued_at):
                run.append(held)
        return run


def _sequence(record: Record) -> int:
    """The sequence that a record says it has, without looking at its signature."""
    copied = dict(record.headers).get("ce_sequence", b"")
    return int(copied) if len(copied) == SEQUENCE_DIGITS and copied.isdigit() else 0

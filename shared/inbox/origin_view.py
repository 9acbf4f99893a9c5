"""What a store knows of one node at a moment: how far each of its streams is applied, what is missing, how fresh that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shared.events.base import STREAMS
from shared.events.chain import Position, log_prefix
from shared.ids import stream_of, topic_name
from shared.inbox.freshness import FRESHNESS, Freshness
from shared.inbox.ordering import CONTRADICTIONS, PENDING
from shared.log.archive import POSITIONS, position_of
from shared.store.port import Reader


@dataclass(frozen=True, slots=True)
class OriginView:
    """What this store knows of one node: how far each stream is applied, and how fresh that is."""

    positions: Mapping[str, Position] = field(default_factory=dict)
    checkpoint_time: datetime | None = None
    contradictory: bool = False
    announced: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Per topic, the epoch and sequence that the newest signed checkpoint names."""
    waiting: frozenset[str] = frozenset()
    """The topics on which sound entries wait beyond a hole."""
    checkpoint_seq: int = 0
    """The running number of the newest checkpoint that was taken."""

    def position(self, stream: str) -> Position:
        """How far a stream is applied without a gap."""
        return self.positions.get(stream, Position())

    def seq(self, stream: str) -> int:
        """The last sequence applied without a gap, 0 when none is."""
        return self.position(stream).seq

    def behind(self) -> dict[str, int]:
        """Per topic on which something is missing, up to where it is applied; nothing is known of a contradictory log."""
        if self.contradictory:
            return {}
        lacking = self.waiting | {topic for topic, place in self.announced.items() if place > self._reached(topic)}
        return {topic: self.seq(stream_of(topic)) for topic in lacking}

    def reaches(self, stream: str) -> tuple[int, int] | None:
        """Up to which epoch and sequence a stream is known to go on beyond where it is applied; None when all is here.
        As long as no checkpoint could be taken, for want of keys, at least the next entry is.
        """
        missing = [topic for topic in self.behind() if stream_of(topic) == stream]
        if self.contradictory or (self.checkpoint_seq and not missing):
            return None
        epoch, seq, _ = self.position(stream)
        return max([(epoch, seq + 1), *(self.announced[topic] for topic in missing if topic in self.announced)])

    def _reached(self, topic: str) -> tuple[int, int]:
        return self.position(stream_of(topic))[:2]


async def read_view(reader: Reader, origin: str) -> OriginView:
    """See what a store says of a node."""
    positions = {stream_of(row.key): position_of(row) for row in await reader.scan(POSITIONS, prefix=f"testamur.{origin}.")}
    freshness = Freshness.from_row(await reader.get(FRESHNESS, origin))
    return OriginView(
        positions=positions,
        checkpoint_time=freshness.proven.time if freshness.proven else None,
        contradictory=await reader.get(CONTRADICTIONS, origin) is not None,
        announced=freshness.announced(origin),
        waiting=await _waiting(reader, origin),
        checkpoint_seq=freshness.newest.seq if freshness.newest else 0,
    )


async def _waiting(reader: Reader, origin: str) -> frozenset[str]:
    if not await reader.count(PENDING, {"origin": origin}):
        return frozenset()
    topics = [topic_name(origin, stream) for stream in STREAMS]
    return frozenset([topic for topic in topics if await reader.scan(PENDING, prefix=log_prefix(topic), limit=1)])

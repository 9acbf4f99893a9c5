"""In order, inside one transaction: where each sound entry goes, and what it may do already.

- NEXT: hand it over, archive it, move the position; then whatever waited right behind it.
- HELD: a repeat of what we hold is counted; another hash at a held place is a contradiction, and both are kept.
- BEYOND a hole: it waits. What reduces trust acts at once; what adds trust acts in its turn only.
- After a contradiction the position stands still: what reduces trust acts from every branch, what adds trust from none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from shared.clock import rfc3339
from shared.events.base import STREAMS, Event
from shared.events.chain import Placement, Position, log_key, placement
from shared.events.checkpoints import Checkpoint
from shared.events.entry import Entry, parse
from shared.inbox.admission import understand
from shared.inbox.dead_letters import PARKED, park
from shared.inbox.freshness import Contradiction, note, prove
from shared.inbox.received import Handler, Received
from shared.log import keyring
from shared.log.archive import LOG, POSITIONS, archived, as_body, position_of
from shared.log.outbox import Unit
from shared.store.port import Collection, Index

PENDING = Collection("pending", (Index(("origin",)),))
"""Sound entries beyond a hole, by archive key: a `PendingRow` each."""

CONTRADICTIONS = Collection("contradictions")
"""Per origin, the evidence: `{topic, detail, entries, at}`; its presence is the verdict."""

MOST_PENDING = 10_000
"""How many entries one origin may keep waiting; beyond that they are fetched again once the hole is filled."""


class PendingRow(TypedDict):
    """An entry that waits: whose it is, its signed bytes and hash, whether it acted already, and when it came."""

    origin: str
    jws: str
    hash: str
    acted: bool
    at: str


class Ordering:
    """One batch inside one transaction: positions as they move, and what happened."""

    def __init__(self, unit: Unit, handlers: Mapping[type[Event], Handler]) -> None:
        self._unit = unit
        self._tx = unit.tx
        self._handlers = handlers
        self._moved: dict[str, tuple[int, Position]] = {}
        self._contradictory: dict[str, bool] = {}
        self._waiting: dict[str, bool] = {}
        self._origins: set[str] = set()
        self._archive: dict[str, dict[str, Any]] = {}
        self.repeats = 0
        self.keys_changed: list[tuple[str, str]] = []
        """Origin and key id of each service key that this batch changed."""

    async def take(self, entry: Entry, event: Event | None) -> None:
        """Put one sound entry where it belongs."""
        self._origins.add(entry.envelope.origin)
        if not STREAMS[entry.stream].chained:
            return await self._checkpoint(entry, event)
        placed = placement(await self._position(entry.envelope.topic), entry.envelope)
        if placed in (Placement.HELD, Placement.OLD_EPOCH):
            return await self._held(entry, event)
        if placed is Placement.FORKED:
            await self._contradict(entry, "It claims to follow an entry that we hold, and names another.")
        if placed is Placement.NEXT and not await self._is_contradictory(entry.envelope.origin):
            await self._next(entry, event, acted=False)
            return await self._drain(entry.envelope.topic)
        return await self._ahead(entry, event)

    async def finish(self) -> None:
        """Write what was archived and the positions that moved, and let checkpoints prove themselves."""
        await self._tx.insert_many(LOG, list(self._archive.items()))
        self._archive.clear()
        for topic, (version, position) in self._moved.items():
            held = await self._tx.get(POSITIONS, topic)
            if position != position_of(held):
                await self._tx.put(POSITIONS, topic, as_body(position), expect=version)
        for origin in self._origins:
            contradiction = await prove(self._tx, origin, self._unit.now)
            if contradiction:
                await self._record(origin, contradiction, [])

    async def _position(self, topic: str) -> Position:
        if topic not in self._moved:
            held = await self._tx.get(POSITIONS, topic)
            self._moved[topic] = (held.version if held else 0, position_of(held))
        return self._moved[topic][1]

    async def _next(self, entry: Entry, event: Event | None, *, acted: bool) -> None:
        topic = entry.envelope.topic
        if event is None:
            await self._park(entry)
        elif not acted:
            await self._hand_over(entry, event, early=False)
        key, body = archived(entry, rfc3339(self._unit.now))
        self._archive[key] = body
        version, position = self._moved[topic]
        self._moved[topic] = (version, position.advanced_by(entry))

    async def _drain(self, topic: str) -> None:
        """Apply what waited behind the entry just applied, as far as it goes without a gap."""
        while await self._anything_waits(topic):
            position = await self._position(topic)
            row = await self._tx.get(PENDING, log_key(topic, position.epoch, position.seq + 1))
            if row is None:
                return None
            entry = parse(row.body["jws"])
            if placement(position, entry.envelope) is Placement.FORKED:
                return await self._contradict(entry, "It waited for its place, and names another entry before it.")
            await self._tx.delete(PENDING, row.key)
            await self._tx.delete(PARKED, row.key)  # it may have been parked by an older version of this software
            await self._next(entry, understand(entry), acted=row.body["acted"])
        return None

    async def _anything_waits(self, topic: str) -> bool:
        if topic not in self._waiting:
            self._waiting[topic] = bool(await self._tx.scan(PENDING, prefix=f"{topic}/", limit=1))
        return self._waiting[topic]

    async def _ahead(self, entry: Entry, event: Event | None) -> None:
        """Beyond a hole, or on a contradictory log: it waits, and acts at once if it reduces trust."""
        place = entry.envelope
        key = log_key(place.topic, place.epoch, place.seq)
        row = await self._tx.get(PENDING, key)
        if row is not None and row.body["hash"] == entry.hash:
            self.repeats += 1
            return
        if row is not None:
            await self._contradict(entry, "Two entries claim one sequence.", row.body["jws"])
        acts = event is not None and event.reduces_trust
        if event is not None and acts:
            await self._hand_over(entry, event, early=True)
        if event is None:
            await self._park(entry)
        if row is None and await self._tx.count(PENDING, {"origin": place.origin}) < MOST_PENDING:
            waiting = PendingRow(
                origin=place.origin,
                jws=entry.compact.decode(),
                hash=entry.hash,
                acted=acts,
                at=rfc3339(self._unit.now),
            )
            await self._tx.insert(PENDING, key, waiting)
            self._waiting[place.topic] = True

    async def _held(self, entry: Entry, event: Event | None) -> None:
        held = await self._archived(log_key(entry.envelope.topic, entry.envelope.epoch, entry.envelope.seq))
        if held is not None and held["hash"] == entry.hash:
            self.repeats += 1
            return
        if held is not None:
            await self._contradict(entry, "Two entries claim one sequence.", held["jws"])
        if event is not None and event.reduces_trust:
            await self._hand_over(entry, event, early=True)

    async def _archived(self, key: str) -> dict[str, Any] | None:
        if key in self._archive:
            return self._archive[key]
        row = await self._tx.get(LOG, key)
        return row.body if row else None

    async def _checkpoint(self, entry: Entry, event: Event | None) -> None:
        if not isinstance(event, Checkpoint):
            return
        contradiction = await note(self._tx, entry, event, self._unit.now)
        if contradiction:
            await self._record(entry.envelope.origin, contradiction, [entry.compact.decode()])

    async def _hand_over(self, entry: Entry, event: Event, *, early: bool) -> None:
        origin = entry.envelope.origin
        kid = await keyring.keep(self._tx, origin, event, entry.envelope)
        if kid is not None:
            self.keys_changed.append((origin, kid))
        handler = self._handlers.get(type(event))
        if handler is not None:
            await handler(self._unit, Received(entry, event, early, self._unit.now))

    async def _park(self, entry: Entry) -> None:
        place = entry.envelope
        why = "Its kind or content is newer than this software: update it, and it will be applied at the next start."
        await park(self._tx, log_key(place.topic, place.epoch, place.seq), entry, why, self._unit.now)

    async def _is_contradictory(self, origin: str) -> bool:
        if origin not in self._contradictory:
            self._contradictory[origin] = await self._tx.get(CONTRADICTIONS, origin) is not None
        return self._contradictory[origin]

    async def _contradict(self, entry: Entry, detail: str, other: str = "") -> None:
        entries = [entry.compact.decode(), *([other] if other else [])]
        await self._record(entry.envelope.origin, Contradiction(entry.envelope.topic, detail), entries)

    async def _record(self, origin: str, contradiction: Contradiction, entries: list[str]) -> None:
        self._contradictory[origin] = True
        if await self._tx.get(CONTRADICTIONS, origin) is None:
            body = {"topic": contradiction.topic, "detail": contradiction.detail, "entries": entries}
            await self._tx.insert(CONTRADICTIONS, origin, {**body, "at": rfc3339(self._unit.now)})

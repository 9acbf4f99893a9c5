"""The outbox: what a transaction says goes into the same transaction as what it does (protocol, section 3, T1).

What is lost if the process dies here: before the commit, everything, and the caller got no answer; after it, nothing.
The sequencer finds the rows at the next start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from shared.clock import Clock, rfc3339
from shared.events.base import Event
from shared.ids import new_event_id
from shared.store.port import Body, Collection, Document, DuplicateKey, Index, Store, Transaction
from shared.telemetry import current_traceparent

T = TypeVar("T")

OUTBOX = Collection("outbox")
"""Events that are said and not yet sequenced, by a number that rises from commit to commit: transactions are serialisable,
so key order is the order in which they were said, whichever process said them and whatever its clock shows.
"""

COUNTERS = Collection("counters")
"""`said`: `{number}`, of the event that was said last."""

AUDIT = Collection("audit", (Index(("subject",)),))
"""Who asked for what, and when; written with the change itself."""

COLLECTIONS = (OUTBOX, COUNTERS, AUDIT)


@dataclass(slots=True)
class Unit:
    """One unit of work: an open transaction, the instant it counts as, who asked, and what it says to the world."""

    tx: Transaction
    now: datetime
    actor: str
    traceparent: str = ""
    said: list[str] = field(default_factory=list)
    """The ids of the events that it said so far."""
    _added: dict[str, tuple[Collection, dict[str, Body]]] = field(default_factory=dict)
    _counter: Document | None = None

    async def emit(self, event: Event) -> str:
        """Say an event; it is published if and only if the transaction commits. Returns the event's id."""
        await self._count()
        key, row = self._row(event)
        await self.tx.insert(OUTBOX, key, row)
        return self.said[-1]

    async def emit_all(self, events: Sequence[Event]) -> None:
        """Say several events in this order, in one statement; see `emit`."""
        if events:
            await self._count()
            await self.tx.insert_many(OUTBOX, [self._row(event) for event in events])

    async def _count(self) -> None:
        if not self.said:
            self._counter = await self.tx.get(COUNTERS, "said")

    def _row(self, event: Event) -> tuple[str, dict[str, Any]]:
        self.said.append(new_event_id())
        row = {
            "id": self.said[-1],
            "kind": event.kind,
            "stream": event.stream.name,
            "sub": event.subject(),
            "value": event.value().decode(),
            "at": rfc3339(self.now),
            "traceparent": self.traceparent,
        }
        return f"{self._number():020}", row

    def add(self, collection: Collection, key: str, body: Body) -> None:
        """Add to a grow-only set: stored with the unit, many in one statement; what is there already is left alone. It is
        not seen by reads of this unit.
        """
        self._added.setdefault(collection.name, (collection, {}))[1].setdefault(key, body)

    async def flush(self) -> None:
        """Store what was added and counted; the one who opened the unit calls it last."""
        for collection, rows in self._added.values():
            try:
                await self.tx.insert_many(collection, list(rows.items()))
            except DuplicateKey:
                for key, body in rows.items():
                    if await self.tx.get(collection, key) is None:
                        await self.tx.insert(collection, key, body)
        self._added.clear()
        if self.said:
            before = self._counter.version if self._counter else 0
            await self.tx.put(COUNTERS, "said", {"number": self._number()}, expect=before)

    def _number(self) -> int:
        """The number of the event that was said last."""
        return (self._counter.body["number"] if self._counter else 0) + len(self.said)

    async def audit(self, action: str, subject: str, **details: Any) -> None:
        """Record who did what to which subject; details hold no personal data."""
        row = {"action": action, "subject": subject, "actor": self.actor, "at": rfc3339(self.now), **details}
        await self.tx.insert(AUDIT, new_event_id(), row)


class Outbox:
    """Opens units of work on one store, and wakes the sequencer once something said is durable."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.filled = asyncio.Event()

    async def transact(self, work: Callable[[Unit], Awaitable[T]], actor: str) -> T:
        """Run `work` as one unit; its changes, its events and its audit rows become durable together or not at all."""
        now, trace = self.clock.now(), current_traceparent()

        async def body(tx: Transaction) -> tuple[T, bool]:
            unit = Unit(tx, now, actor, trace)
            result = await work(unit)
            await unit.flush()
            return result, bool(unit.said)

        result, said = await self.store.transact(body)
        if said:
            self.filled.set()
        return result

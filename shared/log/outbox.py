"""The outbox: what a transaction emits goes into the same transaction as what it does (protocol, section 3, T1).

What is lost if the process dies here: before the commit, everything, and the caller got no answer; after it, nothing.
The sequencer finds the rows at the next start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypedDict, TypeVar

from shared.clock import Clock, rfc3339
from shared.events.base import Event
from shared.events.entry import Unsigned
from shared.ids import new_event_id
from shared.store.port import Body, Collection, Document, DuplicateKey, Index, Store, Transaction
from shared.telemetry import current_traceparent

T = TypeVar("T")

OUTBOX = Collection("outbox")
"""Events that were emitted and are not sequenced yet, an `EmittedRow` each, by a number that rises from commit to commit:
transactions are serialisable, so key order is the order in which they were emitted, whichever process emitted them and
whatever its clock shows.
"""

COUNTERS = Collection("counters")
"""`said`: `{number}`, of the event that was emitted last."""

AUDIT = Collection("audit", (Index(("subject",)),))
"""Who asked for what, and when; written with the change itself."""

COLLECTIONS = (OUTBOX, COUNTERS, AUDIT)


class EmittedRow(TypedDict):
    """An event as it waits: its id, stream, kind and subject, the exact bytes of its payload, when it was emitted, and the
    trace that it belongs to.
    """

    id: str
    stream: str
    kind: str
    sub: str
    value: str
    at: str
    traceparent: str


def emitted_row(event: Event, jti: str, at: datetime, traceparent: str) -> EmittedRow:
    """An event as a row of the outbox."""
    return EmittedRow(
        id=jti,
        stream=event.stream.name,
        kind=event.kind,
        sub=event.subject(),
        value=event.value().decode(),
        at=rfc3339(at),
        traceparent=traceparent,
    )


def unsigned_of(row: Document) -> Unsigned:
    """What a row of the outbox asks to be signed."""
    body = row.body
    payload, at = body["value"].encode(), datetime.fromisoformat(body["at"])
    return Unsigned(body["stream"], body["kind"], body["sub"], payload, body["id"], at)


@dataclass(slots=True)
class Unit:
    """One unit of work: an open transaction, the instant it counts as, who asked, and the events that it emits."""

    tx: Transaction
    now: datetime
    actor: str
    traceparent: str = ""
    emitted: list[str] = field(default_factory=list)
    """The ids of the events that it emitted so far."""
    _added: dict[str, tuple[Collection, dict[str, Body]]] = field(default_factory=dict)
    _counter: Document | None = None

    async def emit(self, event: Event) -> str:
        """Emit an event; it is published if and only if the transaction commits. Returns the event's id."""
        await self._count()
        key, row = self._row(event)
        await self.tx.insert(OUTBOX, key, row)
        return self.emitted[-1]

    async def emit_all(self, events: Sequence[Event]) -> None:
        """Emit several events in this order, in one statement; see `emit`."""
        if events:
            await self._count()
            await self.tx.insert_many(OUTBOX, [self._row(event) for event in events])

    async def _count(self) -> None:
        if not self.emitted:
            self._counter = await self.tx.get(COUNTERS, "said")

    def _row(self, event: Event) -> tuple[str, EmittedRow]:
        self.emitted.append(new_event_id())
        return f"{self._number():020}", emitted_row(event, self.emitted[-1], self.now, self.traceparent)

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
        if self.emitted:
            before = self._counter.version if self._counter else 0
            await self.tx.put(COUNTERS, "said", {"number": self._number()}, expect=before)

    def _number(self) -> int:
        """The number of the event that was emitted last."""
        return (self._counter.body["number"] if self._counter else 0) + len(self.emitted)

    async def audit(self, action: str, subject: str, **details: Any) -> None:
        """Record who did what to which subject; details hold no personal data."""
        row = {"action": action, "subject": subject, "actor": self.actor, "at": rfc3339(self.now), **details}
        await self.tx.insert(AUDIT, new_event_id(), row)


class Outbox:
    """Opens units of work on one store, and wakes the sequencer once an event is durable."""

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
            return result, bool(unit.emitted)

        result, has_emitted = await self.store.transact(body)
        if has_emitted:
            self.filled.set()
        return result

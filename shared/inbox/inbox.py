"""The inbox: records in, effects out, each exactly once (protocol, section 3, T4).

One batch = one transaction { facts + effects + positions }; only then may the consumer commit its offsets. What is lost if
the process dies here: nothing. Before the transaction the bus hands the batch out again; after it the positions know it.

- A refused record is kept with its reason; the records behind it go on.
- An effect that fails by a fault of ours parks its entry, alone; its subject is indeterminate until it is mended.
- One batch at a time: the listener, the backfill and an administrator's replay take turns.
- Below the newest signed checkpoint an unbroken run is vouched for by the signature of its last entry; the tail is verified
  one by one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from itertools import groupby
from typing import TypeVar

from shared.bus.port import Record
from shared.errors import Unavailable
from shared.events.base import TRUST, Event
from shared.events.entry import parse
from shared.events.trust import ServiceKeyAdded, ServiceKeyRetired
from shared.home.membership import Membership
from shared.ids import parse_topic
from shared.inbox import admission, dead_letters
from shared.inbox.admission import Candidate, Refused, Sound, anchored_by_last, conclude, examine, understand
from shared.inbox.dead_letters import StoredDeadLetter
from shared.inbox.freshness import FRESHNESS, PROVEN
from shared.inbox.ordering import CONTRADICTIONS, PENDING, Ordering
from shared.inbox.origin_view import OriginView, read_view
from shared.inbox.received import Handler, Received
from shared.log.archive import LOG, POSITIONS
from shared.log.keyring import SERVICE_KEYS, Keyring
from shared.log.outbox import Outbox, Unit
from shared.store.port import VersionConflict
from shared.store.walk import every
from shared.telemetry import continue_from, get_logger, span

__all__ = ["COLLECTIONS", "Handler", "Inbox", "OriginView", "Received"]

COLLECTIONS = (LOG, POSITIONS, PENDING, CONTRADICTIONS, FRESHNESS, PROVEN, SERVICE_KEYS, *dead_letters.COLLECTIONS)

INLINE_SIGNATURES = 8
"""Up to so many signatures are checked on the event loop; more go to a thread in one hop."""

RETRY = (Unavailable, VersionConflict)
"""What says nothing against an entry: the batch is taken again."""

_KEY_CHANGES = frozenset({ServiceKeyAdded.kind.encode(), ServiceKeyRetired.kind.encode()})

_log = get_logger("inbox")

J = TypeVar("J")


class Inbox:
    """One service's inbox."""

    def __init__(
        self, outbox: Outbox, membership: Membership, keyring: Keyring, handlers: Mapping[type[Event], Handler]
    ) -> None:
        self._outbox = outbox
        self._store = outbox.store
        self._membership = membership
        self._keyring = keyring
        self._handlers = handlers
        self._views: dict[str, OriginView] = {}
        self._turn = asyncio.Lock()
        self.repeats = 0
        self.refused: dict[str, int] = {}

    async def load(self) -> None:
        """Read what is known from the store, and try again what was parked for want of understanding."""
        async with self._turn:
            await self._keyring.load()
            await self.look()
            await self._revive()

    async def look(self) -> None:
        """See what the store says now of every node: another process of this service may have taken something in."""
        for node in self._membership.list.nodes:
            await self._refresh(node.name)

    def origin(self, name: str) -> OriginView:
        """What is known of a node; an empty view of one that never spoke."""
        return self._views.get(name) or OriginView()

    def behind(self) -> dict[str, int]:
        """Per topic on which something is known to be missing here, up to where it is applied."""
        return {topic: seq for view in self._views.values() for topic, seq in view.behind().items()}

    async def is_parked(self, origin: str, *subjects: str) -> bool:
        """Whether anything not understood bears on one of these subjects, or on everything that node says."""
        return await dead_letters.parked_on(self._store, origin, (*subjects, "*"))

    async def receive(self, records: Sequence[Record]) -> None:
        """Take in a batch; when this returns, all of it is durable and its offsets may be committed."""
        run: list[Record] = []
        async with self._turn:
            for record in records:
                run.append(record)
                if dict(record.headers).get("ce_type") in _KEY_CHANGES:  # keys change here: judge what follows with them
                    await self._receive(run)
                    run = []
            if run:
                await self._receive(run)

    async def _receive(self, records: Sequence[Record], instead_of: Sequence[str] = ()) -> None:
        judged = await self._judge(records)
        try:
            changed = await self._transact(judged, instead_of)
        except RETRY:
            raise
        except Exception:  # noqa: BLE001 - a fault of ours must stop one entry, never the stream
            _log.exception("a batch failed; its entries are taken one by one")
            changed = [key for one in judged for key in await self._one(one)]
        for origin in {one.entry.envelope.origin for one in judged if isinstance(one, Sound)}:
            await self._refresh(origin)
        for origin, kid in changed:
            await self._keyring.learn(origin, kid)
            await self._reconsider(kid)

    async def _one(self, judged: Sound | Refused) -> list[tuple[str, str]]:
        try:
            return await self._transact([judged])
        except RETRY:
            raise
        except Exception:
            if isinstance(judged, Refused):
                raise
            _log.exception("an effect failed; its entry is parked", sequence=judged.entry.envelope.seq)
            return await self._transact([judged._replace(event=None)])

    async def _judge(self, records: Sequence[Record]) -> list[Sound | Refused]:
        now = self._outbox.clock.now()
        examined = [_guarded(record, partial(examine, record, self._membership, self._keyring, now)) for record in records]
        if len(examined) <= INLINE_SIGNATURES:
            return self._conclude(examined)
        return await asyncio.to_thread(self._conclude, examined)

    def _conclude(self, examined: Sequence[Candidate | Refused]) -> list[Sound | Refused]:
        judged: list[Sound | Refused] = []
        for _, group in groupby(examined, key=_chain):
            run = list(group)
            candidates = [one for one in run if isinstance(one, Candidate)]
            if len(candidates) < len(run) or not self._anchored(candidates):
                judged += [one if isinstance(one, Refused) else _concluded(one) for one in run]
                continue
            last = _concluded(candidates[-1])
            proven = isinstance(last, Sound)
            judged += [_concluded(one, anchored=proven) for one in candidates[:-1]]
            judged.append(last)
        return judged

    def _anchored(self, candidates: Sequence[Candidate]) -> bool:
        origin = candidates[0].entry.envelope.origin
        return anchored_by_last(candidates, self.origin(origin).announced)

    async def _transact(self, judged: Sequence[Sound | Refused], instead_of: Sequence[str] = ()) -> list[tuple[str, str]]:
        """Apply what was judged, and delete the dead letters that it is tried `instead_of`, in one transaction."""

        async def work(unit: Unit) -> Ordering:
            ordering = Ordering(unit, self._handlers)
            for dead_letter in instead_of:
                await unit.tx.delete(dead_letters.DEAD, dead_letter)
            for one in judged:
                if isinstance(one, Refused):
                    await dead_letters.store_dead_letter(unit.tx, one, unit.now)
                else:
                    with _traced(one, alone=len(judged) <= INLINE_SIGNATURES):
                        await ordering.take(one.entry, one.event)
            await ordering.finish()
            return ordering

        done = await self._outbox.transact(work, actor="bus")
        self.repeats += done.repeats
        for one in judged:
            if isinstance(one, Refused):
                self._count_refused(one)
        return done.keys_changed

    def _count_refused(self, refused: Refused) -> None:
        """Count a refused record, and log it. That a node's checkpoints come before its keys, at first, is no warning."""
        self.refused[refused.reason] = self.refused.get(refused.reason, 0) + 1
        at = {"topic": refused.record.topic, "offset": refused.record.offset}
        if refused.reason == "unknown-key" and not self.origin(refused.origin).seq(TRUST.name):
            _log.info("nothing is known of its node's keys yet; it is kept until then", **at)
        else:
            _log.warning("record refused", reason=refused.reason, **at)

    async def _refresh(self, origin: str) -> None:
        view = await read_view(self._store, origin)
        if view.contradictory and not self.origin(origin).contradictory:
            _log.error("contradictory log: tell the node's administrators", origin=origin)
        self._views[origin] = view

    async def _reconsider(self, kid: str) -> None:
        """Try again what was quarantined because this key was not known yet."""
        rows = await self._store.scan(dead_letters.DEAD, where={"kid": kid}, limit=dead_letters.MOST_OF_AN_ORIGIN)
        await self._replay([row.key for row in rows if row.body["reason"] == "unknown-key"])

    async def reconsider_nodes(self) -> None:
        """Try again what was refused because its node was not, or not active, in an earlier federation list."""
        for node in self._membership.list.nodes:
            for reason in admission.NODE_REASONS if node.status == "active" else ():
                where = {"origin": node.name, "reason": reason}
                rows = await self._store.scan(dead_letters.DEAD, where=where, limit=dead_letters.MOST_OF_AN_ORIGIN)
                await self.replay([row.key for row in rows])

    async def replay(self, ids: Sequence[str]) -> int:
        """Take dead letters in again; what is still refused is kept anew. Returns how many were tried."""
        async with self._turn:
            return await self._replay(ids)

    async def _replay(self, ids: Sequence[str]) -> int:
        found = [row for row in [await self._store.get(dead_letters.DEAD, key) for key in ids] if row is not None]
        if found:
            await self._receive([StoredDeadLetter.from_row(row).record for row in found], [row.key for row in found])
        return len(found)

    async def _revive(self) -> None:
        async for row in every(self._store, dead_letters.PARKED):
            await self._understand_now(row.key, row.body["jws"])

    async def _understand_now(self, key: str, jws: str) -> None:
        entry = parse(jws)
        event = understand(entry)
        handler = self._handlers.get(type(event)) if event else None
        if event is None:
            return

        async def work(unit: Unit) -> None:
            held = await unit.tx.get(LOG, key)
            early = held is None or held.body["hash"] != entry.hash
            if early and not event.reduces_trust:
                return  # its turn comes when the hole before it is filled
            if handler is not None:
                await handler(unit, Received(entry, event, early, unit.now))
            await unit.tx.delete(dead_letters.PARKED, key)

        try:
            await self._outbox.transact(work, actor="bus")
        except RETRY:
            raise
        except Exception:  # noqa: BLE001 - a fault of ours must stop one entry, never the stream
            _log.exception("a parked entry fails still", key=key)


def _guarded(record: Record, judge: Callable[[], J]) -> J | Refused:
    """Judge a record; one that our own code trips over is refused, alone: it must not come back for ever."""
    try:
        return judge()
    except Exception:  # noqa: BLE001 - whatever a stranger's bytes bring about, the records behind them go on
        _log.exception("a record could not be judged; it is kept as a dead letter", topic=record.topic, offset=record.offset)
        return Refused(
            record, "invalid", "not-judged", "This software failed over it. Report it, and replay it after an update."
        )


def _concluded(one: Candidate, *, anchored: bool = False) -> Sound | Refused:
    return _guarded(one.record, partial(conclude, one, anchored=anchored))


def _traced(one: Sound, *, alone: bool) -> AbstractContextManager[object]:
    """The trace that the request began goes on here, across bus and border; in a large batch entries are not traced."""
    parent = dict(one.record.headers).get("traceparent") if alone else None
    if not parent:
        return nullcontext()
    tracing = ExitStack()
    tracing.enter_context(continue_from(parent.decode("ascii", "replace")))
    tracing.enter_context(span("testamur.apply", kind=one.entry.envelope.kind, origin=one.entry.envelope.origin))
    return tracing


def _chain(one: Candidate | Refused) -> str:
    topic = parse_topic(one.record.topic)
    return one.record.topic if topic and isinstance(one, Candidate) else ""

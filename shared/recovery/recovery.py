"""Pulling back what a restored store has forgotten of its own log, and doing again what those entries did (ADR 17).

- Entries come from the bus, and from neighbours where the bus has them no longer. Each is verified and has to follow the one
  that is held here; those of several chains are taken in the order in which they were signed, which `aft` tells.
- One batch = one transaction {archive, heads, marks, effects}: whatever happens amid it, the next start goes on behind it,
  and no effect comes twice. Effects are the service's own functions for its own events (`restores`).
- What the restored outbox still holds and was signed after all is known by its id (`jti`): its effect is in the state
  already, and the row goes.
- The service takes its own node's streams in again from their start: its state is older than its position on the bus.
- A place that no one that answers can fill holds the service until another can.

What is lost if the process dies here: nothing. What stands in no log (who asked, stored answers, a request that waited for
its second person) is lost with the old store, and docs/operating.md says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Container, Mapping, Sequence

from shared.clock import rfc3339
from shared.errors import TestamurError
from shared.events.base import CHECKPOINTS, STREAMS, Event, Stream
from shared.events.chain import Position
from shared.events.trust import ServiceKeyAdded, ServiceKeyRetired
from shared.inbox.received import Handler, Received
from shared.log.archive import HEADS, LOG, archived, as_body, position_of
from shared.log.keyring import Keyring, keep
from shared.log.outbox import OUTBOX, Outbox, Unit
from shared.log.relay import MARKS
from shared.recovery.continuity import Continuity
from shared.recovery.holders import HeldEntry
from shared.recovery.own_entries import OwnEntries
from shared.store.port import Collection, Document, Transaction
from shared.store.walk import every
from shared.tasks.backoff import pause_after
from shared.telemetry import get_logger

BATCH_ENTRIES = 200
"""Entries that one transaction takes back."""

BATCH_BYTES = 256 * 1024
"""Bytes of events that one transaction takes back, unless one alone has more: what a mass revocation does is much work."""

NO_END = 2**53 - 1
"""Beyond every sequence."""

RETRY_SECONDS = (1.0, 2.0, 5.0)
"""Seconds before it is tried again where it did not go on; the last one is repeated."""

_log = get_logger("recovery")


class Recovery:
    """Brings one service's chains up to what others hold of them."""

    def __init__(
        self,
        outbox: Outbox,
        continuity: Continuity,
        keyring: Keyring,
        restores: Mapping[type[Event], Handler],
        take_again: Callable[[], Awaitable[None]],
    ) -> None:
        """`restores`: what each kind of the service's own events does to its state. `take_again` lets the service take its
        own node's streams in once more.
        """
        self._take_again = take_again
        self._outbox = outbox
        self._store = outbox.store
        self._holders = holders = continuity.holders
        self._continuity = continuity
        self._keyring = keyring
        self._restores = restores
        self._source = OwnEntries(holders)

    async def run(self) -> None:
        """Take back what is missing whenever something is, until cancelled."""
        while True:
            await self._continuity.log_complete.until(on=False)
            await self._recover()

    async def _recover(self) -> None:
        failures = 0
        while not self._continuity.log_complete.on:
            try:
                taken = 0 if self._continuity.diverged else await self._pull()
                await self._continuity.ask(everybody=True)
            except TestamurError as error:
                taken = 0
                self._continuity.stuck(error.detail)
            failures = 0 if taken else failures + 1
            if failures and not self._continuity.log_complete.on:
                await asyncio.sleep(pause_after(failures - 1, RETRY_SECONDS))

    async def _pull(self) -> int:
        """Take back what can be had now; returns how many entries that were."""
        taken = 0
        self._source.begin()
        await self._take_again()
        while batch := await self._batch():
            await self._take(batch)
            taken += len(batch)
            _log.warning("pulled back from others", entries=len(batch), holders=sorted({one.holder for one in batch}))
        lacking = await self._lacking()
        if not lacking:
            self._continuity.stuck("")
            await self._number_on()
        elif not self._continuity.diverged:
            places = ", ".join(f"{stream.name} {position.seq + 1}" for stream, position in lacking.items())
            self._continuity.stuck(f"No one that answers holds {places}. Bring back the bus or the neighbours that hold it.")
        return taken

    async def _lacking(self) -> dict[Stream, Position]:
        """The chains on which others are known to hold more, and how far each is here."""
        claimed, found = self._continuity.claimed(), {}
        for stream in self._chains():
            topic = self._holders.topic(stream)
            reached = position_of(await self._store.get(HEADS, topic))
            if claimed.get(topic, (0, 0)) > (reached.epoch, reached.seq):
                found[stream] = reached
        return found

    async def _batch(self) -> list[HeldEntry]:
        """The next entries in the order in which they were signed, as far as they can be had."""
        topics = {stream.name: self._holders.topic(stream) for stream in self._chains()}
        reached = {name: position_of(await self._store.get(HEADS, topic)) for name, topic in topics.items()}
        lacking, batch, size = await self._lacking(), list[HeldEntry](), 0
        while lacking and len(batch) < BATCH_ENTRIES and size < BATCH_BYTES:
            held = await self._following(lacking, reached)
            if held is None:
                break
            reached[held.entry.stream] = reached[held.entry.stream].advanced_by(held.entry)
            batch.append(held)
            size += len(held.entry.token.payload)
        return batch

    async def _following(self, lacking: Container[Stream], reached: Mapping[str, Position]) -> HeldEntry | None:
        for stream in self._chains():
            held = await self._source.after(stream, reached[stream.name], known=stream in lacking)
            if held is None:
                continue
            place = held.entry.envelope
            if place.previous != reached[stream.name].hash:
                await self._continuity.fork(held)
                return None
            if all(reached[name].seq >= seq for name, seq in place.after.items() if name in reached):
                self._source.drop(stream)
                return held
        return None

    async def _take(self, batch: Sequence[HeldEntry]) -> None:
        heads = {topic: await self._store.get(HEADS, topic) for topic in {held.entry.envelope.topic for held in batch}}

        async def work(unit: Unit) -> None:
            waiting = await _all_waiting(unit.tx)
            for held in batch:
                row = waiting.pop(held.entry.envelope.jti, None)
                if row is not None:
                    await unit.tx.delete(OUTBOX, row.key, expect=row.version)
                else:
                    await self._do_again(unit, held)
                await self._keep_key(unit, held)
            await unit.tx.insert_many(LOG, [archived(held.entry, rfc3339(unit.now)) for held in batch])
            for topic, head in heads.items():
                last = [held for held in batch if held.entry.envelope.topic == topic][-1]
                body = as_body(position_of(head).advanced_by(last.entry))
                await unit.tx.put(HEADS, topic, body, expect=head.version if head else 0)
                await unit.audit("log.restore", topic, to=last.entry.envelope.seq, holder=last.holder)
                if last.offset:
                    await _put(unit.tx, MARKS, topic, {**body, "offset": last.offset})

        await self._outbox.transact(work, actor="recovery")
        for held in batch:
            if isinstance(held.event, ServiceKeyAdded | ServiceKeyRetired):
                await self._keyring.learn(held.entry.envelope.origin, held.event.kid)

    async def _keep_key(self, unit: Unit, held: HeldEntry) -> None:
        """Keep what the entry says of a key of this node's. On a stream that never leaves the node, the end of a retired key
        is not in the entry: it was taken from this store's position on that stream, which the store has forgotten. So the
        key gets no end there.
        """
        place = held.entry.envelope
        private = {name: NO_END for name, stream in STREAMS.items() if not stream.public}
        if held.event is not None:
            await keep(unit.tx, place.origin, held.event, place.model_copy(update={"after": {**private, **place.after}}))

    async def _do_again(self, unit: Unit, held: HeldEntry) -> None:
        """What the entry's event did to the service's state."""
        place = held.entry.envelope
        if held.event is None:
            raise NotUnderstood(
                f"{held.entry.stream} {place.seq} is of a kind that this version does not know. Install the version that "
                "this node ran before."
            )
        handler = self._restores.get(type(held.event))
        if handler is not None:
            await handler(unit, Received(held.entry, held.event, early=False, known_at=unit.now))

    async def _number_on(self) -> None:
        """Let the next checkpoint have a number beyond all that others hold; its content is made anew."""
        newest = self._continuity.newest_checkpoint
        if newest is None:
            return
        place, entry = newest.entry.envelope, newest.entry

        async def work(tx: Transaction) -> None:
            head = await tx.get(HEADS, place.topic)
            reached = position_of(head)
            if (reached.epoch, reached.seq) < (place.epoch, place.seq):
                await tx.put(HEADS, place.topic, as_body(reached.advanced_by(entry)), expect=head.version if head else 0)
                await tx.insert(LOG, *archived(entry, rfc3339(self._outbox.clock.now())))

        await self._store.transact(work)

    def _chains(self) -> list[Stream]:
        return [stream for stream in self._holders.streams if stream is not CHECKPOINTS]


class NotUnderstood(TestamurError):
    """An entry of our own that this software cannot read."""

    title = "This node's own log is newer than its software."


async def _all_waiting(tx: Transaction) -> dict[str, Document]:
    """Every row of the outbox by its event's id."""
    return {row.body["id"]: row async for row in every(tx, OUTBOX)}


async def _put(tx: Transaction, collection: Collection, key: str, body: dict[str, object]) -> None:
    held = await tx.get(collection, key)
    await tx.put(collection, key, body, expect=held.version if held else 0)

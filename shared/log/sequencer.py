"""The sequencer: gives each event its place in its chain and signs it (protocol, section 3, T2).

- One per service, by lease; the fencing token and the heads are compared in the transaction that stores the entries.
- It takes the outbox in the order in which it was filled, so one subject's versions rise, and all chains of one writer lie
  in one order: each entry names the heads of the other chains (`aft`).
- An entry about one of the node's own keys ends its batch: what follows is signed, and judged, by what that entry says.
- A loser's signatures are thrown away unseen: an entry exists once it is stored, and never twice at one sequence.

What is lost if the process dies here: nothing. Before the commit the outbox still holds the rows; after it, the log does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from shared.clock import rfc3339
from shared.events.base import Stream
from shared.events.chain import Position
from shared.events.entry import Entry, Place, sign
from shared.events.trust import ServiceKeyAdded, ServiceKeyRetired
from shared.ids import new_event_id, topic_name
from shared.jose.signers import Signer
from shared.log.archive import HEADS, LOG, archived, as_body, position_of
from shared.log.keyring import keep
from shared.log.lease import acquire, fence, release
from shared.log.outbox import OUTBOX, Outbox, unsigned_of
from shared.log.signing import Signing
from shared.store.port import Document, Transaction
from shared.tasks.wakeups import wait_for
from shared.telemetry import get_logger

BATCH_ENTRIES = 500
"""How many entries one transaction stores: enough to make its fsync cheap, few enough to keep it short."""

INLINE_SIGNATURES = 8
"""Up to so many signatures are made on the event loop; a hop to a thread costs more than they do."""

IDLE_SECONDS = 1.0
"""Seconds between looks at the outbox when nothing wakes the sequencer: another process may have filled it."""

Learn = Callable[[str, str], Awaitable[None]]
"""Reads again what the store knows of a node's key (`Keyring.learn`)."""

_KEY_KINDS: Mapping[str, type[ServiceKeyAdded | ServiceKeyRetired]] = {
    ServiceKeyAdded.kind: ServiceKeyAdded,
    ServiceKeyRetired.kind: ServiceKeyRetired,
}

_log = get_logger("sequencer")


class Sequencer:
    """Drains one service's outbox into its chains."""

    def __init__(
        self,
        outbox: Outbox,
        signing: Signing,
        learn: Learn,
        streams: Sequence[Stream],
        federation: str,
        node: str,
        on_advance: Sequence[Callable[[], None]] = (),
    ) -> None:
        """`streams` are those that this service writes; `learn` is told what was stored of the node's own keys, and
        `on_advance` is called after each batch.
        """
        self._outbox = outbox
        self._store = outbox.store
        self._signing = signing
        self._learn_key = learn
        self._federation = federation
        self._node = node
        self._topics = {stream.name: topic_name(node, stream.name) for stream in streams}
        self._holder = new_event_id()
        self._token: int | None = None
        self._keys_changed: list[str] = []
        self._on_advance = on_advance

    async def run(self) -> None:
        """Sequence whatever is emitted, until cancelled."""
        try:
            while True:
                self._outbox.filled.clear()
                while await self.step():
                    pass
                await wait_for(self._outbox.filled, IDLE_SECONDS)
        finally:
            if self._token is not None:
                await release(self._store, "sequencer", self._token)

    async def step(self) -> int:
        """Sequence one batch; returns how many entries it stored (0: nothing to do, or the lease is somebody else's)."""
        await self._learn()
        rows = _up_to_a_key(await self._store.scan(OUTBOX, limit=BATCH_ENTRIES))
        if not rows:
            return 0
        self._token = await acquire(self._store, "sequencer", self._holder, self._outbox.clock.now())
        if self._token is None:
            return 0
        heads = {stream: await self._store.get(HEADS, topic) for stream, topic in self._topics.items()}
        entries = await self._sign(rows, heads, await self._signing.now())
        await self._commit(rows, heads, entries, self._token)
        await self._learn()
        for wake in self._on_advance:
            wake()
        return len(entries)

    async def _learn(self) -> None:
        """Let the service know what was stored of the node's own keys, also where the commit's answer never came."""
        while self._keys_changed:
            await self._learn_key(self._node, self._keys_changed[-1])
            self._keys_changed.pop()

    async def _sign(
        self, rows: Sequence[Document], heads: dict[str, Document | None], signers: Mapping[str, Signer]
    ) -> list[Entry]:
        if len(rows) <= INLINE_SIGNATURES:
            return self._sign_all(rows, heads, signers)
        return await asyncio.to_thread(self._sign_all, rows, heads, signers)

    def _sign_all(
        self, rows: Sequence[Document], heads: dict[str, Document | None], signers: Mapping[str, Signer]
    ) -> list[Entry]:
        reached = {stream: position_of(head) for stream, head in heads.items()}
        entries = []
        for row in rows:
            event = unsigned_of(row)
            entry = sign(event, self._place(event.stream, reached), signers[event.stream])
            reached[event.stream] = reached[event.stream].advanced_by(entry)
            entries.append(entry)
        return entries

    def _place(self, stream: str, reached: dict[str, Position]) -> Place:
        last = reached[stream]
        after = {name: position.seq for name, position in reached.items() if name != stream}
        return Place(self._federation, self._node, last.epoch, last.seq + 1, last.hash, after)

    async def _commit(
        self, rows: Sequence[Document], heads: dict[str, Document | None], entries: Sequence[Entry], token: int
    ) -> None:
        now = rfc3339(self._outbox.clock.now())
        last = {entry.stream: entry for entry in entries}
        event = _about_a_key(rows[-1])
        self._keys_changed += [event.kid] if event else []
        archive = [archived(entry, now, row.body["traceparent"]) for entry, row in zip(entries, rows, strict=True)]

        async def work(tx: Transaction) -> None:
            await fence(tx, "sequencer", token)
            for stream, entry in last.items():
                head = heads[stream]
                reached = position_of(head).advanced_by(entry)
                await tx.put(HEADS, self._topics[stream], as_body(reached), expect=head.version if head else 0)
            await tx.insert_many(LOG, archive)
            if event is not None:
                await keep(tx, self._node, event, entries[-1].envelope)
            for row in rows:
                await tx.delete(OUTBOX, row.key, expect=row.version)

        await self._store.transact(work)


def _up_to_a_key(rows: list[Document]) -> list[Document]:
    last = next((place for place, row in enumerate(rows) if row.body["kind"] in _KEY_KINDS), len(rows))
    return rows[: last + 1]


def _about_a_key(row: Document) -> ServiceKeyAdded | ServiceKeyRetired | None:
    kind = _KEY_KINDS.get(row.body["kind"])
    return kind.model_validate_json(row.body["value"]) if kind else None

"""How fresh our knowledge of a node is: from its checkpoints, never from the time something last arrived.

- Age = now - time of the newest checkpoint whose trust, status and registrations heads lie within our contiguous
  prefix, with the hashes that we hold. A mirror that drops one revocation and passes the heartbeats on makes no
  reader fresh.
- Within an epoch neither times nor heads go back; a checkpoint that contradicts another, or our chain, is a
  contradiction.
- A checkpoint ahead of our prefix stays *open* until the entries arrive. At most `OPEN_CHECKPOINTS` are kept: when
  there are more, every second one goes, so that the oldest, which is the next to be proven, and the newest stay
  however busy the node is.
- When checkpoints were proven is kept for `PROVEN_KEPT`, one in `PROVEN_APART`. So an answer about an earlier moment
  may call our knowledge up to `PROVEN_APART` older than it was then, and never younger.
- Every open checkpoint is held against our chain before a newer one takes its place: a false one is found in any
  order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from shared.clock import MAX_SKEW, rfc3339
from shared.events.base import PUBLIC, STREAMS
from shared.events.chain import log_key
from shared.events.checkpoints import FRESHNESS_STREAMS, Checkpoint
from shared.events.entry import Entry
from shared.ids import topic_name
from shared.log.archive import LOG, POSITIONS, archived, hash_at, position_of
from shared.store.port import Collection, Document, Reader, Transaction

T = TypeVar("T")

FRESHNESS = Collection("freshness")
"""Per origin one document: a `Freshness`."""

PROVEN = Collection("proven_checkpoints")
"""By `<origin>/<when it was proven here>`: `{time}`, of a checkpoint."""

PROVEN_APART = timedelta(minutes=5)
"""How far apart the rows of `PROVEN` are."""

PROVEN_KEPT = timedelta(days=30)
"""How long the rows of `PROVEN` are kept."""

OPEN_CHECKPOINTS = 64
"""The most open checkpoints that are kept of one origin."""


class ChainHead(NamedTuple):
    """The last entry of a chain: its sequence (0: none) and its hash."""

    seq: int
    hash: str


NO_HEAD = ChainHead(0, "")


class KnownCheckpoint(NamedTuple):
    """What is kept of a checkpoint: its time to the millisecond, its epoch and running number, and the heads by stream."""

    time: datetime
    epoch: int
    seq: int
    heads: Mapping[str, ChainHead]

    @classmethod
    def of(cls, entry: Entry, checkpoint: Checkpoint) -> KnownCheckpoint:
        """A checkpoint as it will be read again."""
        heads = {name: ChainHead(head.seq, head.hash) for name, head in checkpoint.heads.items()}
        time = datetime.fromisoformat(rfc3339(checkpoint.time))
        return cls(time, entry.envelope.epoch, entry.envelope.seq, heads)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> KnownCheckpoint:
        """As it stands in a document: `{time, seq, epoch, heads}`, each head as `[sequence, hash]`."""
        heads = {name: ChainHead(seq, digest) for name, (seq, digest) in row["heads"].items()}
        return cls(datetime.fromisoformat(row["time"]), row["epoch"], row["seq"], heads)

    def to_row(self) -> dict[str, Any]:
        """As it is written into a document."""
        heads = {name: list(head) for name, head in self.heads.items()}
        return {"time": rfc3339(self.time), "seq": self.seq, "epoch": self.epoch, "heads": heads}


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """What the checkpoints of one origin tell."""

    newest: KnownCheckpoint | None = None
    """The newest that was taken in."""
    proven: KnownCheckpoint | None = None
    """The newest whose heads lie within our contiguous prefix, with the hashes that we hold."""
    open: tuple[KnownCheckpoint, ...] = ()
    """Those that are still to be proven, the oldest first."""
    proven_at: datetime | None = None
    """When `proven` could be proven here."""
    noted: datetime | None = None
    """When a row of `PROVEN` was written last."""
    version: int = 0
    """Of the document in the store; 0 where there is none."""

    @classmethod
    def from_row(cls, row: Document | None) -> Freshness:
        """A document of `FRESHNESS`, or what is known of an origin that never spoke."""
        if row is None:
            return cls()
        body = row.body
        return cls(
            newest=_maybe(KnownCheckpoint.from_row, body["newest"]),
            proven=_maybe(KnownCheckpoint.from_row, body["proven"]),
            open=tuple(map(KnownCheckpoint.from_row, body["open"])),
            proven_at=_maybe(datetime.fromisoformat, body.get("proven_at")),
            noted=_maybe(datetime.fromisoformat, body.get("noted")),
            version=row.version,
        )

    def to_row(self) -> dict[str, Any]:
        """The body of its document."""
        body: dict[str, Any] = {
            "newest": self.newest.to_row() if self.newest else None,
            "proven": self.proven.to_row() if self.proven else None,
            "open": [checkpoint.to_row() for checkpoint in self.open],
        }
        moments = {"proven_at": self.proven_at, "noted": self.noted}
        return body | {name: rfc3339(moment) for name, moment in moments.items() if moment is not None}

    def announced(self, origin: str) -> dict[str, tuple[int, int]]:
        """Per topic, how far (epoch, sequence) the newest signed checkpoint says that its chain reaches."""
        if self.newest is None:
            return {}
        return {topic_name(origin, name): (self.newest.epoch, head.seq) for name, head in self.newest.heads.items()}


class Contradiction(NamedTuple):
    """Two signed statements of one node that cannot both be true."""

    topic: str
    detail: str


async def note(tx: Transaction, entry: Entry, checkpoint: Checkpoint, now: datetime) -> Contradiction | None:
    """Take in one checkpoint; a repeat or a late one changes nothing."""
    origin = entry.envelope.origin
    known, taken = Freshness.from_row(await tx.get(FRESHNESS, origin)), KnownCheckpoint.of(entry, checkpoint)
    newest = known.newest
    if newest and taken.time <= newest.time:
        return None
    if newest and newest.epoch == taken.epoch:
        back = _went_back(newest.heads, taken.heads)
        if back:
            return Contradiction(topic_name(origin, back), "A later checkpoint names an earlier head than one before it.")
    await _archive(tx, entry, newest, rfc3339(now))
    opened = (*known.open, taken)
    if len(opened) > OPEN_CHECKPOINTS:
        opened = opened[::2]
    await _put(tx, origin, replace(known, newest=taken, open=opened))
    return None


async def prove(tx: Transaction, origin: str, now: datetime) -> Contradiction | None:
    """Let the newest open checkpoint that our contiguous prefix covers become the proven one."""
    known, proven = Freshness.from_row(await tx.get(FRESHNESS, origin)), -1
    for index, checkpoint in enumerate(known.open):
        covered = await _covers(tx, origin, checkpoint)
        if isinstance(covered, Contradiction):
            return covered
        proven = index if covered else proven
    if proven >= 0:
        checkpoint, still_open = known.open[proven], known.open[proven + 1 :]
        noted = await _note_proven(tx, origin, checkpoint.time, known.noted, now)
        await _put(tx, origin, replace(known, proven=checkpoint, proven_at=now, noted=noted, open=still_open))
    return None


async def proven_by(reader: Reader, origin: str, moment: datetime, within: timedelta) -> datetime | None:
    """The time of the newest checkpoint that is known to have been proven here by `moment`, and not longer than `within`
    before; None when none is.
    """
    first, last = _proven_key(origin, moment - within), _proven_key(origin, moment)
    rows = await reader.scan(PROVEN, prefix=f"{origin}/", after=first, limit=within // PROVEN_APART + 2)
    times = [datetime.fromisoformat(row.body["time"]) for row in rows if row.key <= last]
    known = Freshness.from_row(await reader.get(FRESHNESS, origin))
    if known.proven and known.proven_at and known.proven_at <= moment:
        times.append(known.proven.time)
    return max(times, default=None)


async def _put(tx: Transaction, origin: str, known: Freshness) -> None:
    await tx.put(FRESHNESS, origin, known.to_row(), expect=known.version)


def age_of(proven: datetime | None, now: datetime) -> float | None:
    """Seconds since the newest proven checkpoint, never below 0. None (unknown) when there is none, or when it lies further
    ahead than two honest clocks may differ: our own clock was set back since, and we do not know by how much.
    """
    if proven is None or proven > now + MAX_SKEW:
        return None
    return max(0.0, (now - proven).total_seconds())


async def _note_proven(tx: Transaction, origin: str, time: datetime, noted: datetime | None, now: datetime) -> datetime:
    """Keep that a checkpoint is proven, unless one was kept just before; what has been kept long enough goes. Returns when a
    row was written last.
    """
    if noted is not None and abs(now - noted) < PROVEN_APART:
        return noted
    for row in await tx.scan(PROVEN, prefix=f"{origin}/", limit=10):
        if row.key < _proven_key(origin, now - PROVEN_KEPT):
            await tx.delete(PROVEN, row.key)
    key = _proven_key(origin, now)
    if await tx.get(PROVEN, key) is None:
        await tx.insert(PROVEN, key, {"time": rfc3339(time)})
    return now


def _proven_key(origin: str, moment: datetime) -> str:
    return f"{origin}/{moment.astimezone(UTC):%Y%m%dT%H%M%S%f}"


async def _archive(tx: Transaction, entry: Entry, before: KnownCheckpoint | None, now: str) -> None:
    """Keep the newest checkpoint as it was signed, so that this node can serve it to others; the one before goes."""
    if before is not None:
        await tx.delete(LOG, log_key(entry.envelope.topic, before.epoch, before.seq))
    key, body = archived(entry, now)
    if await tx.get(LOG, key) is None:
        await tx.insert(LOG, key, body)


def _went_back(before: Mapping[str, ChainHead], now: Mapping[str, ChainHead]) -> str | None:
    """The first stream whose head lies further back now than before, or names another entry at the same place."""
    for name, head in before.items():
        later = now.get(name, NO_HEAD)
        if later.seq < head.seq or (later.seq == head.seq and later.hash != head.hash):
            return name
    return None


def _maybe(read: Callable[[Any], T], value: Any) -> T | None:
    return read(value) if value is not None else None


async def _covers(tx: Transaction, origin: str, checkpoint: KnownCheckpoint) -> bool | Contradiction:
    """Whether our prefix covers every stream that freshness depends on, and the chains we hold agree."""
    covered = True
    for name in PUBLIC:
        if not STREAMS[name].chained or name not in FRESHNESS_STREAMS:
            continue
        head, topic = checkpoint.heads.get(name, NO_HEAD), topic_name(origin, name)
        position = position_of(await tx.get(POSITIONS, topic))
        reached, named = (position.epoch, position.seq), (checkpoint.epoch, head.seq)
        if reached < named:
            covered = False
            continue
        held = position.hash if reached == named else await hash_at(tx, topic, *named)
        if head.seq and held is not None and held != head.hash:
            return Contradiction(topic, "A checkpoint names another entry than the one held at that sequence.")
    return covered

"""How fresh our knowledge of a node is: from its checkpoints, never from the time something last arrived.

- Age = now - time of the newest checkpoint whose trust, status and registrations heads lie within our contiguous prefix,
  with the hashes that we hold. A mirror that drops one revocation and passes the heartbeats on makes nobody fresh.
- Within an epoch neither times nor heads go back; a checkpoint that contradicts another, or our chain, is a contradiction.
- A checkpoint ahead of our prefix stays *open* until the entries arrive. At most `OPEN` are kept: when there are more, every
  second one goes, so that the oldest, which is the next to be proven, and the newest stay however busy the node is.
- Which checkpoints were proven earlier is kept thinly, for `KEPT`: our knowledge of then may look older than it was, at most
  by `EVERY`, and never younger.
- Every open checkpoint is held against our chain before a newer one takes its place: a false one is found in any order.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from shared.clock import rfc3339
from shared.events.base import PUBLIC, STREAMS
from shared.events.chain import log_key
from shared.events.checkpoints import FRESHNESS_STREAMS, Checkpoint
from shared.events.entry import Entry
from shared.ids import topic_name
from shared.log.archive import LOG, POSITIONS, archived, hash_at, position_of
from shared.store.port import Collection, Document, Reader, Transaction

FRESHNESS = Collection("freshness")
"""Per origin: `{newest, proven, open}`, each checkpoint as `{time, seq, epoch, heads}`; `proven_at`: when we could prove it;
`noted`: when a row of `PROVEN` was written last.
"""

PROVEN = Collection("proven_checkpoints")
"""By `<origin>/<when it was proven here>`: `{time}`, of a checkpoint."""

EVERY = timedelta(minutes=5)
"""So far apart are the rows of `PROVEN`."""
KEPT = timedelta(days=30)
"""How long they are kept."""

OPEN = 64


class Contradiction(NamedTuple):
    """Two signed statements of one node that cannot both be true."""

    topic: str
    detail: str


async def note(tx: Transaction, entry: Entry, checkpoint: Checkpoint, now: datetime) -> Contradiction | None:
    """Take in one checkpoint; a repeat or a late one changes nothing."""
    origin = entry.envelope.origin
    held = await tx.get(FRESHNESS, origin)
    body = held.body if held else {"newest": None, "proven": None, "open": []}
    said: dict[str, Any] = {
        "time": rfc3339(checkpoint.time),
        "seq": entry.envelope.seq,
        "epoch": entry.envelope.epoch,
        "heads": {name: [head.seq, head.hash] for name, head in checkpoint.heads.items()},
    }
    newest = body["newest"]
    if newest and datetime.fromisoformat(said["time"]) <= datetime.fromisoformat(newest["time"]):
        return None
    if newest and newest["epoch"] == said["epoch"]:
        back = _went_back(newest["heads"], said["heads"])
        if back:
            return Contradiction(topic_name(origin, back), "A later checkpoint names an earlier head than one before it.")
    await _archive(tx, entry, newest, rfc3339(now))
    opened = [*body["open"], said]
    if len(opened) > OPEN:
        opened = opened[::2]
    await tx.put(FRESHNESS, origin, {**body, "newest": said, "open": opened}, expect=held.version if held else 0)
    return None


async def prove(tx: Transaction, origin: str, now: datetime) -> Contradiction | None:
    """Let the newest open checkpoint that our contiguous prefix covers become the proven one."""
    held = await tx.get(FRESHNESS, origin)
    if held is None or not held.body["open"]:
        return None
    opened, proven = held.body["open"], -1
    for index, checkpoint in enumerate(opened):
        covered = await _covers(tx, origin, checkpoint)
        if isinstance(covered, Contradiction):
            return covered
        proven = index if covered else proven
    if proven >= 0:
        noted = await _note_proven(tx, origin, opened[proven]["time"], held.body.get("noted"), now)
        body = {"proven": opened[proven], "proven_at": rfc3339(now), "noted": noted, "open": opened[proven + 1 :]}
        await tx.put(FRESHNESS, origin, {**held.body, **body}, expect=held.version)
    return None


async def proven_by(reader: Reader, origin: str, moment: datetime, within: timedelta) -> datetime | None:
    """The time of the newest checkpoint that is known to have been proven here by `moment`, and not longer than `within`
    before; None when none is.
    """
    first, last = _proven_key(origin, moment - within), _proven_key(origin, moment)
    rows = await reader.scan(PROVEN, prefix=f"{origin}/", after=first, limit=within // EVERY + 2)
    times = [datetime.fromisoformat(row.body["time"]) for row in rows if row.key <= last]
    row = await reader.get(FRESHNESS, origin)
    newest, at = proven_time(row), row.body.get("proven_at") if row else None
    if newest and at and datetime.fromisoformat(at) <= moment:
        times.append(newest)
    return max(times, default=None)


def proven_time(row: Document | None) -> datetime | None:
    """The time of the newest proven checkpoint, None when there is none yet."""
    proven = row.body["proven"] if row else None
    return datetime.fromisoformat(proven["time"]) if proven else None


def announced(row: Document | None, origin: str) -> dict[str, tuple[int, int]]:
    """Per topic, how far (epoch, sequence) the newest signed checkpoint says that its chain reaches."""
    newest = row.body["newest"] if row else None
    if not newest:
        return {}
    return {topic_name(origin, name): (newest["epoch"], seq) for name, (seq, _) in newest["heads"].items()}


async def _note_proven(tx: Transaction, origin: str, time: str, noted: str | None, now: datetime) -> str:
    """Keep that a checkpoint is proven, unless one was kept just before; what has been kept long enough goes."""
    if noted is not None and abs(now - datetime.fromisoformat(noted)) < EVERY:
        return noted
    for row in await tx.scan(PROVEN, prefix=f"{origin}/", limit=10):
        if row.key < _proven_key(origin, now - KEPT):
            await tx.delete(PROVEN, row.key)
    key = _proven_key(origin, now)
    if await tx.get(PROVEN, key) is None:
        await tx.insert(PROVEN, key, {"time": time})
    return rfc3339(now)


def _proven_key(origin: str, moment: datetime) -> str:
    return f"{origin}/{moment.astimezone(UTC):%Y%m%dT%H%M%S%f}"


async def _archive(tx: Transaction, entry: Entry, before: Mapping[str, Any] | None, now: str) -> None:
    """Keep the newest checkpoint as it was signed, so that this node can serve it to others; the one before goes."""
    if before is not None:
        await tx.delete(LOG, log_key(entry.envelope.topic, before["epoch"], before["seq"]))
    key, body = archived(entry, now)
    if await tx.get(LOG, key) is None:
        await tx.insert(LOG, key, body)


def _went_back(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    for name, (seq, digest) in before.items():
        later = now.get(name, [0, ""])
        if later[0] < seq or (later[0] == seq and later[1] != digest):
            return name
    return None


async def _covers(tx: Transaction, origin: str, checkpoint: Mapping[str, Any]) -> bool | Contradiction:
    """Whether our prefix covers every stream that freshness depends on, and the chains we hold agree."""
    covered = True
    for name in PUBLIC:
        if not STREAMS[name].chained or name not in FRESHNESS_STREAMS:
            continue
        seq, digest = checkpoint["heads"].get(name, [0, ""])
        topic = topic_name(origin, name)
        position = position_of(await tx.get(POSITIONS, topic))
        if (position.epoch, position.seq) < (checkpoint["epoch"], seq):
            covered = False
            continue
        held = (
            position.hash
            if (position.epoch, position.seq) == (checkpoint["epoch"], seq)
            else await hash_at(tx, topic, checkpoint["epoch"], seq)
        )
        if seq and held is not None and held != digest:
            return Contradiction(topic, "A checkpoint names another entry than the one held at that sequence.")
    return covered

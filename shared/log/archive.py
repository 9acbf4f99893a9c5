"""The archive: every entry this store holds, its own and others', as the bytes that were signed.

The archive of the origin is the truth; the bus is transport, and states are derived. One collection serves both the chains a
service writes (`heads`) and those it follows (`positions`): keys of one topic sort by epoch, then sequence.
"""

from __future__ import annotations

from typing import Any

from shared.events.chain import EPOCH_ONE, Position, log_key, log_prefix
from shared.events.entry import GENESIS, Entry
from shared.store.port import Collection, Document, Reader

LOG = Collection("log")
"""Entries by `<topic>/<epoch>/<sequence>`: `{jws, hash, trace, at}`; `at` is when this store first had it."""

HEADS = Collection("heads")
"""Per topic that this service writes: `{epoch, seq, hash}` of its last entry."""

POSITIONS = Collection("positions")
"""Per topic that this service follows: `{epoch, seq, hash}` up to which it is applied without a gap."""

COLLECTIONS = (LOG, HEADS, POSITIONS)


def archived(entry: Entry, at: str, traceparent: str = "") -> tuple[str, dict[str, Any]]:
    """An entry as a row of the archive: its key and its body."""
    place = entry.envelope
    body = {"jws": entry.compact.decode(), "hash": entry.hash, "trace": traceparent, "at": at}
    return log_key(place.topic, place.epoch, place.seq), body


def position_of(document: Document | None) -> Position:
    """The position in a head or position document; the start of epoch one where there is none."""
    if document is None:
        return Position()
    return Position(document.body["epoch"], document.body["seq"], document.body["hash"])


def as_body(position: Position) -> dict[str, Any]:
    """A position as a document's body."""
    return {"epoch": position.epoch, "seq": position.seq, "hash": position.hash}


async def read_on(store: Reader, topic: str, after: int, limit: int, epoch: int = EPOCH_ONE) -> list[Document]:
    """The next archived entries of a topic after a sequence of an epoch, in order."""
    return await store.scan(LOG, prefix=log_prefix(topic), after=log_key(topic, epoch, after), limit=limit)


async def hash_at(store: Reader, topic: str, epoch: int, seq: int) -> str | None:
    """The hash of an archived entry, or None where it is not held; sequence 0 is the start of a chain."""
    if seq == 0:
        return GENESIS
    row = await store.get(LOG, log_key(topic, epoch, seq))
    return row.body["hash"] if row else None

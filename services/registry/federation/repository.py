"""What is read from the archive for other nodes: entries as the bytes that were signed, its own and others'."""

from __future__ import annotations

from typing import NamedTuple

from shared.events.chain import Position
from shared.log.archive import HEADS, POSITIONS, position_of, read_on
from shared.store.port import Reader


class Run(NamedTuple):
    """Entries of one epoch in order, as compact tokens, and the trace context of each (unsigned; empty where there is none);
    `last` is the last one's sequence, or the one asked on from.
    """

    epoch: int
    entries: list[str]
    traces: list[str]
    last: int


async def entries_after(reader: Reader, topic: str, epoch: int, after: int, limit: int, max_bytes: int) -> Run:
    """The entries that follow a sequence: at most `limit`, at most `max_bytes` (but one at least), never across epochs."""
    entries: list[str] = []
    traces: list[str] = []
    size = 0
    for row in await read_on(reader, topic, after, limit, epoch):
        number, seq = (int(part) for part in row.key.split("/")[1:])
        size += len(row.body["jws"])
        if entries and (number != epoch or size > max_bytes):
            break
        entries.append(row.body["jws"])
        traces.append(row.body["trace"])
        epoch, after = number, seq
    return Run(epoch, entries, traces, after)


async def head(reader: Reader, topic: str, *, own: bool) -> Position:
    """How far this registry has a topic without a gap: the head of a chain that it writes, or the position in another."""
    return position_of(await reader.get(HEADS if own else POSITIONS, topic))

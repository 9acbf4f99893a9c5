"""The bus's file: topics, their records in order, and how far each consumer has come.

- What one call appends is kept as segments of up to a hundred records. A segment's row id holds its topic's number
  and its last record's offset, so a topic lies in one run of the file and is read in order.
- Appends and commits of positions share the group commit of one writer.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from shared.bus.port import BusUnavailable, Message, Record
from shared.bus.sqlite.segments import pack, unpack
from shared.sqlite.file import FileKind, connect
from shared.sqlite.group_commit import Writer

KIND = FileKind("bus", 0x54535442, 1, 16384)
"""`TSTB`, layout 1; large pages, since it is written and read in long runs."""

OFFSET_BITS = 40
"""Low bits of a row id that hold the offset: a million million records a topic, eight million topics."""

_LAST_OFFSET = (1 << OFFSET_BITS) - 1

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS topics (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    "CREATE TABLE IF NOT EXISTS segments (id INTEGER PRIMARY KEY, records BLOB NOT NULL)",
    """CREATE TABLE IF NOT EXISTS positions
    (consumer TEXT NOT NULL, topic TEXT NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (consumer, topic)) WITHOUT ROWID""",
)
_LAST = "SELECT id FROM segments WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT 1"
_NEXT = "SELECT id - ?, records FROM segments WHERE id > ? AND id <= ? ORDER BY id"
_NUMBER = "SELECT number FROM topics WHERE name = ?"
_SAVE = (
    "INSERT INTO positions (consumer, topic, position) VALUES (?, ?, ?) "
    "ON CONFLICT (consumer, topic) DO UPDATE SET position = excluded.position"
)


class SqliteLog:
    """Topics in one file; several of them, in one process or more, may share it."""

    def __init__(self, path: Path) -> None:
        self._writer = Writer(connect(path, KIND, _SCHEMA), BusUnavailable)
        self._reads = connect(path, KIND)
        self._reads.execute("PRAGMA query_only=ON")
        self._numbers: dict[str, int] = {}

    async def append(self, topic: str, messages: Sequence[Message]) -> int:
        """Append in this order; the last one's offset once all are durable."""
        known = self._numbers.get(topic)
        return await self._writer.run(lambda connection: _append(connection, topic, known, messages))

    def end(self, topic: str) -> int:
        """The last offset of a topic, 0 when it is empty."""
        number = self._number(topic)
        if number is None:
            return 0
        base = number << OFFSET_BITS
        rows = self._fetch(_LAST, (base, base | _LAST_OFFSET))
        return rows[0][0] - base if rows else 0

    def read(self, topic: str, after: int, limit: int) -> list[Record]:
        """At most `limit` records after an offset, in order; at once, without suspending."""
        number = self._number(topic)
        if number is None:
            return []
        base = number << OFFSET_BITS
        records: list[Record] = []
        with self._reading(), closing(self._reads.execute(_NEXT, (base, base | after, base | _LAST_OFFSET))) as segments:
            for last, segment in segments:
                records += unpack(topic, last, segment)
                if last - after >= limit:
                    break
        skipped = after + 1 - records[0].offset if records else 0
        return records[skipped : skipped + limit]

    def positions(self, consumer: str) -> dict[str, int]:
        """The committed position of a consumer on each topic that it ever committed."""
        return dict(self._fetch("SELECT topic, position FROM positions WHERE consumer = ?", (consumer,)))

    async def save_positions(self, consumer: str, positions: Mapping[str, int]) -> None:
        """Set committed positions, durably and together."""
        rows = [(consumer, topic, position) for topic, position in positions.items()]
        await self._writer.run(lambda connection: connection.executemany(_SAVE, rows).close())

    async def close(self) -> None:
        """Commit what is queued and close the file."""
        await self._writer.close()
        self._reads.close()

    def _number(self, topic: str) -> int | None:
        number = self._numbers.get(topic)
        if number is None:
            rows = self._fetch(_NUMBER, (topic,))
            if rows:
                number = self._numbers[topic] = rows[0][0]
        return number

    def _fetch(self, sql: str, values: Sequence[Any]) -> list[Any]:
        with self._reading():
            return self._reads.execute(sql, values).fetchall()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        self._writer.check()
        try:
            yield
        except sqlite3.OperationalError as error:
            raise BusUnavailable("The bus's file could not be read; see that the disk is sound, then repeat.") from error


def _append(connection: sqlite3.Connection, topic: str, known: int | None, messages: Sequence[Message]) -> int:
    """Inside the writer's transaction: number the topic when it is new, and add the records after its last."""
    number: int = known or _numbered(connection, topic)
    base = number << OFFSET_BITS
    found = connection.execute(_LAST, (base, base | _LAST_OFFSET)).fetchone()
    last: int = found[0] if found else base
    for held, segment in pack(messages):
        last += held
        connection.execute("INSERT INTO segments (id, records) VALUES (?, ?)", (last, segment))
    return last - base


def _numbered(connection: sqlite3.Connection, topic: str) -> int:
    connection.execute("INSERT INTO topics (name) VALUES (?) ON CONFLICT (name) DO NOTHING", (topic,))
    number: int = connection.execute(_NUMBER, (topic,)).fetchone()[0]
    return number

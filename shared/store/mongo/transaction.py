"""One unit of work: what it asks and changes, kept in memory over a snapshot until its whole group is written.

- What it writes is seen by its own reads at once. Nothing goes to the database before the unit's group has run.
- A write of what was not read is assumed to be in order: the key to be free, the version to be the one expected. The bulk
  write finds out, and if one assumption was wrong the group is run again *carefully*: then each write looks first, and the
  unit that is at fault hears of it at the statement at fault, as the port promises.
- A unit that awaits anything but its own store is refused: it would hold up the store and could not be run again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator, Mapping, Sequence
from contextlib import suppress
from contextvars import Context
from typing import Any

from shared.store.mongo.snapshot import (
    ANY,
    CountQuestion,
    DocumentKey,
    GroupRow,
    KeysQuestion,
    PageQuestion,
    Question,
    Snapshot,
)
from shared.store.mongo.table import MongoTable, UniqueValue
from shared.store.port import PAGE, Body, Collection, Document, DuplicateKey, Scalar, VersionConflict, Work
from shared.store.queries import CHANGED, FOREIGN_AWAIT, TAKEN, table_of


class Layer:
    """Changes over a snapshot: the rows by place, and who holds each unique value now (None: it was given up)."""

    def __init__(self) -> None:
        self.rows: dict[DocumentKey, GroupRow] = {}
        self.holders: dict[UniqueValue, str | None] = {}

    def update(self, other: Layer) -> None:
        """Lay another layer on top of this one."""
        self.rows.update(other.rows)
        self.holders.update(other.holders)

    def of(self, table: MongoTable) -> Iterator[tuple[str, GroupRow]]:
        """The rows of one collection."""
        return ((place[1], row) for place, row in self.rows.items() if place[0] == table.name)


class MongoTransaction:
    """`Transaction` over a snapshot and what earlier units of the group have changed (`below`)."""

    def __init__(self, tables: Mapping[str, MongoTable], snapshot: Snapshot, below: Layer, *, careful: bool) -> None:
        self._tables = tables
        self._snapshot = snapshot
        self._below = below
        self._careful = careful
        self.own = Layer()
        self.seen: set[DocumentKey] = set()
        self.scanned: set[str] = set()
        self.doubtful = False
        """Whether it changed what would have shown an assumption to be wrong, so that the bulk write cannot find out."""

    async def get(self, collection: Collection, key: str) -> Document | None:
        """The document of that key, or None."""
        table = table_of(self._tables, collection)
        row = self._known(table, key)
        if row is None:
            row = await self._look(table, key)
        return row.document(key) if row.version else None

    async def scan(
        self,
        collection: Collection,
        *,
        prefix: str = "",
        after: str = "",
        where: Mapping[str, Scalar] | None = None,
        limit: int = PAGE,
        reverse: bool = False,
    ) -> list[Document]:
        """One page in key order; see the port."""
        table = table_of(self._tables, collection)
        search = table.search(where, prefix, after, reverse=reverse)
        if limit <= 0:
            return []
        changed = self._changed(table)
        found = await PageQuestion(table, search, list(changed), limit, -1 if reverse else 1)
        mine = [row.document(key) for key, row in changed.items() if row.version]
        found += [document for document in mine if search.takes(document)]
        return sorted(found, key=lambda document: document.key, reverse=reverse)[:limit]

    async def count(self, collection: Collection, where: Mapping[str, Scalar] | None = None) -> int:
        """How many documents match."""
        table = table_of(self._tables, collection)
        search = table.search(where)
        changed = self._changed(table)
        stored: int = await CountQuestion(table, search, list(changed))
        return stored + sum(search.takes(row.document(key)) for key, row in changed.items() if row.version)

    async def insert(self, collection: Collection, key: str, body: Body) -> None:
        """Add a document at version 1, or `DuplicateKey`."""
        await self.insert_many(collection, [(key, body)])

    async def insert_many(self, collection: Collection, rows: Sequence[tuple[str, Body]]) -> None:
        """Add all documents or, with `DuplicateKey`, none."""
        table = table_of(self._tables, collection)
        new = [(key, table.encode(key, body), table.unique_values(body)) for key, body in rows]
        if self._careful:
            unknown = [key for key, _, _ in new if self._known(table, key) is None]
            await KeysQuestion(table, unknown, [unique for _, _, uniques in new for unique in uniques])
        keys: set[str] = set()
        values: set[UniqueValue] = set()
        for key, _, uniques in new:
            row = self._known(table, key)
            there = row is not None and row.version
            if there or key in keys or not values.isdisjoint(uniques) or self._is_taken(table, key, uniques):
                raise DuplicateKey(TAKEN)
            keys.add(key)
            values.update(uniques)
        for key, raw, uniques in new:
            self._write(table, key, self._known(table, key), 1, 0, raw, uniques)

    async def put(self, collection: Collection, key: str, body: Body, expect: int) -> int:
        """Replace the body at version `expect` and return the new version, or `VersionConflict`."""
        table = table_of(self._tables, collection)
        raw, uniques = table.encode(key, body), table.unique_values(body)
        row = self._known(table, key)
        if self._careful and (row is None or uniques):
            await KeysQuestion(table, [key], uniques)
            row = self._known(table, key)
        elif row is None and self._is_taken(table, key, uniques):  # which of the two errors it is must not be assumed
            row = await self._look(table, key)
        if row is not None and row.version != expect:
            raise VersionConflict(CHANGED)
        if self._is_taken(table, key, uniques):
            raise DuplicateKey(TAKEN)
        self._write(table, key, row, expect + 1, expect, raw, uniques)
        return expect + 1

    async def delete(self, collection: Collection, key: str, expect: int | None = None) -> None:
        """Remove a document; `VersionConflict` when it is not at version `expect`."""
        table = table_of(self._tables, collection)
        row = self._known(table, key)
        if row is None and self._careful and expect is not None:
            row = await self._look(table, key)
        if row is not None and expect not in (None, row.version or None):
            raise VersionConflict(CHANGED)
        if row is None or row.version:
            self._write(table, key, row, 0, ANY if expect is None else expect)

    def assumes(self) -> bool:
        """Whether it has written anything that the bulk write must confirm."""
        return any(row.assumed for row in self.own.rows.values())

    def meets(self, below: Layer) -> bool:
        """Whether those changes touch anything that this unit has read, searched or written."""
        return not (
            below.rows.keys().isdisjoint(self.seen)
            and below.holders.keys().isdisjoint(self.own.holders)
            and self.scanned.isdisjoint(place[0] for place in (below.rows if self.scanned else ()))
        )

    def _known(self, table: MongoTable, key: str) -> GroupRow | None:
        place = table.name, key
        self.seen.add(place)
        return self.own.rows.get(place) or self._below.rows.get(place) or self._snapshot.rows.get(place)

    async def _look(self, table: MongoTable, key: str) -> GroupRow:
        await KeysQuestion(table, [key])
        return self._snapshot.rows[table.name, key]

    def _changed(self, table: MongoTable) -> dict[str, GroupRow]:
        self.scanned.add(table.name)
        return {**dict(self._below.of(table)), **dict(self.own.of(table))}

    def _is_taken(self, table: MongoTable, key: str, uniques: Sequence[UniqueValue]) -> bool:
        """Whether another document holds one of these unique values, as far as is known."""
        return any(self._holder(table, unique) not in (None, key) for unique in uniques)

    def _holder(self, table: MongoTable, unique: UniqueValue) -> str | None:
        for layer in (self.own, self._below):
            if unique in layer.holders:
                return layer.holders[unique]
        return self._stored_holder(table, unique)

    def _stored_holder(self, table: MongoTable, unique: UniqueValue) -> str | None:
        """The key that holds a unique value in the database, as far as was asked; not one that was changed here."""
        holder = self._snapshot.holders.get(unique)
        if holder is None:
            return None
        self._known(table, holder)
        place = table.name, holder
        return None if place in self.own.rows or place in self._below.rows else holder

    def _write(
        self,
        table: MongoTable,
        key: str,
        old: GroupRow | None,
        version: int,
        base: int,
        raw: bytes = b"",
        uniques: tuple[UniqueValue, ...] = (),
    ) -> None:
        assumed = not self._careful and (old is None or old.assumed or bool(uniques)) and base != ANY
        self.doubtful |= bool(table.uniques) and self._hides(table, key, old, base)
        if old is not None:
            base = old.base
            self.doubtful |= old.assumed and bool(old.uniques or not (old.base or version))
            self.own.holders.update(dict.fromkeys(old.uniques))
        self.own.holders.update(dict.fromkeys(uniques, key))
        self.own.rows[table.name, key] = GroupRow(version, base, raw, uniques, assumed)

    def _hides(self, table: MongoTable, key: str, old: GroupRow | None, base: int) -> bool:
        """Whether a stored document is changed whose unique value another one was assumed to find free."""
        place = table.name, key
        if place in self.own.rows or place in self._below.rows or not (base if old is None else old.version):
            return False
        given = None if old is None else set(table.unique_values(old.document(key).body))
        takers = [
            row.uniques for layer in (self.own, self._below) for _, row in layer.of(table) if row.assumed and row.uniques
        ]
        return any(given is None or not given.isdisjoint(uniques) for uniques in takers)


class QueuedUnit:
    """One waiter's work, driven step by step. It is run anew by another `start`."""

    def __init__(self, work: Work[Any], context: Context) -> None:
        self._work = work
        self._context = context
        self._steps: Any = None
        self.result: Any = None
        self.error: BaseException | None = None

    def start(self, tx: MongoTransaction) -> Question | None:
        """Run from the beginning up to the first question; None when it came to its end without one."""
        self.tx = tx
        self.result = self.error = None
        try:
            self._steps = self._context.run(_begin, self._work, tx)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the waiter's
            self.error = error
            return None
        return self.go_on()

    def go_on(self) -> Question | None:
        """Run up to the next question; None when it has come to its end."""
        try:
            question = self._context.run(next, self._steps)
        except StopIteration as done:
            self.result = done.value
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the waiter's
            self.error = error
        else:
            if isinstance(question, Question):
                return question
            self.leave()
            self.error = RuntimeError(FOREIGN_AWAIT)
        return None

    def leave(self) -> None:
        """Give up what is under way; nothing of it is kept."""
        with suppress(Exception):
            self._context.run(self._steps.close)


def _begin(work: Work[Any], tx: MongoTransaction) -> Iterator[Any]:
    started: Awaitable[Any] = work(tx)
    return iter(started.__await__())

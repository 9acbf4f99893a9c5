"""The store on SQLite: one file a service, no server.

- A transaction's coroutine is driven on the writer's thread, one step: what it awaits never suspends, so it needs no loop.
- Reads outside a transaction run inline on their own connection: they take microseconds, see the last commit and wait for
  nobody, where a hop to a thread would cost ten times as much.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from shared.sqlite.file import FileKind, connect, directory_of, empty_log
from shared.sqlite.group_commit import Writer
from shared.store.port import (
    PAGE,
    Body,
    Collection,
    Document,
    DuplicateKey,
    Scalar,
    StoreUnavailable,
    T,
    VersionConflict,
    Work,
)
from shared.store.queries import CHANGED, FOREIGN_AWAIT, TAKEN, table_of
from shared.store.sqlite.table import SqliteTable, prepare_table

KIND = FileKind("store", 0x54535453, 1, 4096)
"""`TSTS`, layout 1."""

Fetch = Callable[[str, Sequence[Any]], list[Any]]
"""Runs a statement and returns all its rows."""


class SqliteReader:
    """`Reader` over one connection; it never suspends."""

    def __init__(self, fetch: Fetch, tables: Mapping[str, SqliteTable]) -> None:
        self._fetch = fetch
        self._tables = tables

    async def get(self, collection: Collection, key: str) -> Document | None:
        """The document of that key, or None."""
        rows = self._fetch(self._table(collection).get, (key,))
        return Document(key, orjson.loads(rows[0][1]), rows[0][2]) if rows else None

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
        rows = self._fetch(*self._table(collection).page(prefix, after, where, limit, reverse))
        return [Document(key, orjson.loads(body), version) for key, body, version in rows]

    async def count(self, collection: Collection, where: Mapping[str, Scalar] | None = None) -> int:
        """How many documents match."""
        total: int = self._fetch(*self._table(collection).tally(where))[0][0]
        return total

    def _table(self, collection: Collection) -> SqliteTable:
        return table_of(self._tables, collection)


class SqliteTransaction(SqliteReader):
    """`Transaction` on the write connection, inside the writer's savepoint."""

    def __init__(self, connection: sqlite3.Connection, tables: Mapping[str, SqliteTable]) -> None:
        super().__init__(lambda sql, values: connection.execute(sql, values).fetchall(), tables)
        self._execute = connection.execute
        self._executemany = connection.executemany

    async def insert(self, collection: Collection, key: str, body: Body) -> None:
        """Add a document at version 1, or `DuplicateKey`; the failed statement alone is undone."""
        table = self._table(collection)
        self._change(table.insert, [key, *table.row(body)])

    async def insert_many(self, collection: Collection, rows: Sequence[tuple[str, Body]]) -> None:
        """Add all documents or, with `DuplicateKey`, none."""
        table = self._table(collection)
        values = [[key, *table.row(body)] for key, body in rows]
        self._execute("SAVEPOINT many")
        try:
            self._executemany(table.insert, values)
        except BaseException as error:
            self._execute("ROLLBACK TO many")
            self._execute("RELEASE many")
            if isinstance(error, sqlite3.IntegrityError):
                raise DuplicateKey(TAKEN) from error
            raise
        self._execute("RELEASE many")

    async def put(self, collection: Collection, key: str, body: Body, expect: int) -> int:
        """Replace the body at version `expect` and return the new version, or `VersionConflict`."""
        table = self._table(collection)
        if expect == 0:
            changed = self._change(table.insert_absent, [key, *table.row(body)])
        else:
            changed = self._change(table.update, [*table.row(body), key, expect])
        if not changed:
            raise VersionConflict(CHANGED)
        return expect + 1

    async def delete(self, collection: Collection, key: str, expect: int | None = None) -> None:
        """Remove a document; `VersionConflict` when it is not at version `expect`."""
        table = self._table(collection)
        if expect is None:
            self._change(table.delete, [key])
        elif not self._change(table.delete_version, [key, expect]):
            raise VersionConflict(CHANGED)

    def _change(self, sql: str, values: list[Any]) -> int:
        try:
            return self._execute(sql, values).rowcount
        except sqlite3.IntegrityError as error:
            raise DuplicateKey(TAKEN) from error


class SqliteStore:
    """`Store` in one file; several of them, in one process or more, may share it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer = Writer(connect(path, KIND), StoreUnavailable)
        self._reads = connect(path, KIND)
        self._reads.execute("PRAGMA query_only=ON")
        self._tables: dict[str, SqliteTable] = {}
        self._reader = SqliteReader(self._fetch, self._tables)

    async def prepare(self, collections: Sequence[Collection]) -> None:
        """Make what is missing, in one transaction."""
        self._tables.update(await self._writer.run(lambda connection: _prepare(connection, collections)))

    async def get(self, collection: Collection, key: str) -> Document | None:
        """The document of that key as of the last commit, or None."""
        return await self._reader.get(collection, key)

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
        """One page in key order, as of the last commit."""
        return await self._reader.scan(collection, prefix=prefix, after=after, where=where, limit=limit, reverse=reverse)

    async def count(self, collection: Collection, where: Mapping[str, Scalar] | None = None) -> int:
        """How many documents match, as of the last commit."""
        return await self._reader.count(collection, where)

    async def transact(self, work: Work[T]) -> T:
        """Run `work` once, in a group with whatever else waits, and return when the group is on the disk."""
        return await self._writer.run(lambda connection: drive(work(SqliteTransaction(connection, self._tables))))

    async def scrub(self) -> bool:
        """Empty the write-ahead log, which still holds the pages as they were; deleted rows are overwritten already."""
        return await asyncio.to_thread(empty_log, self._path, KIND)

    async def close(self) -> None:
        """Commit what is queued and close the file."""
        await self._writer.close()
        self._reads.close()

    def _fetch(self, sql: str, values: Sequence[Any]) -> list[Any]:
        self._writer.check()
        try:
            return self._reads.execute(sql, values).fetchall()
        except sqlite3.OperationalError as error:
            raise StoreUnavailable("The store's file could not be read; see that the disk is sound, then repeat.") from error


def drive(work: Awaitable[T]) -> T:
    """Run an awaitable that never suspends to its end; `RuntimeError` when it does, after closing it."""
    steps = work.__await__()
    try:
        next(steps)
    except StopIteration as done:
        result: T = done.value
        return result
    except RuntimeError as error:
        if str(error) == "no running event loop":  # asyncio's own words, for a sleep or a socket
            raise RuntimeError(FOREIGN_AWAIT) from error
        raise
    steps.close()
    raise RuntimeError(FOREIGN_AWAIT)


def _prepare(connection: sqlite3.Connection, collections: Sequence[Collection]) -> dict[str, SqliteTable]:
    return {collection.name: prepare_table(connection, collection) for collection in collections}


async def open_sqlite(url: str, service: str, collections: Sequence[Collection]) -> SqliteStore:
    """The file `<service>.db` in the folder that the URL names, with its collections prepared."""
    store = SqliteStore(directory_of(url, "TESTAMUR_STORE") / f"{service}.db")
    await store.prepare(collections)
    return store

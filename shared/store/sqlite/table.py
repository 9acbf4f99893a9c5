"""How a collection lies in SQLite: one table, a column per indexed member, and the text of every statement on it.

- `key TEXT PRIMARY KEY` sorts by UTF-8 bytes (the BINARY collation). Rows lie in the order in which they came and the keys
  in an index: in a table without row ids a body over a quarter of a page spills, and random keys move whole bodies about.
- An index that is not unique ends with the key, so that a page of a search is read in order and not sorted anew each time.
- The body is JSON in bytes; an indexed member is copied into the column `m_<member>`, NULL where it is missing.
- SQLite holds NULLs of a unique index apart (https://sqlite.org/lang_createindex.html), as the port promises.
- A column that an earlier declaration made is kept and still written, so that it is right when it is declared again.
"""

# Names in these statements were matched against a pattern; values are always bound.
# ruff: noqa: S608

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from shared.errors import Misconfigured
from shared.store.port import Body, Collection, Index, Scalar
from shared.store.queries import plain, require_index, require_names, span


class SqliteTable:
    """The statements of one collection. `members` are the columns beside key, version and body, in their order."""

    def __init__(self, collection: Collection, members: Iterable[str]) -> None:
        self.collection = collection
        self.members = tuple(members)
        self.name = table_name(collection)
        columns = "".join(f", m_{member}" for member in self.members)
        marks = ", ?" * len(self.members)
        changes = "".join(f", m_{member} = ?" for member in self.members)
        self.get = f"SELECT key, body, version FROM {self.name} WHERE key = ?"
        self.insert = f"INSERT INTO {self.name} (key, version, body{columns}) VALUES (?, 1, ?{marks})"
        self.insert_absent = f"{self.insert} ON CONFLICT (key) DO NOTHING"
        self.update = f"UPDATE {self.name} SET version = version + 1, body = ?{changes} WHERE key = ? AND version = ?"
        self.delete = f"DELETE FROM {self.name} WHERE key = ?"
        self.delete_version = f"DELETE FROM {self.name} WHERE key = ? AND version = ?"

    def row(self, body: Body) -> list[Any]:
        """The body in bytes, then the value of each indexed member."""
        return [
            orjson.dumps(body if type(body) is dict else dict(body)),
            *[plain(body.get(name)) for name in self.members],
        ]

    def page(
        self, prefix: str, after: str, where: Mapping[str, Scalar] | None, limit: int, reverse: bool
    ) -> tuple[str, list[Any]]:
        """The statement and values of one page of `scan`; one lower and one upper bound at most, so a page is one seek."""
        lower, strictly, upper = span(prefix, after, reverse=reverse)
        clauses, values = self._equal(where)
        if lower:
            clauses.append("key > ?" if strictly else "key >= ?")
            values.append(lower)
        if upper is not None:
            clauses.append("key < ?")
            values.append(upper)
        order = "DESC" if reverse else "ASC"
        values.append(max(limit, 0))
        return f"SELECT key, body, version FROM {self.name}{_where(clauses)} ORDER BY key {order} LIMIT ?", values

    def tally(self, where: Mapping[str, Scalar] | None) -> tuple[str, list[Any]]:
        """The statement and values of `count`."""
        clauses, values = self._equal(where)
        return f"SELECT count(*) FROM {self.name}{_where(clauses)}", values

    def _equal(self, where: Mapping[str, Scalar] | None) -> tuple[list[str], list[Any]]:
        if not where:
            return [], []
        require_index(self.collection, where)
        return [f"m_{name} IS ?" for name in where], [plain(value) for value in where.values()]


def table_name(collection: Collection) -> str:
    """The table of a collection; `ValueError` when its name or a member's could not stand in a statement."""
    require_names(collection)
    return f"c_{collection.name}"


def prepare_table(connection: sqlite3.Connection, collection: Collection) -> SqliteTable:
    """Make what is missing of a collection inside the open transaction, fill new columns, drop undeclared indexes."""
    name = table_name(collection)
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {name} (key TEXT PRIMARY KEY NOT NULL, version INTEGER NOT NULL, body BLOB NOT NULL)"
    )
    present = [row[1][2:] for row in connection.execute(f"PRAGMA table_info({name})") if row[1].startswith("m_")]
    declared = dict.fromkeys(member for index in collection.indexes for member in index.fields)
    missing = [member for member in declared if member not in present]
    for member in missing:
        connection.execute(f"ALTER TABLE {name} ADD COLUMN m_{member}")
    if missing:
        fill = ", ".join(f"m_{member} = json_extract(CAST(body AS TEXT), '$.{member}')" for member in missing)
        connection.execute(f"UPDATE {name} SET {fill}")
    _prepare_indexes(connection, collection, name)
    return SqliteTable(collection, present + missing)


def _prepare_indexes(connection: sqlite3.Connection, collection: Collection, table: str) -> None:
    wanted = {_index_name(table, index): index for index in collection.indexes}
    query = "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL"
    present = {row[0] for row in connection.execute(query, (table,)).fetchall()}
    for name in present - wanted.keys():
        connection.execute(f"DROP INDEX {name}")
    for name in wanted.keys() - present:
        unique = "UNIQUE " if wanted[name].unique else ""
        columns = ", ".join([*[f"m_{member}" for member in wanted[name].fields], *([] if unique else ["key"])])
        try:
            connection.execute(f"CREATE {unique}INDEX {name} ON {table} ({columns})")
        except sqlite3.IntegrityError as error:
            raise Misconfigured(
                f"The collection {collection.name} breaks a new unique index; remove the doubles and start again."
            ) from error


def _index_name(table: str, index: Index) -> str:
    members = "__".join(index.fields)
    return f"u_{table}__{members}" if index.unique else f"i_{table}__{members}__key"


def _where(clauses: list[str]) -> str:
    return f" WHERE {' AND '.join(clauses)}" if clauses else ""

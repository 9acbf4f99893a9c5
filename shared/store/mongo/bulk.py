"""The changes of a group as one `bulkWrite` command, and the check that each met what it was told to meet.

- Every group that writes also raises the counter of one document, the *guard*. Snapshots alone allow write skew: two
  transactions that each read what the other writes may both commit. With the guard they write one document, so that one of
  them fails and is run again: all that commit are in one order, and transactions are serialisable, between processes too.
- Each replacement and removal names the version that it expects; an insert is refused by the index. What was assumed of a
  document that nobody read is so confirmed in the same command.
- Removals come first, so that unique values are free before they are taken; where a collection has any, a replacement is a
  removal and an insert.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure

from shared.store.mongo.errors import TOO_LARGE_FOR_CACHE
from shared.store.mongo.snapshot import ANY, DocumentKey, GroupRow
from shared.store.mongo.table import MongoTable

GUARD = "testamur.guard"
"""The collection of the guard; no collection of a service can be named like it."""

GUARD_KEY = "guard"

COMMAND_BYTES = 12 * 1024 * 1024
"""The most bytes of one command, since the driver sends none above 16 MB; one document is always taken."""

COMMAND_OPERATIONS = 50_000
"""The most operations of one command, half of what MongoDB takes."""

_OPERATION_BYTES = 200
"""What an operation weighs beside its document and its keys; an upper estimate."""

Operation = dict[str, Any]


class Refused(Exception):
    """The bulk write found an assumption wrong; its transaction is lost. `code` is MongoDB's, 0 when a version differed."""

    def __init__(self, code: int) -> None:
        super().__init__(f"refused with code {code}")
        self.code = code


class Bulk:
    """Writes into one service's database, inside a session's transaction."""

    def __init__(self, client: Any, database: str, tables: Mapping[str, MongoTable], session: Any) -> None:
        self._admin = client["admin"]
        self._tables = tables
        self._session = session
        self._names = [GUARD, *tables]
        self._number = {name: number for number, name in enumerate(self._names)}
        self._spaces = [{"ns": f"{database}.{name}"} for name in self._names]

    async def claim(self) -> None:
        """Write the guard alone, before anything is read: a rival that comes second hears of it now and not at the end."""
        await self._send([_guard()], counted=True)

    async def write(self, rows: Mapping[DocumentKey, GroupRow], *, claimed: bool) -> None:
        """Write what has changed; `Refused` when an assumption was wrong."""
        blind: list[Operation] = []
        removals: list[Operation] = [] if claimed else [_guard()]
        replacements: list[Operation] = []
        inserts: list[Operation] = []
        for (name, key), row in rows.items():
            number = self._number[name]
            whole = {"_id": key, "v": row.version, "body": RawBSONDocument(row.raw)} if row.version else None
            if row.base == ANY:
                blind.append({"delete": number, "filter": {"_id": key}, "multi": False})
            elif row.base and whole and not self._tables[name].uniques:
                wanted = {"_id": key, "v": row.base}
                replacements.append({"update": number, "filter": wanted, "updateMods": whole, "multi": False})
                continue
            elif row.base:
                removals.append({"delete": number, "filter": {"_id": key, "v": row.base}, "multi": False})
            if whole:
                inserts.append({"insert": number, "document": whole})
        for part in _parts(blind):
            await self._send(part, counted=False)
        for part in _parts(removals + replacements + inserts):
            await self._send(part, counted=True)

    async def _send(self, operations: list[Operation], *, counted: bool) -> None:
        command = {"bulkWrite": 1, "ops": operations, "nsInfo": self._spaces, "errorsOnly": True, "ordered": True}
        reply = await self._admin.command(command, session=self._session)
        if reply["nErrors"]:
            code = reply["cursor"]["firstBatch"][0]["code"]
            if code == TOO_LARGE_FOR_CACHE:
                raise OperationFailure("The transaction found no room in the cache.", code)
            raise Refused(code)
        if counted and reply["nMatched"] + reply["nDeleted"] + reply["nInserted"] != len(operations):
            raise Refused(0)


def _guard() -> Operation:
    return {"update": 0, "filter": {"_id": GUARD_KEY}, "updateMods": {"$inc": {"commits": 1}}, "multi": False}


def _parts(operations: list[Operation]) -> Iterator[list[Operation]]:
    part: list[Operation] = []
    size = 0
    for operation in operations:
        weight = _weight(operation)
        if part and (size + weight > COMMAND_BYTES or len(part) == COMMAND_OPERATIONS):
            yield part
            part, size = [], 0
        part.append(operation)
        size += weight
    if part:
        yield part


def _weight(operation: Operation) -> int:
    whole: Any = operation.get("document") or operation.get("updateMods") or {}
    key = operation.get("filter", whole)["_id"]
    return _OPERATION_BYTES + 8 * len(key) + (len(whole["body"].raw) if "body" in whole else 0)

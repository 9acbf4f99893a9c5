"""What one group of transactions reads: a snapshot of the database, asked once for each thing.

- A transaction of MongoDB reads from one snapshot, and what commits meanwhile makes ours fail: so nothing read can change,
  and what was read for one unit of work holds for all of the group.
- A unit does not wait for the database itself: it yields what it asks to the one who drives it, who gathers the questions of
  all units and sends them together. Anything else that a unit yields is foreign to it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument

from shared.store.mongo.table import CODEC, RAW, MongoTable, Search, UniqueValue, document, holders_filter
from shared.store.port import Document

ANY = -1
"""The version of a document of which nothing is known, and which is removed whatever it is."""

MOST_KEYS = 1000
"""How many keys or unique values one question names."""

DocumentKey = tuple[str, str]
"""A collection's name and a key."""


@dataclass(slots=True, frozen=True)
class GroupRow:
    """A document as a group has it: `base` is the version in the database (0: none), `version` the one now (0: none).

    `assumed` marks what was not read: the bulk write will find out whether it is so.
    """

    version: int
    base: int
    raw: bytes = b""
    uniques: tuple[UniqueValue, ...] = ()
    assumed: bool = False

    def document(self, key: str) -> Document:
        """A copy that the caller may change."""
        return Document(key, bson.decode(self.raw, CODEC), self.version)


NOTHING = GroupRow(0, 0)
"""What is known not to be there."""


class Question:
    """Something a unit waits for: `answer` is set before it goes on."""

    answer: Any = None

    def __await__(self) -> Generator[Question, None, Any]:
        yield self
        return self.answer


@dataclass(slots=True, eq=False)
class KeysQuestion(Question):
    """Read these keys, and who holds these unique values, into the snapshot."""

    table: MongoTable
    keys: Sequence[str]
    uniques: Sequence[UniqueValue] = ()


@dataclass(slots=True, eq=False)
class PageQuestion(Question):
    """One page of the documents that a search means, but for these keys."""

    table: MongoTable
    search: Search
    without: Sequence[str]
    limit: int
    direction: int
    answer: list[Document] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class CountQuestion(Question):
    """How many documents a search means, but for these keys."""

    table: MongoTable
    search: Search
    without: Sequence[str]
    answer: int = 0


class Snapshot:
    """What was read so far in one session's transaction. `rows` and `holders` know also what is not there."""

    def __init__(self, database: Any, session: Any) -> None:
        self._database = database
        self._session = session
        self.rows: dict[DocumentKey, GroupRow] = {}
        self.holders: dict[UniqueValue, str | None] = {}

    async def ask(self, questions: Sequence[Question]) -> None:
        """Answer them all: looks together, one question a collection; the rest one after the other, as a session must."""
        keys: dict[MongoTable, set[str]] = {}
        uniques: dict[tuple[MongoTable, tuple[str, ...]], set[UniqueValue]] = {}
        for question in questions:
            if isinstance(question, KeysQuestion):
                keys.setdefault(question.table, set()).update(question.keys)
                for unique in question.uniques:
                    uniques.setdefault((question.table, unique[1]), set()).add(unique)
            elif isinstance(question, PageQuestion):
                question.answer = await self._page(question)
            elif isinstance(question, CountQuestion):
                question.answer = await self._tally(question)
        for table, wanted in keys.items():
            await self.look(table, wanted)
        for (table, fields), values in uniques.items():
            await self._look_for_holders(table, fields, values)

    async def look(self, table: MongoTable, keys: Iterable[str]) -> None:
        """Read the documents of these keys, unless they were read before."""
        wanted = [key for key in keys if (table.name, key) not in self.rows]
        for start in range(0, len(wanted), MOST_KEYS):
            some = wanted[start : start + MOST_KEYS]
            for key in some:
                self.rows[table.name, key] = NOTHING
            for raw in await self._find(table, {"_id": {"$in": some} if len(some) > 1 else some[0]}):
                self.rows[table.name, raw["_id"]] = GroupRow(raw["v"], raw["v"], raw["body"].raw)

    async def _look_for_holders(self, table: MongoTable, fields: tuple[str, ...], uniques: Iterable[UniqueValue]) -> None:
        wanted = [unique for unique in uniques if unique not in self.holders]
        for start in range(0, len(wanted), MOST_KEYS):
            some = wanted[start : start + MOST_KEYS]
            self.holders.update(dict.fromkeys(some))
            for raw in await self._find(table, holders_filter(fields, some)):
                for unique in table.unique_values(bson.decode(raw["body"].raw, CODEC)):
                    if unique[1] == fields:
                        self.holders[unique] = raw["_id"]

    async def _find(self, table: MongoTable, wanted: dict[str, Any]) -> list[RawBSONDocument]:
        found = self._database[table.name].with_options(codec_options=RAW).find(wanted, session=self._session)
        rows: list[RawBSONDocument] = await found.batch_size(MOST_KEYS + 1).to_list(None)
        return rows

    async def _page(self, page: PageQuestion) -> list[Document]:
        found = self._database[page.table.name].find(page.search.filter(page.without), session=self._session)
        found = found.sort("_id", page.direction).limit(page.limit).batch_size(page.limit + 1)
        return [document(raw) for raw in await found.to_list(None)]

    async def _tally(self, tally: CountQuestion) -> int:
        wanted = tally.search.filter(tally.without)
        total: int = await self._database[tally.table.name].count_documents(wanted, session=self._session)
        return total

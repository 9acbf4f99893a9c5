"""Reads outside a transaction: of what most members have, from the primary.

- Documents asked for by key at the same time are fetched by one question: while one is under way the others gather. A
  question costs more than the documents in it, and one that begins after the asking sees all that was acknowledged before.
- A page and a count are each of one snapshot; documents by key are each of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import bson
from pymongo import ReadPreference
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from shared.store.mongo.errors import CLOSED, in_words, worded
from shared.store.mongo.table import CODEC, MongoTable, document
from shared.store.port import PAGE, Collection, Document, Scalar, StoreUnavailable
from shared.store.queries import table_of

MOST_KEYS = 500
"""How many keys one question names."""

_Waiting = dict[str, list[asyncio.Future[Document | None]]]


class _Gatherer:
    """Fetches the documents of one collection by key, many at once."""

    def __init__(self, collection: Any) -> None:
        self._collection = collection
        self._alone = False
        self._task: asyncio.Task[None] | None = None
        self._waiting: _Waiting = {}

    async def get(self, key: str) -> Document | None:
        """The first one asks for itself; who comes while it waits is served by a task, all at once."""
        if not self._alone:
            self._alone = True
            try:
                with in_words():
                    found = await self._ask([key])
            finally:
                self._alone = False
            return document(found[0]) if found else None
        future: asyncio.Future[Document | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(future)
        if self._task is None:  # it begins in the next round of the event loop, and takes along who asks in this one
            self._task = asyncio.create_task(self._fetch(), name="mongo-reads")
        return await future

    async def _fetch(self) -> None:
        some: _Waiting = {}
        try:
            while self._waiting:
                some = {key: self._waiting.pop(key) for key in list(self._waiting)[:MOST_KEYS]}
                try:
                    _answer(some, await self._ask(list(some)))
                except PyMongoError as error:
                    _fail(some, error)
        except BaseException as error:
            _fail({**some, **self._waiting}, error)
            self._waiting.clear()
            raise
        finally:
            self._task = None  # in the same step as the last look, so that nobody is left waiting

    async def _ask(self, keys: list[str]) -> list[Any]:
        if len(keys) == 1:
            one = await self._collection.find_one({"_id": keys[0]})
            return [one] if one else []
        found: list[Any] = await self._collection.find({"_id": {"$in": keys}}).batch_size(len(keys) + 1).to_list(None)
        return found


class MongoReads:
    """`Reader` over a database, outside transactions."""

    def __init__(self, database: Any, tables: Mapping[str, MongoTable]) -> None:
        self._database = database
        self._tables = tables
        self._gatherers: dict[str, _Gatherer] = {}
        self._closed = False

    async def get(self, collection: Collection, key: str) -> Document | None:
        """The document of that key, or None."""
        table = self._table(collection)
        gatherer = self._gatherers.get(table.name)
        if gatherer is None:
            gatherer = self._gatherers[table.name] = _Gatherer(self._open(table, "majority"))
        return await gatherer.get(key)

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
        table = self._table(collection)
        search = table.search(where, prefix, after, reverse=reverse)
        if limit <= 0:
            return []
        found = self._open(table, "snapshot").find(search.filter())
        found = found.sort("_id", -1 if reverse else 1).limit(limit).batch_size(limit + 1)
        with in_words():
            return [document(raw) for raw in await found.to_list(None)]

    async def count(self, collection: Collection, where: Mapping[str, Scalar] | None = None) -> int:
        """How many documents match."""
        table = self._table(collection)
        with in_words():
            total: int = await self._open(table, "snapshot").count_documents(table.search(where).filter())
        return total

    def refuse(self) -> None:
        """Answer no read from now on."""
        self._closed = True

    def _open(self, table: MongoTable, level: str) -> Any:
        return self._database.get_collection(
            table.name, codec_options=CODEC, read_concern=ReadConcern(level), read_preference=ReadPreference.PRIMARY
        )

    def _table(self, collection: Collection) -> MongoTable:
        if self._closed:
            raise StoreUnavailable(CLOSED)
        return table_of(self._tables, collection)


def _answer(waiting: _Waiting, found: list[Any]) -> None:
    documents: dict[str, Any] = {raw["_id"]: raw for raw in found}
    for key, futures in waiting.items():
        raw = documents.get(key)
        for number, future in enumerate(futures):
            if not future.done():  # its task was cancelled meanwhile
                future.set_result(_own(raw, number) if raw else None)


def _own(raw: Any, number: int) -> Document:
    """Everybody who asked gets a document that they may change."""
    return document(bson.decode(bson.encode(raw), CODEC) if number else raw)


def _fail(waiting: _Waiting, error: BaseException) -> None:
    words = worded(error) if isinstance(error, PyMongoError) else StoreUnavailable(CLOSED)
    words.__cause__ = error
    for futures in waiting.values():
        for future in futures:
            if not future.done():
                future.set_exception(words)

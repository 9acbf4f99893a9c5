"""How a collection lies in MongoDB: `{_id: key, v: version, body: {...}}`, and how its questions and indexes are written.

- Bodies are native BSON, so that they can be read in the database's own shell. What BSON cannot carry is refused in words:
  a NUL in a member's name, an integer beyond 64 bits, a document of 16 MB. Types stay apart: 1, 1.0 and true are three.
- `_id` sorts by UTF-8 bytes (the simple collation). An index that is not unique ends with `_id`, so that a page of a search
  is read in order and not sorted anew each time.
- A unique index holds only documents in which every member is given: its filter says so in comparisons, since the planner
  takes a partial index only where the question implies the filter (https://www.mongodb.com/docs/manual/core/index-partial/).
  One of several members has an ordinary index beside it, for searches that name only its first.
"""

from __future__ import annotations

from collections.abc import Collection as Keys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import bson
from bson.codec_options import CodecOptions, TypeDecoder, TypeRegistry
from bson.errors import BSONError
from bson.int64 import Int64
from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure

from shared.errors import Invalid, Misconfigured, TooLarge
from shared.store.port import Body, Collection, Document, Index, Scalar
from shared.store.queries import Span, plain, require_index, require_names, span

DOCUMENT_BYTES = 16 * 1024 * 1024 - 64 * 1024
"""The largest body: MongoDB's limit for a document, less room for its key and version."""

UniqueValue = tuple[str, tuple[str, ...], tuple[Any, ...]]
"""A unique value: the collection, the members of the unique index, and their values (a boolean told from an integer)."""

_MAJORITY = {"w": "majority"}
_LEAST_INTEGER = -(2**63)
_NAMESPACE_EXISTS, _INDEX_NOT_FOUND, _DUPLICATE_KEY = 48, 27, 11000


class _PlainInteger(TypeDecoder):
    """A 64-bit integer is read as Python's own and not as the driver's."""

    @property
    def bson_type(self) -> type:
        return Int64

    def transform_bson(self, value: Any) -> int:
        return int(value)


CODEC: CodecOptions[Any] = CodecOptions(type_registry=TypeRegistry([_PlainInteger()]))
"""How documents are read."""

RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)
"""How they are read where they may be needed more than once: in bytes."""


class Search(NamedTuple):
    """Which documents are meant: a span of keys, and members with their values."""

    span: Span
    where: dict[str, Scalar]

    def filter(self, without: Keys[str] = ()) -> dict[str, Any]:
        """The same in MongoDB's words, leaving out some keys."""
        lower, strictly, upper = self.span
        keys: dict[str, Any] = {}
        if lower:
            keys["$gt" if strictly else "$gte"] = lower
        if upper is not None:
            keys["$lt"] = upper
        if without:
            keys["$nin"] = list(without)
        wanted: dict[str, Any] = {f"body.{name}": value for name, value in self.where.items()}
        return {"_id": keys, **wanted} if keys else wanted

    def takes(self, document: Document) -> bool:
        """Whether a document in memory is meant."""
        lower, strictly, upper = self.span
        key, body, _ = document
        if key < lower or (strictly and key == lower) or (upper is not None and key >= upper):
            return False
        return all(_told(body.get(name)) == _told(value) for name, value in self.where.items())


class MongoTable:
    """The words of one collection."""

    def __init__(self, collection: Collection) -> None:
        require_names(collection)
        self.collection = collection
        self.name = collection.name
        self.members = tuple(dict.fromkeys(name for index in collection.indexes for name in index.fields))
        self.uniques = tuple(index.fields for index in collection.indexes if index.unique)

    def encode(self, key: str, body: Body) -> bytes:
        """The body in bytes; `Invalid` or `TooLarge` where MongoDB could not keep it."""
        for name in self.members:
            plain(body.get(name))
        try:
            raw = bson.encode(body)
        except (BSONError, OverflowError) as error:
            raise Invalid(
                "A document holds plain values: no NUL in a member's name, integers within 64 bits. Send others."
            ) from error
        if len(raw) + 8 * len(key) > DOCUMENT_BYTES:
            raise TooLarge("MongoDB keeps at most 16 MB in one document; send less at once.")
        return raw

    def unique_values(self, body: Body) -> tuple[UniqueValue, ...]:
        """The unique values that a body takes."""
        if not self.uniques:
            return ()
        found = []
        for fields in self.uniques:
            values = [body.get(name) for name in fields]
            if None not in values:
                found.append((self.name, fields, tuple(_told(value) for value in values)))
        return tuple(found)

    def search(
        self, where: Mapping[str, Scalar] | None, prefix: str = "", after: str = "", *, reverse: bool = False
    ) -> Search:
        """What `scan` and `count` are asked, checked; see the port."""
        if where:
            require_index(self.collection, where)
        wanted = {name: plain(value) for name, value in (where or {}).items()}
        return Search(span(prefix, after, reverse=reverse), wanted)


def holders_filter(fields: tuple[str, ...], uniques: Sequence[UniqueValue]) -> dict[str, Any]:
    """The documents that hold any of these unique values, all of one index."""
    return {"$or": [{f"body.{name}": value for name, (_, value) in zip(fields, t[2], strict=True)} for t in uniques]}


def document(raw: Mapping[str, Any]) -> Document:
    """A document as the port has it, from one as MongoDB has it."""
    return Document(raw["_id"], raw["body"], raw["v"])


async def prepare_tables(database: Any, collections: Sequence[Collection]) -> dict[str, MongoTable]:
    """Make what is missing of the collections and their indexes, and drop indexes of ours that are declared no more."""
    tables = {collection.name: MongoTable(collection) for collection in collections}
    present = await database.list_collection_names()
    for table in tables.values():
        if table.name not in present:
            await _unless(_NAMESPACE_EXISTS, database.command("create", table.name, writeConcern=_MAJORITY))
        await _prepare_indexes(database, table)
    return tables


async def _prepare_indexes(database: Any, table: MongoTable) -> None:
    wanted = {index["name"]: index for declared in table.collection.indexes for index in _indexes(declared)}
    present = await database[table.name].index_information()
    for name in present.keys() - wanted.keys():
        if name.startswith(("search.", "unique.")):
            await _unless(_INDEX_NOT_FOUND, database.command("dropIndexes", table.name, index=name, writeConcern=_MAJORITY))
    missing = [index for name, index in wanted.items() if name not in present]
    if not missing:
        return
    try:
        await database.command("createIndexes", table.name, indexes=missing, writeConcern=_MAJORITY)
    except OperationFailure as error:
        if error.code != _DUPLICATE_KEY:
            raise
        raise Misconfigured(
            f"The collection {table.name} breaks a new unique index; remove the doubles and start again."
        ) from error


def _indexes(declared: Index) -> list[dict[str, Any]]:
    """The indexes of one declaration. Their names are ours: others in the database are left alone."""
    name, key = ".".join(declared.fields), {f"body.{field}": 1 for field in declared.fields}
    search = {"name": f"search.{name}", "key": {**key, "_id": 1}}
    if not declared.unique:
        return [search]
    given = {"$and": [{"$or": _given(f"body.{field}")} for field in declared.fields]}
    unique = {"name": f"unique.{name}", "key": key, "unique": True, "partialFilterExpression": given}
    return [unique, search] if len(declared.fields) > 1 else [unique]


def _given(path: str) -> list[dict[str, Any]]:
    """A string, an integer or a boolean: a comparison finds only values of its own type."""
    return [{path: {"$gte": ""}}, {path: {"$gte": _LEAST_INTEGER}}, {path: {"$gte": False}}]


async def _unless(code: int, answer: Any) -> None:
    """Wait for an answer; an error of this code means that another process was first."""
    try:
        await answer
    except OperationFailure as error:
        if error.code != code:
            raise


def _told(value: Any) -> tuple[bool, Any]:
    """A value that is equal to another only where MongoDB has them equal: to Python, true is 1."""
    return isinstance(value, bool), value

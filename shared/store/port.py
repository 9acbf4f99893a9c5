"""Where documents live: the port, written against what SQLite and MongoDB can both promise.

- A *collection* holds documents by key. A document is a JSON object of plain values; its `version` is kept beside it.
- A *transaction* is an async function handed to `Store.transact`. It may await its own transaction and nothing else:
  no clock, no key, no socket. An adapter may run it more than once and commits it once, so it leaves no trace outside.
- Everything in one transaction becomes durable together, before `transact` returns. Transactions are serialisable.
- `put` and `delete` compare and set: they name the version they saw. A loser gets `VersionConflict`, and nothing is kept.
- Keys sort by their UTF-8 bytes; `scan` walks them in that order, a page at a time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

from shared.errors import Conflict, Unavailable

T = TypeVar("T")
Body = Mapping[str, Any]
Scalar = str | int | bool | None

PAGE = 500
"""How many documents a scan returns when nobody says otherwise; one page is one hop and one read snapshot."""


class DuplicateKey(Conflict):
    """A document of that key, or of that unique value, is there already."""

    title = "That exists already."


class VersionConflict(Conflict):
    """Somebody changed the document since it was read."""

    title = "Somebody else changed it first."


class StoreUnavailable(Unavailable):
    """The store does not answer; nothing of the transaction is kept."""

    title = "The store does not answer."


@dataclass(frozen=True, slots=True)
class Index:
    """An index over top-level members of a collection's documents, in this order; a missing member counts as null.

    A unique index does not constrain documents in which any of its members is missing or null.
    """

    fields: tuple[str, ...]
    unique: bool = False


@dataclass(frozen=True, slots=True)
class Collection:
    """A named set of documents and what it is searched by."""

    name: str
    indexes: tuple[Index, ...] = ()


class Document(NamedTuple):
    """A stored document: its key, its body, and the version that a later `put` must name (1 when new)."""

    key: str
    body: dict[str, Any]
    version: int


class Reader(Protocol):
    """What may be asked of a store, inside a transaction or outside."""

    async def get(self, collection: Collection, key: str) -> Document | None:
        """The document of that key, or None."""
        ...

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
        """One page in key order: keys that start with `prefix`, sort after `after` (before it, when `reverse` and it is
        given) and whose members equal `where`; every member of `where` must lead one of the collection's indexes.
        """
        ...

    async def count(self, collection: Collection, where: Mapping[str, Scalar] | None = None) -> int:
        """How many documents match `where` (the same rule as in `scan`)."""
        ...


class Transaction(Reader, Protocol):
    """What may be asked and changed inside one transaction; it sees its own writes."""

    async def insert(self, collection: Collection, key: str, body: Body) -> None:
        """Add a document at version 1; `DuplicateKey` when its key or a unique value is taken (the transaction stays
        usable, and what it had done before stands).
        """
        ...

    async def insert_many(self, collection: Collection, rows: Sequence[tuple[str, Body]]) -> None:
        """Add many documents; `DuplicateKey` when any is taken, and then none of them is added."""
        ...

    async def put(self, collection: Collection, key: str, body: Body, expect: int) -> int:
        """Replace the body where the stored version is `expect` (0: where there is none); returns the new version."""
        ...

    async def delete(self, collection: Collection, key: str, expect: int | None = None) -> None:
        """Remove a document; with `expect`, only at that version. Removing what is not there is `VersionConflict` when
        a version was expected, and nothing otherwise.
        """
        ...


Work = Callable[[Transaction], Awaitable[T]]
"""A transaction's body. It is called with the open transaction, and may be called again from the start."""


class Store(Reader, Protocol):
    """A service's own store."""

    async def prepare(self, collections: Sequence[Collection]) -> None:
        """Make the collections and indexes that are missing; safe to repeat and to run twice at once."""
        ...

    async def transact(self, work: Work[T]) -> T:
        """Run `work` in one serialisable transaction and return its result once durable; whatever it raises undoes it."""
        ...

    async def scrub(self) -> bool:
        """See to it that what was deleted can be read nowhere in the store's own files any more; False where the engine
        keeps it for a time of its own (a replica set's log of operations).
        """
        ...

    async def close(self) -> None:
        """Finish what is under way and let go of files and sockets."""
        ...

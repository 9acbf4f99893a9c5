"""A store's documents carried into another store, over the port alone: resumable, and compared to the last member.

- Pages go in key order, each in one transaction with how far it came: after a kill -9 the next run goes on there.
- A document keeps its version, which a credential's events name. The port lets a version be reached only by writing as
  often, so it is written as often.
- From its beginning on, neither store opens for a service: a node that ran on half a copy, or on both stores one after the
  other, would sign two histories, which no neighbour forgives. The source is marked first and the target freed last.
- What was copied is believed only after it was compared. A collection that differs is emptied and carried once more; a
  target that was freed already is never written to again.

What is lost if the process dies here: nothing. The source is read only, but for its mark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from shared.errors import Conflict, Invalid, Misconfigured, TooLarge
from shared.ids import new_ref
from shared.store.compare import Compared, Step, compare
from shared.store.port import PAGE, Collection, Document, DuplicateKey, Reader, Store, Transaction, VersionConflict

COPIES = Collection("copies")
"""`left`: `{copy, to, state}` in a store that is left (`leaving`, `left`); `came`: `{copy, owner, state}` in one that is
filled (`coming`, `whole`); `carried/<collection>`: `{after, documents, done}`, how far that is.
"""

PAGE_BYTES = 4 * 1024 * 1024
"""The most bytes of documents that one transaction carries, unless a single one is larger."""

FEW_WRITES = 8
"""Documents that were written up to so often are carried with their page; the others one by one, before it."""

MOST_WRITES = 2_000
"""The most times that one transaction writes a document that was written more often."""


class CopyRefused(Conflict):
    """Nothing was written: these two stores cannot be the two ends of a copy."""

    title = "This cannot be copied there."


class StoreNotOpen(Misconfigured):
    """The store is being copied, or was, and no service may run on it."""

    title = "No service may run on this store."


async def require_complete(store: Reader) -> None:
    """Refuse to run on a store whose data is elsewhere, or not all here yet: `StoreNotOpen`."""
    came, left = await store.get(COPIES, "came"), await store.get(COPIES, "left")
    if came and came.body["state"] != "whole":
        raise StoreNotOpen("TESTAMUR_STORE names a copy that is not whole yet. Repeat the `testamur migrate` that makes it.")
    if left:
        raise StoreNotOpen(
            f"The data of TESTAMUR_STORE has moved, or is about to, to {left.body['to']}. Set TESTAMUR_STORE to that, or go "
            "back with `testamur migrate --back`."
        )


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy: from where, where to, which collections, and whose data it is. Both stores have `COPIES` prepared."""

    source: Store
    target: Store
    collections: Sequence[Collection]
    owner: str

    async def check(self) -> None:
        """Look whether this copy may begin or go on, without writing anything; `CopyRefused`."""
        await self._id()

    async def claim(self) -> None:
        """Mark the target as ours; `CopyRefused` before anything is written."""
        if await self._id() is None:
            await _write(self.target, "came", {"copy": new_ref(), "owner": self.owner, "state": "coming"})

    async def begin(self, to: str) -> None:
        """Mark the source as one that is being left, once the target is claimed; `to` names the target for people."""
        copy, left = await self._id(), await self._mark(self.source, "left")
        if left is None or left["copy"] != copy:
            await _write(self.source, "left", {"copy": copy, "to": to, "state": "leaving"})

    async def carry(self, step: Step) -> None:
        """Carry every collection that is not there yet; raises `CopyRefused` when somebody else writes to the target."""
        if await self.is_whole():
            return
        try:
            for collection in self.collections:
                await self._carry(collection, step)
        except (DuplicateKey, VersionConflict) as error:
            raise CopyRefused("Somebody else writes to the target. Run one copy at a time, and no node on it.") from error

    async def compare(self, step: Step) -> list[Compared]:
        """Read both stores from end to end, a line a collection."""
        return [await compare(self.source, self.target, collection, step) for collection in self.collections]

    async def mend(self, differing: Sequence[Compared], step: Step) -> None:
        """Empty the collections that differ and carry them again: the source went on after they were carried."""
        if await self.is_whole():
            return
        names = {one.collection for one in differing}
        for name in names:
            await _write(self.target, f"carried/{name}", {"after": "", "documents": 0, "done": False})
        for collection in self.collections:
            if collection.name in names:
                await self._carry(collection, step)

    async def leave(self) -> None:
        """Say in the source that its data is elsewhere now; to be called when both are equal, before `arrive`."""
        left = await self._mark(self.source, "left")
        await _write(self.source, "left", {**(left or {}), "state": "left"})

    async def arrive(self) -> None:
        """Free the target: services may run on it from now on."""
        came = await self._mark(self.target, "came")
        await _write(self.target, "came", {**(came or {}), "state": "whole"})

    async def is_whole(self) -> bool:
        """Whether the target was freed: a node may have run on it since."""
        came = await self._mark(self.target, "came")
        return came is not None and came["state"] == "whole"

    async def undo(self) -> None:
        """Let services run on the source again and not on the target, whose documents stay for another try. Where the target
        is free already the two have to be equal: the caller compares.
        """
        came = await self._mark(self.target, "came")
        if came is not None and came["state"] == "whole":
            await _write(self.target, "came", {**came, "state": "coming"})
        await self.source.transact(lambda tx: tx.delete(COPIES, "left"))

    async def _id(self) -> str | None:
        """The id of the copy that this one goes on with, None when it would be a new one."""
        came, left = await self._mark(self.target, "came"), await self._mark(self.source, "left")
        here = await self._mark(self.source, "came")
        if here is not None and here["state"] != "whole":
            raise CopyRefused("The source is itself a copy that is not whole. Finish that one first.")
        goes_on = came is not None and left is not None and came["copy"] == left["copy"]
        if left is not None and left["state"] == "left" and not goes_on:
            raise CopyRefused(f"The data has moved from this source to {left['to']} already. Copy it from there.")
        if came is None:
            await self._require_empty()
            return None
        if came["owner"] != self.owner or (came["state"] == "whole" and not goes_on):
            raise CopyRefused("The target holds the copy of another store. Name a target that is empty.")
        return str(came["copy"])

    async def _require_empty(self) -> None:
        for collection in self.collections:
            if await self.target.scan(collection, limit=1):
                raise CopyRefused("The target holds data that is no copy of this source. Name one that is empty.")

    async def _carry(self, collection: Collection, step: Step) -> None:
        progress = await self._mark(self.target, f"carried/{collection.name}")
        progress = progress or {"after": "", "documents": 0, "done": False}
        step(progress["documents"])
        if not progress["after"] and not progress["done"]:
            await _empty(self.target, collection)
        while not progress["done"]:
            found = await self.source.scan(collection, after=progress["after"], limit=PAGE)
            rows = _within(found, PAGE_BYTES)
            progress = {
                "after": rows[-1].key if rows else progress["after"],
                "documents": progress["documents"] + len(rows),
                "done": len(found) < PAGE and len(rows) == len(found),
            }
            try:
                await self._carry_page(collection, rows, progress)
            except (Invalid, TooLarge) as error:
                place = f"of {collection.name} between the keys {rows[0].key} and {rows[-1].key}"
                raise CopyRefused(f"The target cannot keep a document {place}. {error.detail}") from error
            step(len(rows))

    async def _carry_page(self, collection: Collection, rows: Sequence[Document], progress: dict[str, Any]) -> None:
        for row in rows:
            if row.version > FEW_WRITES:
                await self._carry_often_written(collection, row)
        light = [row for row in rows if row.version <= FEW_WRITES]

        async def work(tx: Transaction) -> None:
            await tx.insert_many(collection, [(row.key, row.body) for row in light])
            for row in light:
                for version in range(1, row.version):
                    await tx.put(collection, row.key, row.body, expect=version)
            await _put(tx, f"carried/{collection.name}", progress)

        await self.target.transact(work)

    async def _carry_often_written(self, collection: Collection, row: Document) -> None:
        """In as many transactions as it takes; begun by a run that was killed, it goes on from the version that is there."""

        async def work(tx: Transaction) -> int:
            held = await tx.get(collection, row.key)
            version = held.version if held else 0
            for _ in range(min(MOST_WRITES, row.version - version)):
                version = await tx.put(collection, row.key, row.body, expect=version)
            return version

        while await self.target.transact(work) < row.version:
            pass

    async def _mark(self, store: Reader, key: str) -> dict[str, Any] | None:
        held = await store.get(COPIES, key)
        return held.body if held else None


def _within(rows: Sequence[Document], most: int) -> Sequence[Document]:
    """As many of the rows as fit into so many bytes, one at least."""
    size = 0
    for number, row in enumerate(rows):
        size += len(orjson.dumps(row.body))
        if number and size > most:
            return rows[:number]
    return rows


async def _empty(store: Store, collection: Collection) -> None:
    while rows := await store.scan(collection):
        await store.transact(lambda tx, rows=rows: _delete(tx, collection, rows))  # type: ignore[misc]


async def _delete(tx: Transaction, collection: Collection, rows: Sequence[Document]) -> None:
    for row in rows:
        await tx.delete(collection, row.key)


async def _put(tx: Transaction, key: str, body: dict[str, Any]) -> None:
    held = await tx.get(COPIES, key)
    await tx.put(COPIES, key, body, expect=held.version if held else 0)


async def _write(store: Store, key: str, body: dict[str, Any]) -> None:
    await store.transact(lambda tx: _put(tx, key, body))

"""Promise: a walk gives every document of a collection once, in key order, whatever the pages; also what it deletes."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.store.port import Collection, Index, Transaction
from shared.store.sqlite.store import open_sqlite
from shared.store.walk import every, pages

THINGS = Collection("things", (Index(("colour",)),))


@pytest.mark.parametrize("count", [0, 1, 3, 4, 6, 7])
async def test_pages_hold_every_document_once_in_key_order(tmp_path: Path, count: int) -> None:
    store = await open_sqlite(f"sqlite:///{tmp_path}", "walk", [THINGS])
    keys = [f"{number:02}" for number in range(count)]
    await store.transact(lambda tx: tx.insert_many(THINGS, [(key, {"colour": "red"}) for key in keys]))
    found = [[row.key for row in page] async for page in pages(store, THINGS, limit=3)]
    assert [key for page in found for key in page] == keys
    assert all(found)
    assert all(len(page) == 3 for page in found[:-1])
    await store.close()


async def test_a_walk_may_be_narrowed_as_a_scan_may(tmp_path: Path) -> None:
    store = await open_sqlite(f"sqlite:///{tmp_path}", "walk", [THINGS])
    rows = [(f"{letter}{number}", {"colour": colour}) for letter in "ab" for number, colour in enumerate(["red", "blue"])]
    await store.transact(lambda tx: tx.insert_many(THINGS, rows))
    assert [row.key async for row in every(store, THINGS, prefix="a")] == ["a0", "a1"]
    assert [row.key async for row in every(store, THINGS, where={"colour": "red"})] == ["a0", "b0"]
    await store.close()


async def test_a_transaction_may_delete_what_it_walks(tmp_path: Path) -> None:
    store = await open_sqlite(f"sqlite:///{tmp_path}", "walk", [THINGS])
    keys = [f"{number:04}" for number in range(1_200)]
    await store.transact(lambda tx: tx.insert_many(THINGS, [(key, {"colour": "red"}) for key in keys]))

    async def delete_all(tx: Transaction) -> list[str]:
        walked = []
        async for row in every(tx, THINGS):
            await tx.delete(THINGS, row.key, expect=row.version)
            walked.append(row.key)
        return walked

    assert await store.transact(delete_all) == keys
    assert await store.count(THINGS) == 0
    await store.close()

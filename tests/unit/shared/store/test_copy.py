"""What one store holds can be carried into another, whatever it is and however often the copying was interrupted."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.store import compare, copy
from shared.store.compare import Compared
from shared.store.copy import COPIES, MOST_WRITES, Copy, CopyRefused, StoreNotOpen, require_complete
from shared.store.open import open_store
from shared.store.port import Collection, Document, Index, Store, Transaction

THINGS = Collection("things", (Index(("owner", "number"), unique=True),))
OTHERS = Collection("others")
BOTH = (THINGS, OTHERS)

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT.filter(bool), inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(
    TEXT.filter(lambda key: bool(key) and "\0" not in key),
    st.tuples(st.dictionaries(st.sampled_from(["colour", "size", "deep", "$odd", "a.b"]), VALUES), st.integers(1, 12)),
    max_size=20,
)


@asynccontextmanager
async def two_stores(folder: Path) -> AsyncIterator[tuple[Store, Store]]:
    async with AsyncExitStack() as closing:
        stores = [await open_store(f"sqlite:///{folder}/{name}", "copy", (*BOTH, COPIES)) for name in ("old", "new")]
        for store in stores:
            closing.push_async_callback(store.close)
        yield stores[0], stores[1]


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[tuple[Store, Store]]:
    async with two_stores(tmp_path) as opened:
        yield opened


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few documents are many pages then."""
    monkeypatch.setattr(copy, "PAGE", 3)
    monkeypatch.setattr(compare, "PAGE", 3)


async def fill(store: Store, collection: Collection, documents: dict[str, tuple[dict[str, Any], int]]) -> None:
    async def work(tx: Transaction) -> None:
        for key, (body, version) in documents.items():
            for before in range(version):
                await tx.put(collection, key, body, expect=before)

    await store.transact(work)


async def held(store: Store, collection: Collection) -> list[Document]:
    return [row async for row in compare.walk(store, collection)]


def numbered(count: int, first: int = 0) -> dict[str, tuple[dict[str, Any], int]]:
    return {f"{number:06}": ({"owner": "a", "number": number}, 1) for number in range(first, first + count)}


def copying(stores: tuple[Store, Store], owner: str = "testamur/ee/registry") -> Copy:
    return Copy(stores[0], stores[1], BOTH, owner)


def freely(_: int) -> None:
    return


async def begun(one: Copy, to: str = "sqlite:///new") -> None:
    await one.claim()
    await one.begin(to)


async def whole(one: Copy) -> list[Compared]:
    """Copy to the end."""
    await begun(one)
    await one.carry(freely)
    found = await one.compare(freely)
    assert not differing(found)
    await one.leave()
    await one.arrive()
    return found


def differing(found: list[Compared]) -> list[tuple[str, str | None]]:
    return [(one.collection, one.differs_at) for one in found if one.differs_at is not None]


class Interrupted(Exception):
    """The copying was broken off."""


def after_pages(count: int) -> compare.Step:
    left = count

    def step(_: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Interrupted

    return step


@pytest.mark.usefixtures("small_pages")
def test_whatever_a_store_holds_arrives_however_often_the_copying_was_broken_off() -> None:
    @settings(max_examples=60, deadline=None, database=None)
    @given(documents=DOCUMENTS, others=DOCUMENTS, pages=st.lists(st.integers(0, 6), max_size=4))
    def arrives(documents: Any, others: Any, pages: list[int]) -> None:
        asyncio.run(_arrives(documents, others, pages))

    arrives()


async def _arrives(documents: Any, others: Any, pages: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with two_stores(Path(folder)) as stores:
            await fill(stores[0], OTHERS, documents)
            await fill(stores[0], THINGS, {key: ({"deep": body}, version) for key, (body, version) in others.items()})
            one = copying(stores)
            await begun(one)
            for count in pages:
                with pytest.raises(Interrupted):
                    await one.carry(after_pages(count))
                    raise Interrupted
            found = await whole(one)
            assert [one.documents for one in found] == [len(others), len(documents)]
            for collection in BOTH:
                assert await held(stores[1], collection) == await held(stores[0], collection)


async def test_a_document_keeps_its_version_however_often_it_was_written(stores: tuple[Store, Store]) -> None:
    await fill(stores[0], THINGS, {"hot": ({"size": 1}, MOST_WRITES + 7), "cold": ({}, 1), "warm": ({}, 9)})
    await whole(copying(stores))
    assert {row.key: row.version for row in await held(stores[1], THINGS)} == {"hot": MOST_WRITES + 7, "cold": 1, "warm": 9}


async def test_large_documents_share_no_transaction_that_would_be_too_large(
    stores: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy, "PAGE_BYTES", 1_000)
    await fill(stores[0], THINGS, {str(number): ({"text": "x" * 700}, 1) for number in range(5)})
    pages: list[int] = []
    one = copying(stores)
    await begun(one)
    await one.carry(pages.append)
    assert [count for count in pages if count] == [1] * 5
    assert not differing(await one.compare(freely))


async def test_a_target_that_holds_anything_else_is_refused_before_anything_is_written(stores: tuple[Store, Store]) -> None:
    await fill(stores[0], THINGS, numbered(3))
    await fill(stores[1], OTHERS, {"strange": ({}, 1)})
    with pytest.raises(CopyRefused, match="empty"):
        await begun(copying(stores), "somewhere")
    assert await held(stores[0], COPIES) == await held(stores[1], COPIES) == await held(stores[1], THINGS) == []


async def test_the_copy_of_another_node_is_refused(stores: tuple[Store, Store]) -> None:
    await fill(stores[0], THINGS, numbered(3))
    await begun(copying(stores, "testamur/pt/registry"), "somewhere")
    with pytest.raises(CopyRefused, match="another store"):
        await begun(copying(stores), "somewhere")


async def test_no_service_opens_either_store_until_the_copy_is_whole(stores: tuple[Store, Store]) -> None:
    old, new = stores
    await fill(old, THINGS, numbered(3))
    await require_complete(old)
    one = copying(stores)
    await begun(one)
    await one.carry(freely)
    with pytest.raises(StoreNotOpen, match="sqlite:///new"):
        await require_complete(old)
    with pytest.raises(StoreNotOpen, match="not whole"):
        await require_complete(new)
    await whole(one)
    with pytest.raises(StoreNotOpen, match="sqlite:///new"):
        await require_complete(old)
    await require_complete(new)


async def test_what_the_node_did_after_it_was_copied_is_found_and_carried(stores: tuple[Store, Store]) -> None:
    old, new = stores
    await fill(old, THINGS, numbered(4))
    one = copying(stores)
    await begun(one)
    await one.carry(freely)
    await one.undo()
    await require_complete(old)
    await old.transact(lambda tx: tx.put(THINGS, "000002", {"owner": "b", "number": 1}, expect=1))
    await old.transact(lambda tx: tx.delete(THINGS, "000001"))
    await old.transact(lambda tx: tx.insert(THINGS, "000000a", {"owner": "a", "number": 1}))
    await begun(one)
    await one.carry(freely)
    found = await one.compare(freely)
    assert differing(found) == [("things", "000000a")]
    await one.mend([each for each in found if each.differs_at], freely)
    await whole(one)
    assert await held(new, THINGS) == await held(old, THINGS)


async def test_mending_that_was_broken_off_goes_on(stores: tuple[Store, Store], small_pages: None) -> None:
    old, _ = stores
    await fill(old, THINGS, numbered(10))
    one = copying(stores)
    await begun(one)
    await one.carry(freely)
    await fill(old, THINGS, numbered(5, first=20))
    with pytest.raises(Interrupted):
        await one.mend([each for each in await one.compare(freely) if each.differs_at], after_pages(3))
    await one.carry(freely)
    await whole(one)


async def test_a_copy_that_is_in_use_is_never_written_to(stores: tuple[Store, Store]) -> None:
    old, new = stores
    await fill(old, THINGS, numbered(3))
    one = copying(stores)
    await whole(one)
    await fill(new, THINGS, numbered(1, first=7))
    await begun(one)
    await one.carry(freely)
    found = await one.compare(freely)
    assert differing(found) == [("things", "000007")]
    await one.mend(found, freely)
    assert [row.key for row in await held(new, THINGS)] == ["000000", "000001", "000002", "000007"]


async def test_what_was_moved_is_not_moved_a_second_time_to_elsewhere(stores: tuple[Store, Store], tmp_path: Path) -> None:
    await fill(stores[0], THINGS, numbered(3))
    await whole(copying(stores))
    async with two_stores(tmp_path / "more") as (_, third):
        with pytest.raises(CopyRefused, match="sqlite:///new"):
            await begun(copying((stores[0], third)), "elsewhere")
        await whole(copying((stores[1], third)))
        assert await held(third, THINGS) == await held(stores[0], THINGS)
        with pytest.raises(StoreNotOpen):
            await require_complete(stores[1])


async def test_of_two_copies_begun_only_one_can_be_finished(stores: tuple[Store, Store], tmp_path: Path) -> None:
    await fill(stores[0], THINGS, numbered(3))
    async with two_stores(tmp_path / "more") as (_, third):
        await begun(copying((stores[0], third)), "elsewhere")
        await whole(copying(stores))
        with pytest.raises(CopyRefused, match="moved"):
            await begun(copying((stores[0], third)), "elsewhere")


async def test_half_a_copy_is_no_source(stores: tuple[Store, Store], tmp_path: Path) -> None:
    await fill(stores[0], THINGS, numbered(3))
    await begun(copying(stores), "somewhere")
    async with two_stores(tmp_path / "more") as (_, third):
        with pytest.raises(CopyRefused, match="not whole"):
            await begun(copying((stores[1], third)), "elsewhere")


async def test_going_back_frees_the_old_store_and_closes_the_new_one(stores: tuple[Store, Store]) -> None:
    old, new = stores
    await fill(old, THINGS, numbered(3))
    one = copying(stores)
    await whole(one)
    await one.undo()
    await require_complete(old)
    with pytest.raises(StoreNotOpen):
        await require_complete(new)
    await whole(one)
    await require_complete(new)


async def test_two_copies_at_once_do_not_mix(stores: tuple[Store, Store], small_pages: None) -> None:
    await fill(stores[0], THINGS, numbered(12))
    one = copying(stores)
    await begun(one)
    results = await asyncio.gather(one.carry(freely), one.carry(freely), return_exceptions=True)
    assert all(result is None or isinstance(result, CopyRefused) for result in results)
    await whole(one)
    assert await held(stores[1], THINGS) == await held(stores[0], THINGS)

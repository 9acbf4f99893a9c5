"""Every sentence of the store's port, over every adapter."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Sequence
from typing import Any

import pytest

from shared.errors import Misconfigured
from shared.store.open import open_store
from shared.store.port import Body, Collection, DuplicateKey, Index, Store, StoreUnavailable, Transaction, VersionConflict
from tests.contract.conftest import THINGS


async def insert(store: Store, key: str, **body: Any) -> None:
    async def work(tx: Transaction) -> None:
        await tx.insert(THINGS, key, body)

    await store.transact(work)


async def fill(store: Store, rows: Sequence[tuple[str, Body]]) -> None:
    async def work(tx: Transaction) -> None:
        await tx.insert_many(THINGS, rows)

    await store.transact(work)


async def keys(store: Store, **how: Any) -> list[str]:
    return [document.key for document in await store.scan(THINGS, **how)]


async def test_a_new_document_has_version_one_and_the_body_it_was_given(store: Store) -> None:
    body = {"name": "Õpiväljund", "nested": {"list": [1, None, True, 2.5]}, "empty": ""}
    await insert(store, "a", **body)
    document = await store.get(THINGS, "a")
    assert document is not None
    assert document == ("a", body, 1)


async def test_what_is_not_there_is_none(store: Store) -> None:
    assert await store.get(THINGS, "a") is None


async def test_a_transaction_returns_what_its_work_returns(store: Store) -> None:
    async def work(tx: Transaction) -> str:
        return "result"

    assert await store.transact(work) == "result"


async def test_a_transaction_sees_its_own_writes(store: Store) -> None:
    async def work(tx: Transaction) -> tuple[Any, ...]:
        await tx.insert(THINGS, "a", {"colour": "red"})
        await tx.put(THINGS, "a", {"colour": "blue"}, 1)
        read = await tx.get(THINGS, "a")
        return read, len(await tx.scan(THINGS, where={"colour": "blue"})), await tx.count(THINGS)

    assert await store.transact(work) == (("a", {"colour": "blue"}, 2), 1, 1)


async def test_whatever_the_work_raises_undoes_all_of_it(store: Store) -> None:
    async def work(tx: Transaction) -> None:
        await tx.insert(THINGS, "a", {})
        await tx.insert_many(THINGS, [("b", {}), ("c", {})])
        raise LookupError("changed my mind")

    with pytest.raises(LookupError, match="changed my mind"):
        await store.transact(work)
    assert await store.count(THINGS) == 0


async def test_a_failing_transaction_takes_no_other_with_it(store: Store) -> None:
    async def work(number: int) -> None:
        async def inner(tx: Transaction) -> None:
            await tx.insert(THINGS, f"{number:02}", {})
            if number % 3 == 0:
                raise LookupError(number)

        await store.transact(inner)

    results = await asyncio.gather(*[work(number) for number in range(30)], return_exceptions=True)
    assert [isinstance(result, LookupError) for result in results] == [number % 3 == 0 for number in range(30)]
    assert await keys(store) == [f"{number:02}" for number in range(30) if number % 3]


async def test_inserting_a_taken_key_is_refused_and_the_transaction_stays_usable(store: Store) -> None:
    await insert(store, "a", name="first")

    async def work(tx: Transaction) -> None:
        await tx.insert(THINGS, "before", {})
        with pytest.raises(DuplicateKey):
            await tx.insert(THINGS, "a", {"name": "second"})
        await tx.insert(THINGS, "after", {})

    await store.transact(work)
    assert await keys(store) == ["a", "after", "before"]
    document = await store.get(THINGS, "a")
    assert document is not None
    assert document.body == {"name": "first"}


async def test_a_unique_value_cannot_be_taken_twice(store: Store) -> None:
    await insert(store, "a", owner="tartu", number=7)
    with pytest.raises(DuplicateKey):
        await insert(store, "b", owner="tartu", number=7)
    await insert(store, "b", owner="tartu", number=8)
    with pytest.raises(DuplicateKey):
        await replace(store, "b", 1, owner="tartu", number=7)
    document = await store.get(THINGS, "b")
    assert document is not None
    assert document == ("b", {"owner": "tartu", "number": 8}, 1)


async def replace(store: Store, key: str, expect: int, **body: Any) -> int:
    async def work(tx: Transaction) -> int:
        return await tx.put(THINGS, key, body, expect)

    return await store.transact(work)


async def remove(store: Store, key: str, expect: int | None = None) -> None:
    async def work(tx: Transaction) -> None:
        await tx.delete(THINGS, key, expect)

    await store.transact(work)


async def test_a_unique_value_is_free_again_once_its_document_is_gone(store: Store) -> None:
    await insert(store, "a", owner="tartu", number=7)
    await remove(store, "a")
    await insert(store, "b", owner="tartu", number=7)


@pytest.mark.parametrize("body", [{}, {"owner": "tartu"}, {"number": 1}, {"owner": "tartu", "number": None}])
async def test_a_unique_index_does_not_constrain_documents_in_which_a_member_is_missing(store: Store, body: Body) -> None:
    await fill(store, [("a", body), ("b", body)])
    assert await store.count(THINGS) == 2


async def test_insert_many_adds_all_or_none_and_leaves_the_transaction_usable(store: Store) -> None:
    await insert(store, "c")

    async def work(tx: Transaction) -> None:
        await tx.insert(THINGS, "a", {})
        with pytest.raises(DuplicateKey):
            await tx.insert_many(THINGS, [("b", {}), ("c", {}), ("d", {})])
        await tx.insert_many(THINGS, [("e", {}), ("f", {})])

    await store.transact(work)
    assert await keys(store) == ["a", "c", "e", "f"]


async def test_insert_many_of_nothing_does_nothing(store: Store) -> None:
    await fill(store, [])
    assert await store.count(THINGS) == 0


async def test_put_replaces_the_version_it_names_and_returns_the_next(store: Store) -> None:
    await insert(store, "a", colour="red")
    assert await replace(store, "a", 1, colour="blue") == 2
    assert await replace(store, "a", 2, colour="green") == 3
    document = await store.get(THINGS, "a")
    assert document == ("a", {"colour": "green"}, 3)
    assert await keys(store, where={"colour": "green"}) == ["a"]
    assert await keys(store, where={"colour": "red"}) == []


async def test_put_at_version_zero_adds_where_there_is_none(store: Store) -> None:
    assert await replace(store, "a", 0, colour="red") == 1
    with pytest.raises(VersionConflict):
        await replace(store, "a", 0, colour="blue")
    assert await store.get(THINGS, "a") == ("a", {"colour": "red"}, 1)


@pytest.mark.parametrize("expect", [1, 3])
async def test_put_at_another_version_loses_and_keeps_nothing(store: Store, expect: int) -> None:
    await replace(store, "a", 0)
    await replace(store, "a", 1, colour="red")

    async def work(tx: Transaction) -> None:
        await tx.insert(THINGS, "b", {})
        await tx.put(THINGS, "a", {}, expect)

    with pytest.raises(VersionConflict):
        await store.transact(work)
    assert await store.get(THINGS, "a") == ("a", {"colour": "red"}, 2)
    assert await store.get(THINGS, "b") is None


async def test_put_where_nothing_is_loses(store: Store) -> None:
    with pytest.raises(VersionConflict):
        await replace(store, "a", 1)


async def test_delete_removes_at_the_version_it_names(store: Store) -> None:
    await insert(store, "a")
    with pytest.raises(VersionConflict):
        await remove(store, "a", 2)
    await remove(store, "a", 1)
    assert await store.get(THINGS, "a") is None


async def test_deleting_what_is_not_there_matters_only_when_a_version_was_expected(store: Store) -> None:
    await remove(store, "a")
    with pytest.raises(VersionConflict):
        await remove(store, "a", 1)


async def test_of_many_that_saw_one_version_one_wins(store: Store) -> None:
    await insert(store, "a", winner=None)
    results = await asyncio.gather(*[replace(store, "a", 1, winner=n) for n in range(20)], return_exceptions=True)
    won = [n for n, result in enumerate(results) if result == 2]
    assert len(won) == 1
    assert sum(isinstance(result, VersionConflict) for result in results) == 19
    assert await store.get(THINGS, "a") == ("a", {"winner": won[0]}, 2)


async def test_concurrent_increments_from_two_stores_lose_none(store: Store, store_url: str) -> None:
    other = await open_store(store_url, "contract", [THINGS])
    await insert(store, "counter", count=0)

    async def increment(tx: Transaction) -> None:
        document = await tx.get(THINGS, "counter")
        assert document is not None
        await tx.put(THINGS, "counter", {"count": document.body["count"] + 1}, document.version)

    await asyncio.gather(*[(store, other)[n % 2].transact(increment) for n in range(100)])
    await other.close()
    assert await store.get(THINGS, "counter") == ("counter", {"count": 100}, 101)


async def test_two_transactions_that_read_what_the_other_writes_do_not_both_act_on_it(store: Store) -> None:
    await fill(store, [("anna", {"flag": True}), ("jaan", {"flag": True})])

    async def leave(name: str) -> None:
        async def work(tx: Transaction) -> None:
            if await tx.count(THINGS, {"flag": True}) > 1:
                document = await tx.get(THINGS, name)
                assert document is not None
                await tx.put(THINGS, name, {"flag": False}, document.version)

        await store.transact(work)

    await asyncio.gather(leave("anna"), leave("jaan"))
    assert await store.count(THINGS, {"flag": True}) == 1


KEYS = ["", "a", "a/1", "a/2", "a/é", "a/\uffff", "a/\U0001f393", "a0", "b", "\U0010ffff", "\U0010ffffz"]


async def test_keys_are_walked_in_the_order_of_their_utf8_bytes(store: Store) -> None:
    await fill(store, [(key, {}) for key in reversed(KEYS)])
    assert await keys(store) == sorted(KEYS, key=str.encode) == KEYS
    assert await keys(store, reverse=True) == KEYS[::-1]


@pytest.mark.parametrize("prefix", ["a", "a/", "a/é", "\U0010ffff", "nothing"])
@pytest.mark.parametrize("reverse", [False, True])
async def test_a_prefix_finds_just_the_keys_that_start_with_it(store: Store, prefix: str, reverse: bool) -> None:
    await fill(store, [(key, {}) for key in KEYS])
    expected = [key for key in KEYS if key.startswith(prefix)]
    assert await keys(store, prefix=prefix, reverse=reverse) == (expected[::-1] if reverse else expected)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("prefix", ["", "k"])
async def test_pages_put_together_are_the_whole(store: Store, reverse: bool, prefix: str) -> None:
    await fill(store, [(f"k{n:03}", {"colour": "red" if n % 2 else "blue"}) for n in range(50)] + [("l", {"colour": "red"})])
    walked: list[str] = []
    after = ""
    while page := await keys(store, prefix=prefix, after=after, where={"colour": "red"}, limit=7, reverse=reverse):
        assert len(page) <= 7
        walked += page
        after = page[-1]
    expected = [f"k{n:03}" for n in range(1, 50, 2)] + ([] if prefix else ["l"])
    assert walked == (expected[::-1] if reverse else expected)


async def test_after_a_key_outside_the_prefix_means_from_its_edge(store: Store) -> None:
    await fill(store, [(key, {}) for key in ["a", "b1", "b2", "c"]])
    assert await keys(store, prefix="b", after="a") == ["b1", "b2"]
    assert await keys(store, prefix="b", after="c") == []
    assert await keys(store, prefix="b", after="c", reverse=True) == ["b2", "b1"]
    assert await keys(store, prefix="b", after="a", reverse=True) == []


async def test_where_matches_strings_integers_booleans_and_what_is_missing(store: Store) -> None:
    rows = [("a", {"colour": "1"}), ("b", {"colour": 1}), ("c", {"colour": None, "flag": True}), ("d", {"flag": False})]
    await fill(store, rows)
    assert await keys(store, where={"colour": "1"}) == ["a"]
    assert await keys(store, where={"colour": 1}) == ["b"]
    assert await keys(store, where={"colour": None}) == ["c", "d"]
    assert await keys(store, where={"flag": True}) == ["c"]
    assert await keys(store, where={"flag": False, "colour": None}) == ["d"]


async def test_count_follows_the_same_rule_as_scan(store: Store) -> None:
    await fill(store, [(str(n), {"owner": "tartu", "number": n, "colour": "red"}) for n in range(5)])
    assert await store.count(THINGS) == 5
    assert await store.count(THINGS, {"owner": "tartu"}) == 5
    assert await store.count(THINGS, {"owner": "tartu", "number": 3}) == 1
    assert await store.count(THINGS, {"colour": "blue"}) == 0


@pytest.mark.parametrize("where", [{"number": 1}, {"name": "x"}, {"colour": "red", "number": 1}])
async def test_a_search_that_no_index_leads_is_refused(store: Store, where: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="index"):
        await store.scan(THINGS, where=where)


async def test_a_limit_of_none_at_all_returns_nothing(store: Store) -> None:
    await insert(store, "a")
    assert await keys(store, limit=0) == []


async def test_what_was_acknowledged_is_there_after_reopening(store: Store, store_url: str) -> None:
    await insert(store, "a", colour="red")
    await store.close()
    again = await open_store(store_url, "contract", [THINGS])
    assert await again.get(THINGS, "a") == ("a", {"colour": "red"}, 1)
    await again.close()


async def test_closing_finishes_what_is_under_way(store: Store, store_url: str) -> None:
    writes = [asyncio.create_task(insert(store, str(n))) for n in range(50)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*writes)
    again = await open_store(store_url, "contract", [THINGS])
    assert await again.count(THINGS) == 50
    await again.close()


async def test_a_closed_store_does_not_answer(store: Store) -> None:
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.get(THINGS, "a")
    with pytest.raises(StoreUnavailable):
        await insert(store, "a")


async def test_preparing_is_safe_to_repeat_and_to_run_twice_at_once(store: Store, store_url: str) -> None:
    await insert(store, "a", colour="red")
    stores = await asyncio.gather(*[open_store(store_url, "contract", [THINGS]) for _ in range(4)])
    await asyncio.gather(*[each.prepare([THINGS]) for each in (store, *stores)])
    assert [await keys(each, where={"colour": "red"}) for each in stores] == [["a"]] * 4
    for each in stores:
        await each.close()


async def test_an_index_declared_later_finds_what_was_there_before(store: Store) -> None:
    await fill(store, [("a", {"size": 1, "on": True}), ("b", {"size": "1"}), ("c", {})])
    wider = Collection("things", (*THINGS.indexes, Index(("size",)), Index(("on",))))
    await store.prepare([wider])
    assert [row.key for row in await store.scan(wider, where={"size": 1})] == ["a"]
    assert [row.key for row in await store.scan(wider, where={"size": "1"})] == ["b"]
    assert [row.key for row in await store.scan(wider, where={"size": None})] == ["c"]
    assert await store.count(wider, {"on": True}) == 1


async def test_a_unique_index_that_documents_break_already_is_refused_in_words(store: Store) -> None:
    await fill(store, [("a", {"size": 1}), ("b", {"size": 1})])
    with pytest.raises(Misconfigured, match="unique"):
        await store.prepare([Collection("things", (*THINGS.indexes, Index(("size",), unique=True)))])


async def test_a_caller_that_gives_up_waiting_harms_nobody(store: Store) -> None:
    tasks = [asyncio.create_task(insert(store, str(n))) for n in range(10)]
    await asyncio.sleep(0)
    tasks[3].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for n, result in enumerate(results) if n != 3] == [type(None)] * 9
    assert set(await keys(store)) >= {str(n) for n in range(10) if n != 3}


async def test_a_transaction_runs_in_the_context_of_its_caller(store: Store) -> None:
    trace: contextvars.ContextVar[str] = contextvars.ContextVar("trace")
    trace.set("abc")

    async def work(tx: Transaction) -> str:
        return trace.get()

    assert await store.transact(work) == "abc"

"""Whatever units of work meet in one group, all comes out as if each had been run alone, one after the other.

SQLite runs them so; MongoDB's adapter runs them side by side. Both are given the same units in the same order.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from shared.store.mongo import group as mongo_group
from shared.store.open import open_store
from shared.store.port import Collection, DuplicateKey, Index, Store, Transaction, VersionConflict
from tests.contract.conftest import STORES, drop

NOTES = Collection("notes", (Index(("colour",)), Index(("number",), unique=True)))
PLAIN = Collection("plain", (Index(("colour",)),))
MONGO = next(name for name in STORES if name.startswith("mongo"))

KEYS = st.sampled_from("abc")
COLOURS = st.sampled_from(["red", None])
BODIES = st.sampled_from(
    [{"number": 0}, {"number": 1}, {"number": 0, "colour": "red"}, {"number": None, "colour": "red"}, {}]
)
COLLECTIONS = st.sampled_from([NOTES, NOTES, PLAIN])
ROWS = st.lists(st.tuples(KEYS, BODIES), max_size=3)
STEPS = st.one_of(
    st.tuples(st.just("get"), COLLECTIONS, KEYS),
    st.tuples(st.just("scan"), COLLECTIONS, COLOURS, st.booleans(), st.integers(1, 3)),
    st.tuples(st.just("count"), COLLECTIONS, COLOURS),
    st.tuples(st.just("insert"), COLLECTIONS, KEYS, BODIES),
    st.tuples(st.just("insert_many"), COLLECTIONS, ROWS),
    st.tuples(st.just("put"), COLLECTIONS, KEYS, BODIES, st.integers(0, 2)),
    st.tuples(st.just("change"), COLLECTIONS, KEYS, BODIES),
    st.tuples(st.just("delete"), COLLECTIONS, KEYS, st.sampled_from([None, 1, 2])),
    st.tuples(st.just("raise"), st.booleans()),
)
UNITS = st.lists(st.tuples(st.booleans(), st.lists(STEPS, min_size=1, max_size=4)), min_size=1, max_size=6)


def unit(patient: bool, steps: Sequence[tuple[Any, ...]]) -> Callable[[Transaction], Any]:
    """A unit that answers with all that it has seen; a patient one goes on after what the port lets it go on after."""

    async def work(tx: Transaction) -> list[Any]:
        seen: list[Any] = []
        for step in steps:
            try:
                seen.append(await act(tx, *step))
            except DuplicateKey:
                seen.append("taken")
                if not patient:
                    raise
            except VersionConflict:
                seen.append("changed")
                if not patient:
                    raise
        return seen

    return work


async def act(tx: Transaction, verb: str, *given: Any) -> Any:
    if verb == "scan":
        collection, colour, reverse, limit = given
        return await tx.scan(collection, where={"colour": colour}, reverse=reverse, limit=limit)
    if verb == "count":
        return await tx.count(given[0], {"colour": given[1]})
    if verb == "change":
        collection, key, body = given
        held = await tx.get(collection, key)
        return await tx.put(collection, key, body, held.version if held else 0)
    if verb == "raise":
        raise LookupError(given[0])
    return await getattr(tx, verb)(*given)


def outcome(result: Any) -> Any:
    return (type(result).__name__, str(result)) if isinstance(result, LookupError) else _kind(result)


def _kind(result: Any) -> Any:
    return type(result).__name__ if isinstance(result, BaseException) else result


async def one_by_one(store: Store, units: Sequence[Any]) -> list[Any]:
    return [(await asyncio.gather(store.transact(unit(*each)), return_exceptions=True))[0] for each in units]


async def at_once(store: Store, units: Sequence[Any]) -> list[Any]:
    return await asyncio.gather(*[store.transact(unit(*each)) for each in units], return_exceptions=True)


async def everything(store: Store) -> list[Any]:
    return [await store.scan(collection) for collection in (NOTES, PLAIN)]


@pytest.fixture
def opened() -> Any:
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        url = STORES[MONGO](folder)  # type: ignore[arg-type]
        stores = [runner.run(open_store(where, "groups", [NOTES, PLAIN])) for where in (f"sqlite:///{folder}", url)]
        yield runner, stores
        for store in stores:
            runner.run(store.close())
        drop(url, "groups")


async def clear(store: Store) -> None:
    async def work(tx: Transaction) -> None:
        for collection in (NOTES, PLAIN):
            for row in await tx.scan(collection):
                await tx.delete(collection, row.key)

    await store.transact(work)


def test_a_group_comes_out_as_its_units_one_after_the_other(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    runner, stores = opened
    monkeypatch.setattr(mongo_group, "GROUP_SECONDS", 60.0)  # nothing is put off, so the order is the one of asking

    @settings(
        max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
    )
    @given(st.lists(UNITS, min_size=2, max_size=3))
    def law(groups: list[Any]) -> None:
        for store in stores:
            runner.run(clear(store))
        for units in groups:
            expected, found = runner.run(one_by_one(stores[0], units)), runner.run(at_once(stores[1], units))
            assert [outcome(result) for result in found] == [outcome(result) for result in expected]
            assert runner.run(everything(stores[1])) == runner.run(everything(stores[0]))

    law()

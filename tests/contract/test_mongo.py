"""What the MongoDB adapter promises beyond the port: how documents lie, how work is grouped, and what it will not take."""

from __future__ import annotations

import asyncio
import functools
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from pymongo import AsyncMongoClient, MongoClient
from pymongo.monitoring import CommandListener, CommandStartedEvent

from shared.errors import Invalid, TooLarge
from shared.store.mongo import group as mongo_group
from shared.store.mongo.client import MongoUrl
from shared.store.mongo.store import MongoStore, open_mongo
from shared.store.mongo.table import MongoTable
from shared.store.port import Collection, DuplicateKey, Index, Transaction
from tests.contract.conftest import THINGS, database, drop

pytestmark = pytest.mark.engines
"""It fills the database's cache, which no other test should have to share."""

OWNED = Collection("owned", (Index(("number",), unique=True),))


class Commands(CommandListener):
    """Counts what is sent to the server."""

    def __init__(self) -> None:
        self.sent: Counter[str] = Counter()

    def started(self, event: CommandStartedEvent) -> None:
        self.sent[event.command_name] += 1

    def succeeded(self, event: Any) -> None:
        pass

    def failed(self, event: Any) -> None:
        pass


@pytest.fixture
def url() -> Any:
    text = database()
    yield text
    drop(text)


@pytest.fixture
def commands() -> Commands:
    return Commands()


@pytest.fixture
async def store(url: str, commands: Commands) -> AsyncIterator[MongoStore]:
    connect = functools.partial(AsyncMongoClient, event_listeners=[commands])
    opened = await open_mongo(url, "contract", [THINGS, OWNED], connect)
    commands.sent.clear()
    yield opened
    await opened.close()


@pytest.fixture
def shell(url: str) -> Any:
    """The service's database, as an operator's shell sees it."""
    with MongoClient[dict[str, Any]](url) as client:
        yield client[MongoUrl.parse(url).database("contract")]


def inserting(key: str, collection: Collection = THINGS, **body: Any) -> Callable[[Transaction], Any]:
    return lambda tx: tx.insert(collection, key, body)


async def test_a_document_lies_there_as_an_operator_can_read_it(store: MongoStore, shell: Any) -> None:
    await store.transact(inserting("a/1", colour="red", parts=[{"n": 1}]))
    assert list(shell["things"].find()) == [{"_id": "a/1", "v": 1, "body": {"colour": "red", "parts": [{"n": 1}]}}]


async def test_values_come_back_as_they_were(store: MongoStore) -> None:
    body = {
        "b": [1, 1.0, True, None, "", 2**40, -(2**63), 2**63 - 1, 1e300, "\x00\U0001f393"],
        "a": {"$set": 1, "with.dot": {"": 2}, "_id": "x", "z": 0, "y": 0},
    }
    await store.transact(inserting("a", **body))
    document = await store.get(THINGS, "a")
    assert document is not None
    assert document.body == body
    assert [type(value) for value in document.body["b"]] == [type(value) for value in body["b"]]
    assert [*document.body, *document.body["a"]] == [*body, *body["a"]]


@pytest.mark.parametrize("value", [2**63, {"a\x00b": 1}, object(), {1: 2}])
async def test_what_cannot_be_kept_is_refused_at_its_statement(store: MongoStore, value: Any) -> None:
    async def work(tx: Transaction) -> None:
        await tx.insert(THINGS, "before", {})
        with pytest.raises(Invalid, match="64 bits"):
            await tx.insert(THINGS, "a", {"value": value})

    await store.transact(work)
    assert [row.key for row in await store.scan(THINGS)] == ["before"]


@pytest.mark.parametrize("value", [1.5, ["a"], {"a": 1}])
async def test_an_indexed_member_that_is_no_scalar_is_refused(store: MongoStore, value: Any) -> None:
    with pytest.raises(TypeError, match="indexed member"):
        await store.transact(inserting("a", colour=value))


async def test_a_document_that_is_too_large_is_refused_and_harms_no_other(store: MongoStore) -> None:
    big = [store.transact(inserting(key, text="x" * size)) for key, size in (("a", 17 << 20), ("b", 1), ("c", 15 << 20))]
    results = await asyncio.gather(*big, return_exceptions=True)
    assert [type(result) for result in results] == [TooLarge, type(None), type(None)]
    assert [row.key for row in await store.scan(THINGS)] == ["b", "c"]


async def test_more_than_one_command_can_carry_goes_in_several(store: MongoStore) -> None:
    async def work(tx: Transaction) -> None:
        await tx.insert_many(THINGS, [(f"{n:02}", {"text": "x" * (3 << 20)}) for n in range(20)])

    await store.transact(work)
    assert await store.count(THINGS) == 20


async def test_much_that_comes_at_once_is_kept_in_several_transactions(store: MongoStore, shell: Any) -> None:
    await asyncio.gather(*[store.transact(inserting(f"{n:02}", text="x" * (3 << 20))) for n in range(14)])
    assert await store.count(THINGS) == 14
    assert shell["testamur.guard"].find_one()["commits"] > 1


async def test_many_that_wait_share_one_transaction_and_one_command(store: MongoStore, commands: Commands) -> None:
    await asyncio.gather(*[store.transact(inserting(f"{n:03}")) for n in range(200)])
    assert commands.sent["commitTransaction"] == 1
    assert commands.sent["bulkWrite"] == 1
    assert sum(commands.sent.values()) == 2
    assert await store.count(THINGS) == 200


async def test_what_units_of_a_group_read_is_asked_together(store: MongoStore, commands: Commands) -> None:
    await asyncio.gather(*[store.transact(inserting(f"{n:03}", n=0)) for n in range(100)])
    commands.sent.clear()

    async def raise_it(key: str) -> None:
        async def work(tx: Transaction) -> None:
            held = await tx.get(THINGS, key)
            assert held is not None
            await tx.put(THINGS, key, {"n": held.body["n"] + 1}, held.version)

        await store.transact(work)

    await asyncio.gather(*[raise_it(f"{n:03}") for n in range(100)])
    assert commands.sent == {"find": 1, "bulkWrite": 1, "commitTransaction": 1}
    assert [row.body["n"] for row in await store.scan(THINGS)] == [1] * 100


async def test_a_unit_that_raises_takes_nobody_of_its_group_along(store: MongoStore, commands: Commands) -> None:
    async def work(number: int) -> None:
        async def inner(tx: Transaction) -> None:
            if number % 5 == 0:
                await tx.get(THINGS, "nothing")
                raise LookupError(number)
            await tx.insert(THINGS, f"{number:02}", {})

        await store.transact(inner)

    results = await asyncio.gather(*[work(n) for n in range(20)], return_exceptions=True)
    assert [isinstance(result, LookupError) for result in results] == [n % 5 == 0 for n in range(20)]
    assert commands.sent["commitTransaction"] == 1
    assert await store.count(THINGS) == 16


async def test_one_that_is_taken_is_found_at_its_statement_and_the_rest_of_its_group_kept(store: MongoStore) -> None:
    await store.transact(inserting("taken"))

    async def patient(tx: Transaction) -> str:
        try:
            await tx.insert(THINGS, "taken", {})
        except DuplicateKey:
            await tx.insert(THINGS, "instead", {})
            return "instead"
        return "first"

    results = await asyncio.gather(
        store.transact(inserting("a")),
        store.transact(patient),
        store.transact(inserting("taken")),
        store.transact(inserting("b")),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [type(None), str, DuplicateKey, type(None)]
    assert [row.key for row in await store.scan(THINGS)] == ["a", "b", "instead", "taken"]


@pytest.mark.parametrize("careful", [False, True])
async def test_a_unique_value_that_one_gives_up_is_free_for_the_next_in_its_group(store: MongoStore, careful: bool) -> None:
    await store.transact(inserting("x", OWNED, number=7))
    if careful:  # what follows a wrong assumption is run carefully
        with pytest.raises(DuplicateKey):
            await store.transact(inserting("y", OWNED, number=7))

    async def change(tx: Transaction) -> None:
        await tx.put(OWNED, "y", {"number": 8}, 1)

    await asyncio.gather(
        store.transact(lambda tx: tx.delete(OWNED, "x")),
        store.transact(inserting("y", OWNED, number=7)),
        store.transact(change),
        store.transact(inserting("z", OWNED, number=7)),
    )
    assert [(row.key, row.body["number"]) for row in await store.scan(OWNED)] == [("y", 8), ("z", 7)]


async def test_two_unique_values_can_be_exchanged_in_one_transaction(store: MongoStore) -> None:
    await asyncio.gather(*[store.transact(inserting(key, OWNED, number=n)) for n, key in enumerate("ab")])

    async def exchange(tx: Transaction) -> None:
        await tx.put(OWNED, "a", {"number": 2}, 1)
        await tx.put(OWNED, "b", {"number": 0}, 1)
        await tx.put(OWNED, "a", {"number": 1}, 2)

    await store.transact(exchange)
    assert [(row.key, row.body["number"], row.version) for row in await store.scan(OWNED)] == [("a", 1, 3), ("b", 0, 2)]


async def test_a_unit_that_goes_on_asking_lets_the_others_by(store: MongoStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mongo_group, "GROUP_SECONDS", 0.0)
    await store.transact(inserting("counter", n=0))
    runs: Counter[int] = Counter()

    async def increment(number: int) -> None:
        async def work(tx: Transaction) -> None:
            runs[number] += 1
            for _ in range(number % 5):
                await tx.count(THINGS)
            held = await tx.get(THINGS, "counter")
            assert held is not None
            await tx.put(THINGS, "counter", {"n": held.body["n"] + 1}, held.version)

        await store.transact(work)

    await asyncio.gather(*[increment(n) for n in range(20)])
    assert await store.get(THINGS, "counter") == ("counter", {"n": 20}, 21)
    assert max(runs.values()) > 1


async def test_reads_at_the_same_time_share_questions_and_no_document(store: MongoStore, commands: Commands) -> None:
    await asyncio.gather(*[store.transact(inserting(f"{n:03}", n=n)) for n in range(100)])
    commands.sent.clear()
    found = await asyncio.gather(*[store.get(THINGS, f"{n % 101:03}") for n in range(202)])
    assert commands.sent["find"] <= 3
    assert [document and document.body["n"] for document in found] == [*range(100), None] * 2
    first, again = found[5], found[106]
    assert first is not None
    assert again is not None
    first.body["n"] = "changed"
    assert again.body["n"] == 5


async def test_a_read_sees_what_was_acknowledged_before_it(store: MongoStore) -> None:
    async def follow(number: int) -> None:
        for version in range(1, 10):
            await store.transact(lambda tx, version=version: tx.put(THINGS, str(number), {"n": version}, version - 1))
            read = await store.get(THINGS, str(number))
            assert read == (str(number), {"n": version}, version)

    await asyncio.gather(*[follow(n) for n in range(10)])


@pytest.mark.parametrize("where", [None, {"colour": "red"}, {"colour": None}, {"owner": "t"}, {"owner": "t", "number": 1}])
@pytest.mark.parametrize("after", ["", "m"])
@pytest.mark.parametrize("reverse", [False, True])
async def test_a_page_comes_from_an_index_in_its_order(
    store: MongoStore, shell: Any, where: Any, after: str, reverse: bool
) -> None:
    wanted = MongoTable(THINGS).search(where, "", after, reverse=reverse).filter()
    plan = shell["things"].find(wanted).sort("_id", -1 if reverse else 1).limit(10).explain()["queryPlanner"]["winningPlan"]
    stages = _stages(plan.get("queryPlan", plan))
    assert stages & {"IXSCAN", "CLUSTERED_IXSCAN", "EXPRESS_IXSCAN"} or where is None
    assert "COLLSCAN" not in stages or (where is None and not after)
    assert "SORT" not in stages or where == {"owner": "t", "number": 1}  # a unique value has one row, and nothing to sort


def _stages(plan: dict[str, Any]) -> set[str]:
    inner = [plan["inputStage"]] if "inputStage" in plan else plan.get("inputStages", [])
    return {plan["stage"]}.union(*map(_stages, inner))


async def test_an_index_no_longer_declared_is_dropped_and_an_operators_own_is_left(store: MongoStore, shell: Any) -> None:
    shell["things"].create_index("body.name", name="mine")
    await store.prepare([Collection("things")])
    assert set(shell["things"].index_information()) == {"_id_", "mine"}

    async def work(tx: Transaction) -> None:
        await tx.insert_many(THINGS, [(key, {"owner": "tartu", "number": 1}) for key in "ab"])

    await store.transact(work)
    assert await store.count(Collection("things")) == 2


async def test_a_collection_that_was_not_prepared_is_a_mistake_said_plainly(store: MongoStore) -> None:
    other = Collection("other")
    with pytest.raises(LookupError, match="prepared"):
        await store.get(other, "a")
    with pytest.raises(LookupError, match="prepared"):
        await store.transact(lambda tx: tx.get(other, "a"))


@pytest.mark.parametrize("name", ["things; --", "Things", "", "testamur.guard"])
async def test_a_name_that_is_none_of_ours_is_refused(store: MongoStore, name: str) -> None:
    with pytest.raises(ValueError, match="named by"):
        await store.prepare([Collection(name)])

"""A request that is sent twice under one Idempotency-Key is done once, and answered twice with the same bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel

from shared.clock import ManualClock
from shared.errors import Conflict
from shared.log import outbox
from shared.log.outbox import Outbox, Unit
from shared.settings import NodeSettings
from shared.store.open import open_store
from shared.store.port import Collection, Reader, Store
from shared.web import idempotency
from shared.web.app import ApiSpec, make_app
from shared.web.auth.bearer import Caller
from shared.web.command import Command, View
from shared.web.conditional import etag
from shared.web.idempotency import IDEMPOTENCY, KEYED
from shared.web.request_transaction import RequestTransaction, RequestTransactions
from shared.web.strict import router

NOW = datetime(2026, 11, 23, 20, 19, tzinfo=UTC)
THINGS = Collection("things")
KADRI = Caller("kadri", frozenset(), None, "urn:node")
JSON = {"Content-Type": "application/json"}


class MakeThing(Command):
    name: str


class Thing(View):
    name: str
    number: int


class Vault:
    """Keeps answers apart, by the thing's name, until they are erased."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}

    async def encrypt(self, unit: Unit, body: bytes, result: BaseModel) -> dict[str, Any]:
        assert isinstance(result, Thing)
        self.held[result.name] = body
        return {"name": result.name}

    async def open(self, reader: Reader, encrypted: Mapping[str, Any]) -> bytes | None:
        return self.held.get(encrypted["name"])


async def nothing() -> None:
    """What needs no drafting."""


@dataclass
class Scene:
    """An app with one command; `work` is what it does, `caller` who asks."""

    store: Store
    clock: ManualClock
    work: Callable[[Unit, str], Awaitable[Thing]]
    caller: Caller = KADRI
    vault: Vault | None = None
    required: bool = True
    runs: int = 0
    draft: Callable[[], Awaitable[None]] = nothing
    transactions: RequestTransactions = field(init=False)

    def __post_init__(self) -> None:
        self.transactions = RequestTransactions(Outbox(self.store, self.clock))

    def app(self) -> FastAPI:
        routes = router("things")

        def described(thing: Thing) -> dict[str, str]:
            return {"ETag": etag(thing.number), "Location": f"/things/{thing.name}"}

        scene = self

        async def make(request: Request, command: MakeThing) -> Response:
            async def work(unit: Unit) -> Thing:
                scene.runs += 1
                return await scene.work(unit, command.name)

            opened = scene.transactions.open(
                request,
                scene.caller,
                status=201,
                headers=described,
                vault=scene.vault,
                required=scene.required,
            )
            async with opened as transaction:
                if kept := await transaction.kept():
                    return kept
                await scene.draft()
                return await transaction.answer(work)

        for path in ("/things", "/others"):
            routes.add_api_route(path, make, methods=["POST"], dependencies=[KEYED] if path == "/things" else [])
        return make_app(ApiSpec(name="things", title="t", routers=[routes]), NodeSettings.load(node="ee"))

    def client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=httpx2.ASGITransport(self.app()), base_url="http://node")


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    collections = (THINGS, *outbox.COLLECTIONS, *idempotency.COLLECTIONS)
    store = await open_store(f"sqlite:///{tmp_path}", "things", collections)

    async def insert(unit: Unit, name: str) -> Thing:
        number = await unit.tx.count(THINGS) + 1
        await unit.tx.insert(THINGS, f"{number}", {"name": name})
        await unit.audit("make", name)
        return Thing(name=name, number=number)

    yield Scene(store, ManualClock(NOW), insert)
    await store.close()


async def post(
    client: httpx2.AsyncClient, key: str | None, body: bytes = b'{"name":"a"}', path: str = "/things"
) -> httpx2.Response:
    headers = JSON if key is None else {**JSON, "Idempotency-Key": key}
    return await client.post(path, content=body, headers=headers)


async def test_the_same_request_gets_the_stored_answer_byte_for_byte(scene: Scene) -> None:
    async with scene.client() as client:
        first, second = await post(client, "k1"), await post(client, "k1")
    assert first.status_code == second.status_code == 201
    assert first.content == second.content == b'{"name":"a","number":1}'
    for name in ("etag", "location", "content-type"):
        assert first.headers[name] == second.headers[name]
    assert scene.runs == 1
    assert await scene.store.count(THINGS) == 1


async def test_the_answer_survives_a_restart(scene: Scene) -> None:
    async with scene.client() as client:
        first = await post(client, "k1")
    scene.transactions = RequestTransactions(Outbox(scene.store, scene.clock))
    async with scene.client() as client:
        assert (await post(client, "k1")).content == first.content
    assert scene.runs == 1


@pytest.mark.parametrize("body", [b'{"name":"b"}', b'{"name": "a"}'])
async def test_another_request_under_the_same_key_is_a_422(scene: Scene, body: bytes) -> None:
    async with scene.client() as client:
        await post(client, "k1")
        reused = await post(client, "k1", body)
    assert reused.status_code == 422
    assert reused.json()["type"] == "/problems/idempotency-key-reused"
    assert await scene.store.count(THINGS) == 1


async def test_a_key_belongs_to_its_caller_and_its_route(scene: Scene) -> None:
    async with scene.client() as client:
        numbers = [(await post(client, "k1")).json()["number"]]
        numbers.append((await post(client, "k1", path="/others")).json()["number"])
        scene.caller = Caller("jaan", frozenset(), None, "urn:node")
        numbers.append((await post(client, "k1")).json()["number"])
        scene.caller = Caller("jaan", frozenset(), None, "https://id.example")
        numbers.append((await post(client, "k1")).json()["number"])
    assert numbers == [1, 2, 3, 4]


@pytest.mark.parametrize("key", [None, "", "a" * 129, "two words", "\u00e4".encode("latin-1").decode("latin-1")])
@pytest.mark.parametrize("path", ["/things", "/others"])
async def test_a_missing_or_unusable_key_is_a_400(scene: Scene, path: str, key: str | None) -> None:
    headers = JSON if key is None else {**JSON, "Idempotency-Key": key.encode("latin-1")}
    async with scene.client() as client:
        answer = await client.post(path, content=b'{"name":"a"}', headers=headers)
    assert answer.status_code == 400
    assert answer.json()["type"] == "/problems/idempotency-key-missing"
    assert scene.runs == 0


async def test_where_no_key_is_needed_each_request_is_done(scene: Scene) -> None:
    scene.required = False
    async with scene.client() as client:
        for _ in range(2):
            assert (await post(client, None, path="/others")).status_code == 201
    assert await scene.store.count(THINGS) == 2
    assert await scene.store.count(IDEMPOTENCY) == 0


async def test_a_failed_request_leaves_nothing_and_may_be_repeated(scene: Scene) -> None:
    works = scene.work

    async def fails(unit: Unit, name: str) -> Thing:
        await works(unit, name)
        raise Conflict("Not today.")

    scene.work = fails
    async with scene.client() as client:
        assert (await post(client, "k1")).status_code == 409
        assert await scene.store.count(THINGS) == await scene.store.count(IDEMPOTENCY) == 0
        scene.work = works
        assert (await post(client, "k1")).status_code == 201


async def test_a_second_request_while_the_first_is_under_way_is_a_409(scene: Scene) -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()
    transact = scene.store.transact

    async def held_up(work: Any) -> Any:
        arrived.set()
        await go_on.wait()
        return await transact(work)

    scene.store.transact = held_up  # type: ignore[method-assign]
    async with scene.client() as client:
        first = asyncio.create_task(post(client, "k1"))
        await arrived.wait()
        second = await post(client, "k1")
        go_on.set()
        assert (second.status_code, second.headers["retry-after"]) == (409, "1")
        assert (await first).status_code == 201
        assert (await post(client, "k1")).content == (await first).content
    assert scene.runs == 1


async def test_while_one_request_is_drafted_a_second_one_is_refused_before_any_work(scene: Scene) -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def draft() -> None:
        arrived.set()
        await go_on.wait()

    scene.draft = draft
    async with scene.client() as client:
        first = asyncio.create_task(post(client, "k1"))
        await arrived.wait()
        arrived.clear()
        assert (await post(client, "k1")).status_code == 409
        assert not arrived.is_set()
        go_on.set()
        assert (await post(client, "k2")).status_code == (await first).status_code == 201
        arrived.clear()
        assert (await post(client, "k1")).content == (await first).content
        assert not arrived.is_set(), "a stored answer needs no work"


async def test_a_request_that_was_refused_while_it_was_drafted_may_be_repeated(scene: Scene) -> None:
    async def refuse() -> None:
        raise Conflict("Not today.")

    drafts, scene.draft = scene.draft, refuse
    async with scene.client() as client:
        assert (await post(client, "k1")).status_code == 409
        assert (scene.runs, await scene.store.count(IDEMPOTENCY)) == (0, 0)
        scene.draft = drafts
        assert (await post(client, "k1")).status_code == 201


async def test_of_two_processes_that_draft_one_request_the_transaction_keeps_one(scene: Scene) -> None:
    slot = idempotency.Slot("a-row", "a-fingerprint")
    both: list[RequestTransaction[Thing]] = [
        RequestTransaction(outbox=Outbox(scene.store, scene.clock), actor="kadri", slot=slot) for _ in range(2)
    ]
    assert [await one.kept() for one in both] == [None, None]
    answers = await asyncio.gather(*(one.answer(lambda unit: scene.work(unit, "a")) for one in both))
    assert answers[0].body == answers[1].body
    assert await scene.store.count(THINGS) == 1


async def test_many_at_once_are_done_once(scene: Scene) -> None:
    clients = [scene.client() for _ in range(2)]
    answers = await asyncio.gather(*(post(clients[n % 2], "k1") for n in range(20)))
    assert await scene.store.count(THINGS) == 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1


async def test_a_stored_answer_holds_neither_key_nor_caller(scene: Scene) -> None:
    async with scene.client() as client:
        await post(client, "a-telling-key")
    row = (await scene.store.scan(IDEMPOTENCY))[0]
    assert "telling" not in repr(row)
    assert "kadri" not in repr(row)


async def test_what_a_row_holds_of_a_request_cannot_be_made_again_without_its_key(scene: Scene) -> None:
    async with scene.client() as client:
        for key in ("one", "two"):
            await post(client, key)
    rows = [row.body["fingerprint"] for row in await scene.store.scan(IDEMPOTENCY)]
    assert len(set(rows)) == 2, "one request under two keys leaves two fingerprints: its hash alone is in neither"


async def test_a_sealed_answer_is_not_in_the_row_and_is_gone_once_erased(scene: Scene) -> None:
    scene.vault = Vault()
    async with scene.client() as client:
        first = await post(client, "k1")
        row = (await scene.store.scan(IDEMPOTENCY))[0]
        assert first.text not in repr(row)
        assert (await post(client, "k1")).content == first.content
        scene.vault.held.clear()
        erased = await post(client, "k1")
    assert erased.status_code == 410
    assert erased.json()["type"] == "/problems/answer-erased"
    assert scene.runs == 1


async def test_after_seven_days_a_key_is_new_again(scene: Scene) -> None:
    async with scene.client() as client:
        await post(client, "k1")
        scene.clock.advance(days=7, seconds=-1)
        assert (await post(client, "k1")).json()["number"] == 1
        scene.clock.advance(seconds=1)
        assert (await post(client, "k1")).json()["number"] == 2


async def test_the_sweep_deletes_what_has_ended_and_nothing_else(scene: Scene) -> None:
    async with scene.client() as client:
        for key in ("k1", "k2", "k3"):
            await post(client, key)
        scene.clock.advance(days=5)
        await post(client, "k4")
        assert await scene.transactions.sweep() == 0
        scene.clock.advance(days=3)
        assert await scene.transactions.sweep() == 3
        assert await scene.transactions.sweep() == 0
        assert await scene.store.count(IDEMPOTENCY) == 1
        assert (await post(client, "k4")).json()["number"] == 4
        scene.clock.advance(days=300)
        assert await scene.transactions.sweep() == 1


async def test_the_api_document_says_that_a_key_is_needed(scene: Scene) -> None:
    parameters = scene.app().openapi()["paths"]["/things"]["post"]["parameters"]
    assert [(one["name"], one["required"]) for one in parameters] == [("Idempotency-Key", True)]

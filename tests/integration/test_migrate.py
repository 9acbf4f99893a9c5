"""A node moves to another store, and goes on there as if nothing had been: nothing lost, nothing twice, one history."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from pymongo import MongoClient

from services.cli import app as command
from services.cli.exit_codes import Code
from services.cli.node import migration
from services.cli.node.migration import NOT_DATA, MigrationPlan, StoresDiffer, state_hashes
from services.node import SERVICES, collections_of
from services.verifier.repository import FACTS
from shared.bus.port import Message
from shared.engine import leadership
from shared.events.base import PUBLIC
from shared.events.entry import parse
from shared.home.folder import Home
from shared.ids import topic_name
from shared.log.archive import HEADS, LOG, position_of
from shared.store.copy import COPIES, CopyRefused, StoreNotOpen, require_complete
from shared.store.open import open_store
from shared.store.port import Transaction
from tests import engines, forked
from tests.scenes import migrating
from tests.scenes.migrating import POINTS
from tests.unit.shared.store.test_copy import BOTH, DOCUMENTS, copying, fill, held, whole
from tests.world import Nation, federate, found, honest, running

STREAMS = ("trust", "status", "registrations")


@contextmanager
def databases(services: Sequence[str] = SERVICES) -> Iterator[str]:
    """The URL of databases that nobody else uses, gone afterwards."""
    name = f"migrate_{uuid.uuid4().hex[:12]}"
    yield engines.mongo().database(name)
    with MongoClient[dict[str, Any]](engines.mongo().url) as client:
        for service in services:
            client.drop_database(f"{name}_{service}")


@pytest.fixture
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where the node moves to: by default another folder."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield f"sqlite:///{tmp_path}/new"
        return
    with databases() as url:
        yield url


@pytest.fixture
def new_bus(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A bus on which there is nothing yet."""
    return f"sqlite:///{tmp_path}/bus" if request.param == "sqlite" else engines.kafka().url


@pytest.fixture(autouse=True)
def _no_variable_names_a_node(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TESTAMUR_") and not name.startswith("TESTAMUR_TEST")]:
        monkeypatch.delenv(name)


def plan(home: Home, target: str) -> MigrationPlan:
    made = home.settings
    return MigrationPlan(f"{made.federation}/{made.node}", made.store, target, target, SERVICES)


def moved(home: Home, store: str, bus: str) -> Home:
    """The same node with two other URLs, which is all that changes for it."""
    return Home(home.settings.model_copy(update={"store": store, "bus": bus}))


async def lives(nation: Nation) -> dict[str, str]:
    """A credential of each fate, a record that could not be taken in, and a nation that has much behind it."""
    await nation.accredits("tartu")
    made = {fate: await nation.issues("tartu") for fate in ("good", "revoked", "suspended")}
    refs = {fate: await ref_of(nation, credential) for fate, credential in made.items()}
    await nation.revokes(refs["revoked"])
    for change in ("suspend", "reinstate", "suspend"):
        body = {"reason": "error"} if change == "suspend" else None
        await nation.must("registry", "POST", f"/credentials/{refs['suspended']}/{change}", body or {})
    await nation.hears(topic_name(nation.name, "trust"), [Message("", b"no entry at all", ())])
    return made


async def ref_of(nation: Nation, credential: str) -> str:
    return str((await nation.verifies(credential))["credential"]["ref"])


async def answers(nation: Nation, made: dict[str, str]) -> dict[str, tuple[str, str | None]]:
    reports = {fate: await nation.verifies(credential) for fate, credential in made.items()}
    return {fate: (report["verdict"], report["reason"]) for fate, report in reports.items()}


async def chains(nation: Nation) -> dict[str, list[int]]:
    """The sequences of a nation's own public chains."""
    store = nation.engine("registry").store
    rows = {stream: await store.scan(LOG, prefix=topic_name(nation.name, stream) + "/") for stream in STREAMS}
    return {stream: [parse(row.body["jws"]).envelope.seq for row in held] for stream, held in rows.items()}


async def heads(nation: Nation) -> dict[str, Any]:
    return {row.key: position_of(row) for row in await nation.engine("registry").store.scan(HEADS)}


async def dead_letters(nation: Nation) -> Any:
    return (await nation.must("verifier", "GET", "/dead-letters"))["items"]


async def mirror(source: Nation, target: Nation) -> None:
    """Carry all that is on a nation's public topics to another's bus, as a mirror without a memory would."""
    for stream in PUBLIC:
        topic = topic_name(source.name, stream)
        reader = source.bus.consumer(f"mirror-of-{source.name}")
        reader.follow([topic])
        await reader.seek(topic, 0)
        async with asyncio.timeout(60):
            reached, end = 0, await source.bus.end(topic)
            while reached < end:
                for record in await reader.poll(500, 1.0):
                    await target.bus.append(topic, [honest(record)])
                    reached = record.offset
        await reader.close()
    await target.settles()


@pytest.mark.parametrize(("new_store", "new_bus"), [("sqlite", "sqlite"), ("mongodb", "kafka")], indirect=True)
async def test_a_node_goes_on_where_it_was_on_a_new_store_and_a_new_bus(
    tmp_path: Path, new_store: str, new_bus: str
) -> None:
    name = f"ee-{uuid.uuid4().hex[:8]}"  # a broker that is shared has other nodes' topics
    tallinn, lisbon_home = found(tmp_path / "ee", name), found(tmp_path / "pt", "pt")
    federate([tallinn, lisbon_home])
    async with running(lisbon_home) as lisbon:
        async with running(tallinn) as before:
            made = await lives(before)
            await mirror(before, lisbon)
            said, letters, at = await answers(before, made), await dead_letters(before), await heads(before)
            state = await state_hashes(before.engine("verifier").store)
            key = uuid.uuid4().hex
            ordered = {"institution": "tartu", "credential": before.draft()}
            first = await before.ask("issuer", "POST", "/credentials", ordered, idempotency_key=key)
            await before.settles()
            made["late"], said["late"] = first.json()["credential"], ("valid", None)
        outcome = await migration.move(plan(tallinn, new_store), asyncio.Event())
        assert outcome.states[0] == outcome.states[1] != state

        async with running(moved(tallinn, new_store, new_bus)) as after:
            assert await answers(after, made) == said
            assert len(letters) == 1
            assert await dead_letters(after) == letters
            again = await after.ask("issuer", "POST", "/credentials", ordered, idempotency_key=key)
            assert again.content == first.content
            await after.must("registry", "POST", f"/credentials/{await ref_of(after, made['suspended'])}/reinstate", {})
            made["new"] = await after.issues("tartu")
            now = await heads(after)
            assert all(now[topic].seq >= position.seq for topic, position in at.items())
            for seqs in (await chains(after)).values():
                assert seqs == list(range(1, len(seqs) + 1))

            await mirror(after, lisbon)
            expected = said | {"suspended": ("valid", None), "new": ("valid", None)}
            assert await answers(after, made) == await answers(lisbon, made) == expected
            here, there = after.engine("verifier").store, lisbon.engine("verifier").store
            assert (await state_hashes(here))[name] == (await state_hashes(there))[name]


@given(documents=DOCUMENTS)
@settings(max_examples=5, deadline=None, database=None)
def test_whatever_a_store_holds_survives_another_kind_of_store_and_the_way_back(documents: Any) -> None:
    async def there_and_back(folder: str, url: str) -> None:
        async with AsyncExitStack() as closing:
            stores = []
            for place in (f"sqlite:///{folder}/old", url, f"sqlite:///{folder}/new"):
                stores.append(await open_store(place, "copy", (*BOTH, COPIES)))
                closing.push_async_callback(stores[-1].close)
            await fill(stores[0], BOTH[1], documents)
            await whole(copying((stores[0], stores[1])))
            await whole(copying((stores[1], stores[2])))
            assert await held(stores[2], BOTH[1]) == await held(stores[0], BOTH[1])

    with tempfile.TemporaryDirectory() as folder, databases(["copy"]) as url:
        asyncio.run(there_and_back(folder, url))


async def test_what_the_target_cannot_keep_is_named(tmp_path: Path) -> None:
    with databases(["copy"]) as url:
        old = await open_store(f"sqlite:///{tmp_path}/old", "copy", (*BOTH, COPIES))
        new = await open_store(url, "copy", (*BOTH, COPIES))
        await fill(old, BOTH[1], {"kept": ({}, 1), "odd": ({"nul\0": 1}, 1)})
        with pytest.raises(CopyRefused, match=r"of others between the keys kept and odd\..*NUL"):
            await whole(copying((old, new)))
        await new.close()
        await old.close()


async def test_a_node_of_which_anything_runs_is_not_copied_and_goes_on(prepared: Path, tmp_path: Path) -> None:
    home = at(shutil.copytree(prepared, tmp_path / "ee"))
    async with running(home, ["notifier"]):
        with pytest.raises(CopyRefused, match="The notifier of this node runs"):
            await migration.move(plan(home, f"sqlite:///{tmp_path}/new"), asyncio.Event())
    async with running(home) as nation:
        await nation.issues("tartu")


async def test_a_node_starts_on_no_store_that_is_being_copied_or_was(prepared: Path, tmp_path: Path) -> None:
    home = at(shutil.copytree(prepared, tmp_path / "ee"))
    new = f"sqlite:///{tmp_path}/new"
    await migration.move(plan(home, new), asyncio.Event())
    with pytest.raises(StoreNotOpen, match="migrate"):
        async with running(home):
            pass
    await migration.go_back(plan(home, new), asyncio.Event())
    with pytest.raises(StoreNotOpen, match="not whole"):
        async with running(moved(home, new, home.settings.bus)):
            pass
    async with running(home) as nation:
        await nation.issues("tartu")
    await migration.move(plan(home, new), asyncio.Event())
    async with running(moved(home, new, home.settings.bus)) as nation:
        await nation.issues("tartu")
    with pytest.raises(StoresDiffer):
        await migration.go_back(plan(home, new), asyncio.Event())


async def test_a_difference_is_named_by_its_service_collection_and_first_key(prepared: Path, tmp_path: Path) -> None:
    home = at(shutil.copytree(prepared, tmp_path / "ee"))
    new = f"sqlite:///{tmp_path}/new"
    await migration.move(plan(home, new), asyncio.Event())
    await migration.compare_only(plan(home, new), asyncio.Event())
    store = await open_store(new, "verifier", collections_of("verifier"))
    first = (await store.scan(FACTS, limit=1))[0]

    async def change(tx: Transaction) -> None:
        await tx.put(FACTS, first.key, {**first.body, "known_at": "2020-01-01T00:00:00Z"}, expect=first.version)

    await store.transact(change)
    await store.close()
    with pytest.raises(StoresDiffer, match="facts") as caught:
        await migration.compare_only(plan(home, new), asyncio.Event())
    assert caught.value.members["differences"] == [{"service": "verifier", "collection": "facts", "key": first.key}]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a node that has lived, to be copied for each test."""

    async def live(home: Home) -> None:
        async with running(home) as nation:
            await lives(nation)

    home = found(tmp_path_factory.mktemp("prepared") / "ee", "ee")
    asyncio.run(live(home))
    return home.folder


def at(folder: Path) -> Home:
    """The same node in another folder."""
    return Home(found(folder, "ee").settings)


def migrate(folder: Path, *words: str, to: str = "", struck: tuple[str, int, int] | None = None) -> forked.Ended:
    """The command in a process of its own, beside the node's folder; perhaps struck by a signal on its way."""
    environment = {**os.environ, "TESTAMUR_NODE": "ee", "TESTAMUR_HOME": str(folder)}
    line = ("--to", to or f"sqlite:///{folder}/new", *words)
    return forked.run(migrating.migrate, line, struck, environment=environment, seconds=60)


async def opening(url: str) -> set[str]:
    """The services that would start on a store and find something of the node there."""
    opened = set()
    for service in SERVICES:
        store = await open_store(url, service, collections_of(service))
        try:
            await require_complete(store)
            if await store.scan(LOG, limit=1):
                opened.add(service)
        except StoreNotOpen:
            pass
        await store.close()
    return opened


def passages() -> list[tuple[str, int, str]]:
    """Each point once, those of a page at the first and in the middle of many, those of each service at the second."""
    counts = {point: (1, 30) if "page" in point else (1,) if "all" in point else (2,) for point in POINTS}
    embedded = [(point, count, "sqlite") for point, several in counts.items() for count in several]
    return [*embedded, ("before a page is durable", 20, "mongodb"), ("when a page is durable", 25, "mongodb")]


@pytest.mark.parametrize(("point", "passage", "new_store"), passages(), indirect=["new_store"])
async def test_killed(
    point: str, passage: int, new_store: str, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = at(shutil.copytree(prepared, tmp_path / "ee"))
    killed = migrate(home.folder, "--yes", to=new_store, struck=(point, passage, signal.SIGKILL))
    assert killed.returncode == -signal.SIGKILL, f"it was never struck: {killed.stdout}{killed.stderr}"
    assert not await opening(home.settings.store) & await opening(new_store), "two stores, two histories"
    monkeypatch.setattr(leadership, "REST_SECONDS", 0.1)  # whoever led is dead for certain: no need to wait for its answer
    monkeypatch.setattr(leadership, "ANSWER_SECONDS", 0.1)
    outcome = await migration.move(plan(home, new_store), asyncio.Event())
    assert not outcome.differences
    assert await opening(new_store) == set(SERVICES)
    assert await opening(home.settings.store) == set()
    await migration.compare_only(plan(home, new_store), asyncio.Event())


def test_ctrl_c_is_answered_with_what_to_do_and_the_same_command_goes_on(prepared: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(prepared, tmp_path / "ee")
    stopped = migrate(folder, "--yes", struck=("when a page is durable", 3, signal.SIGINT))
    assert stopped.returncode == Code.REFUSED
    assert "the same command goes on" in stopped.stderr.lower()
    assert "Traceback" not in stopped.stderr
    assert migrate(folder, "--yes").returncode == Code.FINE


def test_without_yes_it_counts_and_makes_nothing(prepared: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(prepared, tmp_path / "ee")
    looked = migrate(folder, "--json")
    assert looked.returncode == Code.FINE, looked.stderr
    counted = json.loads(looked.stdout)["documents"]
    assert counted.keys() == set(SERVICES)
    assert not (folder / "new").exists()
    done = json.loads(migrate(folder, "--yes", "--json").stdout)["collections"]
    assert {name: sum(one["documents"] for one in done if one["service"] == name) for name in SERVICES} == counted


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (lambda folder: ["--from", f"sqlite:///{folder}/typo"], "not there"),
        (lambda folder: ["--from", f"sqlite:///{folder}/new"], "one and the same"),
        (lambda folder: ["--from", f"sqlite:///{folder}/empty"], "holds nothing"),
        (lambda _: ["--verify"], "not there"),
        (lambda _: ["--service", "postman"], "no service"),
        (lambda _: ["--yes", "--back"], "one of"),
        (lambda _: ["--from", "postgres://ann:secret@nowhere/x", "--yes"], "not built in"),
    ],
)
def test_what_cannot_be_copied_is_one_sentence(
    words: Callable[[Path], list[str]], said: str, prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(prepared, tmp_path / "ee")
    (folder / "empty").mkdir()
    line = ["migrate", "--node", "ee", "--home", str(folder), "--to", f"sqlite:///{folder}/new", *words(folder)]
    assert command.run(line) in (Code.REFUSED, Code.USAGE)
    told = capsys.readouterr()
    assert said in told.err
    assert told.err.count("\n") == 1
    assert "secret" not in told.err
    assert not (folder / "typo").exists()


def test_nothing_that_a_service_keeps_is_forgotten(prepared: Path) -> None:
    for service in SERVICES:
        known = {collection.name for collection in collections_of(service)}
        assert known >= NOT_DATA
        kept = subprocess.run(
            [sys.executable, "-c", _TABLES, str(prepared / "data" / f"{service}.db")],
            capture_output=True,
            text=True,
            check=True,
        )
        assert set(kept.stdout.split()) == {f"c_{name}" for name in known}


_TABLES = """
import sqlite3, sys
for (name,) in sqlite3.connect(sys.argv[1]).execute("SELECT name FROM sqlite_master WHERE type = 'table'"):
    print(name)
"""

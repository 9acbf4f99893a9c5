"""What the SQLite adapters promise beyond the ports: the file, the one writer, and the folder a URL names."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.bus.open import open_bus
from shared.bus.port import Message, Record
from shared.bus.sqlite import bus as sqlite_bus
from shared.bus.sqlite.bus import SqliteBus
from shared.bus.sqlite.segments import pack, unpack
from shared.errors import Misconfigured
from shared.store.open import open_store
from shared.store.port import Collection, Index, StoreUnavailable, Transaction
from shared.store.sqlite.store import KIND, SqliteStore
from shared.store.sqlite.table import SqliteTable
from tests.contract.conftest import THINGS

Open = Callable[[str], Awaitable[Any]]
OPENS: list[Open] = [lambda url: open_store(url, "contract", [THINGS]), open_bus]


async def store_in(folder: Path) -> SqliteStore:
    store = SqliteStore(folder / "contract.db")
    await store.prepare([THINGS])
    return store


def pragma(path: Path, name: str) -> Any:
    with sqlite3.connect(path) as connection:
        value = connection.execute(f"PRAGMA {name}").fetchone()[0]
    connection.close()
    return value


@pytest.mark.parametrize("open_url", OPENS)
@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://host/db", "sqlite://"),
        ("", "sqlite://"),
        ("sqlite://folder", "sqlite:///folder"),
        ("sqlite:///", "sqlite:///folder"),
        ("sqlite:///folder?mode=ro", "sqlite:///folder"),
    ],
)
async def test_a_url_that_names_no_folder_is_refused_with_the_form_it_should_have(
    open_url: Open, url: str, words: str
) -> None:
    with pytest.raises(Misconfigured, match=words):
        await open_url(url)


async def test_a_url_names_a_folder_from_here_or_from_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for url in ("sqlite:///near/data", f"sqlite:///{tmp_path}/far%20off"):
        await (await open_store(url, "issuer", [])).close()
        await (await open_bus(url)).close()
    for folder in (tmp_path / "near/data", tmp_path / "far off"):
        assert (folder / "issuer.db").is_file()
        assert (folder / "bus.db").is_file()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("open_url", OPENS)
async def test_a_folder_that_cannot_be_made_is_refused_in_words(open_url: Open, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured, match="cannot be made"):
        await open_url(f"sqlite:///{tmp_path}/file/folder")


async def test_another_applications_file_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "contract.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE somebody (else_)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(Misconfigured, match="another application"):
        SqliteStore(path)
    assert path.read_bytes() == before


async def test_a_bus_is_not_a_store(tmp_path: Path) -> None:
    await SqliteBus(tmp_path / "contract.db").close()
    with pytest.raises(Misconfigured, match="another application"):
        SqliteStore(tmp_path / "contract.db")


async def test_a_newer_layout_is_refused(tmp_path: Path) -> None:
    await (await store_in(tmp_path)).close()
    with sqlite3.connect(tmp_path / "contract.db") as connection:
        connection.execute(f"PRAGMA user_version={KIND.layout + 1}")
    connection.close()
    with pytest.raises(Misconfigured, match="newer version"):
        SqliteStore(tmp_path / "contract.db")


async def test_a_damaged_file_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "contract.db").write_bytes(b"no database at all, but long enough to be looked at " * 100)
    with pytest.raises(Misconfigured, match="cannot be opened"):
        SqliteStore(tmp_path / "contract.db")


async def test_the_file_keeps_a_write_ahead_log_and_its_mark(tmp_path: Path) -> None:
    await (await store_in(tmp_path)).close()
    path = tmp_path / "contract.db"
    assert pragma(path, "journal_mode") == "wal"
    assert pragma(path, "application_id") == KIND.application
    assert pragma(path, "user_version") == KIND.layout


async def test_what_is_deleted_is_not_left_in_the_file(tmp_path: Path) -> None:
    store = await store_in(tmp_path)
    secret = "Mari Maasikas" * 3

    async def add(tx: Transaction) -> None:
        await tx.insert_many(THINGS, [(f"{n:03}", {"name": f"{secret} {n}", "colour": f"{secret} {n}"}) for n in range(50)])

    async def erase(tx: Transaction) -> None:
        for n in range(0, 50, 2):
            await tx.delete(THINGS, f"{n:03}")
        for n in range(1, 50, 2):
            await tx.put(THINGS, f"{n:03}", {}, 1)

    await store.transact(add)
    await store.transact(erase)
    await store.close()
    assert b"Maasikas" not in (tmp_path / "contract.db").read_bytes()
    assert not (tmp_path / "contract.db-wal").exists()


async def test_a_collection_that_was_not_prepared_is_a_mistake_said_plainly(tmp_path: Path) -> None:
    store = await store_in(tmp_path)
    with pytest.raises(LookupError, match="prepared"):
        await store.get(Collection("other"), "a")
    await store.close()


@pytest.mark.parametrize(
    "collection", [Collection("things; --"), Collection("Things"), Collection("t", (Index(("a b",)),)), Collection("")]
)
async def test_a_name_that_could_not_stand_in_a_statement_is_refused(tmp_path: Path, collection: Collection) -> None:
    store = await store_in(tmp_path)
    with pytest.raises(ValueError, match="named by"):
        await store.prepare([collection])
    await store.close()


@pytest.mark.parametrize("where", [None, {"colour": "red"}, {"owner": "tartu", "number": 1}])
@pytest.mark.parametrize("after", ["", "m"])
@pytest.mark.parametrize("reverse", [False, True])
async def test_a_page_comes_from_an_index_in_its_order(tmp_path: Path, where: Any, after: str, reverse: bool) -> None:
    await (await store_in(tmp_path)).close()
    table = SqliteTable(THINGS, ["colour", "flag", "owner", "number"])
    sql, values = table.page("", after, where, 10, reverse)
    with sqlite3.connect(tmp_path / "contract.db") as connection:
        steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    connection.close()
    assert "INDEX" in steps[0]
    if where is None or "colour" in where:  # a unique value has one row, and nothing to sort
        assert not [step for step in steps if "TEMP B-TREE" in step]


@pytest.mark.parametrize("value", [1.5, ["a"], {"a": 1}])
async def test_an_indexed_member_that_is_no_scalar_is_refused(tmp_path: Path, value: Any) -> None:
    store = await store_in(tmp_path)

    async def work(tx: Transaction) -> None:
        await tx.insert(THINGS, "a", {"colour": value})

    with pytest.raises(TypeError, match="indexed member"):
        await store.transact(work)
    await store.close()


async def test_an_index_that_is_no_longer_declared_no_longer_constrains(tmp_path: Path) -> None:
    store = await store_in(tmp_path)
    await store.prepare([Collection("things")])

    async def work(tx: Transaction) -> None:
        await tx.insert_many(THINGS, [(key, {"owner": "tartu", "number": 1}) for key in "ab"])
        await tx.put(THINGS, "b", {"owner": "tartu", "number": 2}, 1)

    await store.transact(work)
    await store.prepare([THINGS])
    assert [row.key for row in await store.scan(THINGS, where={"owner": "tartu", "number": 2})] == ["b"]
    await store.close()


async def test_many_transactions_share_a_commit_and_one_that_cannot_begin_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.sqlite.file.BUSY_SECONDS", 0.01)
    store = await store_in(tmp_path)
    other = sqlite3.connect(tmp_path / "contract.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    async def insert(number: int) -> None:
        async def work(tx: Transaction) -> None:
            await tx.insert(THINGS, str(number), {})

        await store.transact(work)

    refused = await asyncio.gather(*[insert(n) for n in range(5)], return_exceptions=True)
    assert [type(error) for error in refused] == [StoreUnavailable] * 5
    other.execute("ROLLBACK")
    other.close()
    await asyncio.gather(*[insert(n) for n in range(5, 10)])
    assert [row.key for row in await store.scan(THINGS)] == ["5", "6", "7", "8", "9"]
    await store.close()


@pytest.mark.parametrize("shared_file", [False, True])
async def test_an_append_wakes_a_waiting_consumer_without_another_look_at_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_file: bool
) -> None:
    monkeypatch.setattr(sqlite_bus, "REFRESH_SECONDS", 3600.0)
    bus = SqliteBus(tmp_path / "bus.db")
    other = SqliteBus(tmp_path / "bus.db") if shared_file else bus
    consumer = other.consumer("waiting")
    consumer.follow(["t"])
    waiting = asyncio.create_task(consumer.poll(10, 30.0))
    await asyncio.sleep(0)
    await bus.append("t", [Message("k", b"v", ())])
    assert await waiting == [Record("t", 1, "k", b"v", ())]
    await other.close()
    await bus.close()


HEADERS = st.lists(st.tuples(st.text(max_size=3), st.binary(max_size=3)), max_size=3).map(tuple)
MESSAGES = st.builds(Message, st.text(max_size=3), st.binary(max_size=5), HEADERS)


@given(st.lists(MESSAGES, max_size=8), st.integers(1, 1000))
def test_segments_give_back_what_was_packed(sent: list[Message], first: int) -> None:
    last, found = first - 1, []
    for held, segment in pack(sent):
        last += held
        found += unpack("t", last, segment)
    assert found == [Record("t", offset, *message) for offset, message in enumerate(sent, first)]

"""A nation on Kafka whose MongoDB was set back to an older backup takes its log back from the broker and goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pymongo import MongoClient

from tests import engines
from tests.integration.test_on_engines import on
from tests.scenes.backup import agree, is_whole
from tests.scenes.federation import archive, comes_to, comes_true, holds_all, homes, ref_of, served

pytestmark = pytest.mark.timeout(240)

Dump = Mapping[str, Mapping[str, list[Any]]]


@pytest.fixture
def databases() -> Iterator[tuple[MongoClient[Any], str, str]]:
    """A client, the beginning of four databases' names that nobody else uses, and their URL."""
    shared, name = engines.mongo(), f"restored_{uuid4().hex[:12]}"
    with MongoClient[Any](shared.url) as client:
        yield client, name, shared.database(name)
        for database in _named(client, name):
            client.drop_database(database)


async def test_with_its_neighbour_down_it_takes_its_log_back_from_the_broker(
    tmp_path: Path, databases: tuple[MongoClient[Any], str, str]
) -> None:
    client, name, url = databases
    one, two = homes(tmp_path, "ee", "pt")
    with engines.own_kafka() as broker:
        there = on(one, bus=broker.url, store=url)
        async with served(two) as pt:
            async with served(there) as ee:
                await ee.accredits("tartu")
                credential = await ee.issues("tartu")
            backup = _dump(client, name)
            async with served(there) as ee:
                await ee.revokes(await ref_of(ee, credential))
                later = await ee.issues("tartu")
                await comes_true(lambda: holds_all(pt, ee))
                past = await archive(ee, "ee")
        _set_back(client, backup)
        async with served(there) as ee:
            await comes_true(lambda: is_whole(ee), within=60)
            assert await archive(ee, "ee") == past
            await comes_to(ee, credential, "revoked")
            async with served(two) as pt:
                for one_more in (later, await ee.issues("tartu")):
                    await comes_to(ee, one_more, "valid")
                    await comes_to(pt, one_more, "valid")
                await comes_true(lambda: agree(ee, pt, "ee"))


def _named(client: MongoClient[Any], name: str) -> list[str]:
    return [database for database in client.list_database_names() if database.startswith(name)]


def _dump(client: MongoClient[Any], name: str) -> Dump:
    """Everything in the nation's databases."""
    found = {database: client[database].list_collection_names() for database in _named(client, name)}
    return {
        database: {collection: list(client[database][collection].find()) for collection in collections}
        for database, collections in found.items()
    }


def _set_back(client: MongoClient[Any], dump: Dump) -> None:
    """Put it in the place of what is there now."""
    for database, collections in dump.items():
        for collection in client[database].list_collection_names():
            client[database][collection].delete_many({})
        for collection, documents in collections.items():
            if documents:
                client[database][collection].insert_many(documents)

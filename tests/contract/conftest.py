"""The adapters that the contract suites run over: one line each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import wait
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pytest
from confluent_kafka.admin import AdminClient
from pymongo import MongoClient

from shared.bus.kafka.url import KafkaUrl
from shared.bus.open import open_bus
from shared.bus.port import Bus
from shared.store.mongo.store import open_mongo
from shared.store.open import OPENERS, open_store
from shared.store.port import Collection, Index, Store
from tests import engines


def database(form: str | None = None) -> str:
    """The URL of databases that nobody else uses."""
    return engines.mongo(form=form).database(f"contract_{uuid4().hex[:12]}")


def _mongo(form: str) -> Callable[[Path], str]:
    return lambda _: database(form)


STORES: dict[str, Callable[[Path], str]] = {
    "sqlite": lambda folder: f"sqlite:///{folder}",
    **{f"mongo-{form}": _mongo(form) for form in engines.forms("MongoDB")},
    "motor": lambda _: database().replace("mongodb:", "motor:", 1),
}
"""By name, a URL for a store of its own; MongoDB in each form that is to be tested, and once by the older driver."""


def drop(url: str, service: str = "contract") -> None:
    """Remove a service's database, where the URL names a server."""
    parts = urlsplit(url)
    if parts.scheme in ("mongodb", "motor"):
        with MongoClient[dict[str, Any]](urlunsplit(parts._replace(scheme="mongodb", path="/"))) as client:
            client.drop_database(f"{parts.path[1:]}_{service}")


async def _open_by_motor(url: str, service: str, collections: Sequence[Collection]) -> Store:
    from motor.motor_asyncio import AsyncIOMotorClient

    return await open_mongo(url.replace("motor:", "mongodb:", 1), service, collections, AsyncIOMotorClient)


OPENERS["motor"] = _open_by_motor


def drop_topics(url: str, topics: list[str]) -> None:
    """Remove those of these topics that are there."""
    admin = AdminClient({**KafkaUrl.parse(url).librdkafka(), "log_level": 0})
    wait(admin.delete_topics(topics).values())


def _kafka(form: str) -> Callable[[Path], str]:
    return lambda _: engines.kafka(form=form).url


BUSES: dict[str, Callable[[Path], str]] = {
    "sqlite": lambda folder: f"sqlite:///{folder}",
    **{f"kafka-{form}": _kafka(form) for form in engines.forms("Kafka")},
}
"""By name, a URL for a bus; Kafka in each form that is to be tested."""

THINGS = Collection("things", (Index(("colour",)), Index(("flag",)), Index(("owner", "number"), unique=True)))


@pytest.fixture(params=list(STORES.values()), ids=list(STORES))
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    url = request.param(tmp_path)
    yield url
    drop(url)


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    opened = await open_store(store_url, "contract", [THINGS])
    yield opened
    await opened.close()


@pytest.fixture(params=list(BUSES.values()), ids=list(BUSES))
def bus_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return request.param(tmp_path)


@pytest.fixture
def t() -> str:
    """A topic of this test alone, which does not exist yet."""
    return f"t-{uuid4()}"


@pytest.fixture
def u() -> str:
    """Another one."""
    return f"u-{uuid4()}"


@pytest.fixture
async def bus(bus_url: str, t: str, u: str) -> AsyncIterator[Bus]:
    opened = await open_bus(bus_url)
    yield opened
    await opened.close()
    if bus_url.startswith("kafka:"):
        drop_topics(bus_url, [t, u])

"""The adapters that the contract suites run over: one line each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from shared.bus.open import open_bus
from shared.bus.port import Bus
from shared.store.open import open_store
from shared.store.port import Collection, Index, Store

STORES: dict[str, Callable[[Path], str]] = {
    "sqlite": lambda folder: f"sqlite:///{folder}",
}
"""By name, a URL for a store that keeps its things in or under this folder."""

BUSES: dict[str, Callable[[Path], str]] = {
    "sqlite": lambda folder: f"sqlite:///{folder}",
}
"""By name, a URL for a bus."""

THINGS = Collection("things", (Index(("colour",)), Index(("flag",)), Index(("owner", "number"), unique=True)))


@pytest.fixture(params=list(STORES.values()), ids=list(STORES))
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return request.param(tmp_path)


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    opened = await open_store(store_url, "contract", [THINGS])
    yield opened
    await opened.close()


@pytest.fixture(params=list(BUSES.values()), ids=list(BUSES))
def bus_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return request.param(tmp_path)


@pytest.fixture
async def bus(bus_url: str) -> AsyncIterator[Bus]:
    opened = await open_bus(bus_url)
    yield opened
    await opened.close()

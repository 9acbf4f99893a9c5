"""A cohort of the largest size is accepted in one transaction on a real MongoDB, and issued there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from pymongo import MongoClient

from services.issuer.cohorts.domain import MOST_ROWS
from services.issuer.credentials.repository import CREDENTIAL_KEYS, CREDENTIALS
from tests import engines
from tests.integration.test_on_engines import on
from tests.scenes.cohort import body, csv
from tests.scenes.federation import homes
from tests.world import running

pytestmark = pytest.mark.timeout(240)

ISSUED = 200
"""Rows after which it is cancelled: that the rest would be issued too, others show."""


@pytest.fixture
def database() -> Iterator[str]:
    """The URL of databases that nobody else uses."""
    shared, name = engines.mongo(), f"cohort_{uuid4().hex[:12]}"
    yield shared.database(name)
    with MongoClient(shared.url) as client:
        for service in ("registry", "issuer", "verifier", "notifier"):
            client.drop_database(f"{name}_{service}")


async def test_the_largest_cohort_is_accepted_issued_and_cancelled_on_mongodb(tmp_path: Path, database: str) -> None:
    (home,) = homes(tmp_path, "ee")
    async with running(on(home, bus=home.settings.bus_url, store=database)) as ee:
        await ee.accredits("tartu")
        store = ee.engine("issuer").store
        cohort = (await ee.must("issuer", "POST", "/cohorts", body(csv(MOST_ROWS))))["id"]
        assert await store.count(CREDENTIAL_KEYS) == MOST_ROWS
        async with asyncio.timeout(60):
            while (await ee.must("issuer", "GET", f"/cohorts/{cohort}"))["done"] < ISSUED:
                await asyncio.sleep(0.05)
        await ee.must("issuer", "POST", f"/cohorts/{cohort}/cancel", {})
        async with asyncio.timeout(120):
            while not (stands := await ee.must("issuer", "GET", f"/cohorts/{cohort}"))["ended"]:
                await asyncio.sleep(0.05)
        assert stands["state"] == "cancelled"
        assert await store.count(CREDENTIALS) == await store.count(CREDENTIAL_KEYS) == stands["issued"] >= ISSUED

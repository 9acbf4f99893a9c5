"""What one person ends alone is counted for each service apart, and leaves the count after an hour."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.clock import ManualClock
from shared.events.issuance import actor_pseudonym
from shared.log import outbox
from shared.log.lease import LEASES
from shared.log.outbox import Outbox
from shared.store.open import open_store
from shared.store.port import Collection
from shared.two_persons.domain import SINGLE_PERSON_LIMIT, WINDOW
from shared.two_persons.handlers import spend

REVOKED, ERASED = Collection("revoked_alone"), Collection("erased_alone")
MARI, JAAN = actor_pseudonym("mari"), actor_pseudonym("jaan")


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[tuple[Outbox, ManualClock]]:
    clock = ManualClock(datetime(2026, 3, 2, 12, tzinfo=UTC))
    store = await open_store(f"sqlite:///{tmp_path}/data", "registry", (REVOKED, ERASED, *outbox.COLLECTIONS, LEASES))
    try:
        yield Outbox(store, clock), clock
    finally:
        await store.close()


async def spends(box: Outbox, count: int, person: str = MARI, counts: Collection = REVOKED) -> bool:
    return await box.transact(lambda unit: spend(unit, counts, person, count), person)


async def test_beyond_the_limit_nothing_is_counted(box: tuple[Outbox, ManualClock]) -> None:
    assert await spends(box[0], SINGLE_PERSON_LIMIT - 1)
    assert not await spends(box[0], 2)
    assert not await spends(box[0], SINGLE_PERSON_LIMIT + 1)
    assert await spends(box[0], 1)
    assert await spends(box[0], 0)
    assert not await spends(box[0], 1)


async def test_each_person_and_each_collection_is_counted_apart(box: tuple[Outbox, ManualClock]) -> None:
    assert await spends(box[0], SINGLE_PERSON_LIMIT)
    assert await spends(box[0], SINGLE_PERSON_LIMIT, JAAN)
    assert await spends(box[0], SINGLE_PERSON_LIMIT, counts=ERASED)
    assert not await spends(box[0], 1)


async def test_what_left_the_window_is_free_again_and_forgotten(box: tuple[Outbox, ManualClock]) -> None:
    assert await spends(box[0], 6)
    box[1].advance(seconds=(WINDOW / 2).total_seconds())
    assert await spends(box[0], 4)
    assert not await spends(box[0], 1)
    box[1].advance(seconds=(WINDOW / 2 + timedelta(seconds=1)).total_seconds())
    assert await spends(box[0], 6)
    assert [row.body["count"] for row in await box[0].store.scan(REVOKED)] == [4, 6]
    assert not await spends(box[0], 1)

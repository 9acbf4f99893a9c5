"""Promise: how fresh knowledge was at an earlier moment is answered from what was kept, and never as fresher than it was."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.clock import rfc3339
from shared.inbox.freshness import EVERY, FRESHNESS, KEPT, PROVEN, prove, proven_by
from shared.log.archive import LOG, POSITIONS
from shared.store.open import open_store
from shared.store.port import Store, Transaction

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(f"sqlite:///{tmp_path}/data", "verifier", (FRESHNESS, PROVEN, LOG, POSITIONS))
    yield opened
    await opened.close()


async def proves(store: Store, made: datetime, now: datetime) -> None:
    """A checkpoint of that time, over chains that have not begun, is taken in and proven."""
    said = {"time": rfc3339(made), "seq": 1, "epoch": 1, "heads": {}}

    async def work(tx: Transaction) -> None:
        held = await tx.get(FRESHNESS, "ee")
        body = {"newest": said, "proven": None, **(held.body if held else {}), "open": [said]}
        await tx.put(FRESHNESS, "ee", body, expect=held.version if held else 0)
        assert await prove(tx, "ee", now) is None

    await store.transact(work)


async def test_a_checkpoint_counts_from_when_it_was_proven_here_and_not_from_when_it_was_made(store: Store) -> None:
    await proves(store, NOON, NOON + 2 * MINUTE)
    assert await proven_by(store, "ee", NOON + MINUTE, KEPT) is None
    assert await proven_by(store, "ee", NOON + 2 * MINUTE, KEPT) == NOON
    assert await proven_by(store, "ee", NOON + 30 * MINUTE, 10 * MINUTE) == NOON  # the newest is known however old
    assert await proven_by(store, "pt", NOON + 3 * MINUTE, KEPT) is None


async def test_the_past_looks_older_by_five_minutes_at_most_and_never_younger(store: Store) -> None:
    moments = [NOON + number * MINUTE for number in range(60)]
    for moment in moments:
        await proves(store, moment, moment)
    for moment in moments:
        found = await proven_by(store, "ee", moment, 15 * MINUTE)
        assert found is not None and moment - EVERY < found <= moment
    assert await proven_by(store, "ee", moments[-1], KEPT) == moments[-1]
    assert await store.count(PROVEN) == 12


async def test_what_was_kept_long_enough_is_forgotten(store: Store) -> None:
    for moment in (NOON, NOON + EVERY, NOON + KEPT + MINUTE):
        await proves(store, moment, moment)
    assert await store.count(PROVEN) == 2
    assert await proven_by(store, "ee", NOON, KEPT) is None
    assert await proven_by(store, "ee", NOON + EVERY, KEPT) == NOON + EVERY

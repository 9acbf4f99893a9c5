"""Promise: how fresh knowledge was at an earlier moment is answered from what was kept, and never as fresher than it was."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.clock import MAX_SKEW
from shared.inbox.freshness import (
    FRESHNESS,
    PROVEN,
    PROVEN_APART,
    PROVEN_KEPT,
    ChainHead,
    Freshness,
    KnownCheckpoint,
    age_of,
    prove,
    proven_by,
)
from shared.log.archive import LOG, POSITIONS
from shared.store.open import open_store
from shared.store.port import Document, Store, Transaction

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LAST = datetime(9999, 12, 31)  # noqa: DTZ001 - hypothesis gives the zone


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(f"sqlite:///{tmp_path}/data", "verifier", (FRESHNESS, PROVEN, LOG, POSITIONS))
    yield opened
    await opened.close()


async def proves(store: Store, made: datetime, now: datetime) -> None:
    """A checkpoint of that time, over chains that have not begun, is taken in and proven."""
    checkpoint = KnownCheckpoint(made, epoch=1, seq=1, heads={})

    async def work(tx: Transaction) -> None:
        known = replace(Freshness.from_row(await tx.get(FRESHNESS, "ee")), newest=checkpoint, open=(checkpoint,))
        await tx.put(FRESHNESS, "ee", known.to_row(), expect=known.version)
        assert await prove(tx, "ee", now) is None

    await store.transact(work)


async def test_a_checkpoint_counts_from_when_it_was_proven_here_and_not_from_when_it_was_made(store: Store) -> None:
    await proves(store, NOON, NOON + 2 * MINUTE)
    assert await proven_by(store, "ee", NOON + MINUTE, PROVEN_KEPT) is None
    assert await proven_by(store, "ee", NOON + 2 * MINUTE, PROVEN_KEPT) == NOON
    assert await proven_by(store, "ee", NOON + 30 * MINUTE, 10 * MINUTE) == NOON  # the newest is known however old
    assert await proven_by(store, "pt", NOON + 3 * MINUTE, PROVEN_KEPT) is None


async def test_the_past_looks_older_by_five_minutes_at_most_and_never_younger(store: Store) -> None:
    moments = [NOON + number * MINUTE for number in range(60)]
    for moment in moments:
        await proves(store, moment, moment)
    for moment in moments:
        found = await proven_by(store, "ee", moment, 15 * MINUTE)
        assert found is not None and moment - PROVEN_APART < found <= moment
    assert await proven_by(store, "ee", moments[-1], PROVEN_KEPT) == moments[-1]
    assert await store.count(PROVEN) == 12


async def test_what_was_kept_long_enough_is_forgotten(store: Store) -> None:
    for moment in (NOON, NOON + PROVEN_APART, NOON + PROVEN_KEPT + MINUTE):
        await proves(store, moment, moment)
    assert await store.count(PROVEN) == 2
    assert await proven_by(store, "ee", NOON, PROVEN_KEPT) is None
    assert await proven_by(store, "ee", NOON + PROVEN_APART, PROVEN_KEPT) == NOON + PROVEN_APART


def test_a_document_of_freshness_reads_back_as_what_was_written() -> None:
    checkpoint = KnownCheckpoint(NOON, epoch=2, seq=7, heads={"trust": ChainHead(3, "h" * 43)})
    known = Freshness(newest=checkpoint, proven=checkpoint, open=(checkpoint,) * 2, proven_at=NOON + MINUTE, noted=NOON)
    for one in (Freshness(), known):
        assert Freshness.from_row(Document("ee", one.to_row(), 5)) == replace(one, version=5)


@given(
    st.one_of(st.none(), st.datetimes(timezones=st.just(UTC))),
    st.datetimes(max_value=LAST, timezones=st.just(UTC)),
)
def test_an_age_is_never_negative_and_is_unknown_when_the_clock_went_back(proven: datetime | None, now: datetime) -> None:
    age = age_of(proven, now)
    assert (age is None) == (proven is None or proven - now > MAX_SKEW)
    assert age is None or proven is None or age == max(0, (now - proven).total_seconds())


def test_what_two_honest_clocks_may_differ_by_is_no_age() -> None:
    assert (age_of(NOON + MAX_SKEW, NOON), age_of(NOON, NOON), age_of(NOON, NOON + MINUTE)) == (0, 0, 60)
    assert age_of(NOON + MAX_SKEW + timedelta(microseconds=1), NOON) is None

"""Promise: whoever waits for an event or a time gets whichever comes first, and pauses grow to the last and stay there."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from shared.tasks.backoff import pause_after
from shared.tasks.wakeups import Wakeups, wait_for

PAUSES = st.lists(st.floats(0, 3600), min_size=1, max_size=6)


@given(PAUSES, st.integers(0, 20))
def test_every_failure_has_a_pause_and_the_last_one_is_repeated(pauses: list[float], failures: int) -> None:
    assert pause_after(failures, pauses) == [*pauses, *[pauses[-1]] * 20][failures]


@given(PAUSES, st.integers(0, 20))
def test_pauses_that_grow_never_shrink_with_further_failures(pauses: list[float], failures: int) -> None:
    growing = sorted(pauses)
    assert pause_after(failures, growing) <= pause_after(failures + 1, growing)


async def test_an_event_that_is_set_already_is_not_waited_for_and_stays_set() -> None:
    event = asyncio.Event()
    event.set()
    assert await wait_for(event, 0.0)
    assert event.is_set()


async def test_an_event_that_is_set_meanwhile_ends_the_waiting() -> None:
    event = asyncio.Event()
    waiting = asyncio.create_task(wait_for(event, 3600.0))
    await asyncio.sleep(0)
    assert not waiting.done()
    event.set()
    assert await waiting


async def test_an_event_that_does_not_come_is_waited_for_no_longer_than_was_said() -> None:
    assert not await wait_for(asyncio.Event(), 0.0)


async def test_who_is_told_to_end_while_it_waits_ends() -> None:
    waiting = asyncio.create_task(wait_for(asyncio.Event(), 3600.0))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()


async def test_a_topic_that_grows_wakes_those_who_follow_it_and_no_others() -> None:
    wakeups = Wakeups()
    status, trust = (asyncio.create_task(wakeups.wait(topic, 3600.0)) for topic in ("status", "trust"))
    await asyncio.sleep(0)
    wakeups.fire("status")
    assert await status
    assert not trust.done()
    wakeups.fire_all()
    assert await trust

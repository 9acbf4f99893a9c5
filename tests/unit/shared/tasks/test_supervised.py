"""Promise: what is told to end ends, though something below keeps the news to itself; what ends slowly is let end."""

from __future__ import annotations

import asyncio

import pytest

from shared.tasks import supervised


async def swallows(times: int) -> None:
    """Go on after so many cancellations, as a library does that takes them for its own."""
    for _ in range(times):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            continue
    await asyncio.sleep(60)


async def test_a_task_that_swallows_its_cancellation_gets_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervised, "CANCEL_AGAIN_SECONDS", 0.01)
    tasks = [asyncio.create_task(swallows(times)) for times in range(4)]
    await asyncio.sleep(0)
    async with asyncio.timeout(60):
        await supervised.ended(tasks)
    assert all(task.cancelled() for task in tasks)


async def test_what_finishes_its_work_first_is_waited_for_and_what_failed_is_not_in_the_way() -> None:
    finished = []

    async def finishes() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)
            finished.append("work")

    async def fails() -> None:
        raise OSError("the disk is gone")

    tasks = [asyncio.create_task(finishes()), asyncio.create_task(fails())]
    await asyncio.sleep(0)
    await supervised.ended(tasks)
    assert finished == ["work"]
    assert all(task.done() for task in tasks)

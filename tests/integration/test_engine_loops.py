"""Promise: an engine is what its service's spec says, and what is done every so often is done at once, then again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from services.node import SERVICES
from tests.scenes.registry import registry
from tests.world import world


async def test_what_is_done_every_so_often_begins_at_once_and_ends_with_the_engine(tmp_path: Path) -> None:
    times, thrice = 0, asyncio.Event()

    async def count() -> None:
        nonlocal times
        times += 1
        if times == 3:
            thrice.set()

    async with registry(tmp_path) as scene:
        scene.engine.spawn_every(0.0, count, "count")
        async with asyncio.timeout(30):
            await thrice.wait()
    after = times
    await asyncio.sleep(0)
    assert times == after


async def test_what_fails_once_is_done_again_all_the_same(tmp_path: Path) -> None:
    tries, again = 0, asyncio.Event()

    async def fail_once() -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise OSError("the disk was away")
        again.set()

    async with registry(tmp_path) as scene:
        scene.engine.spawn_every(3600.0, fail_once, "fail once")
        async with asyncio.timeout(30):
            await again.wait()


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_has_a_writer_a_checkpointer_and_a_follower_only_if_its_spec_asks_for_them(service: str) -> None:
    async with world("ee") as europe:
        engine = europe["ee"].engine(service)
        assert engine.spec.name == service
        assert (engine.writer is not None) == bool(engine.spec.writes)
        assert (engine.writer is not None and engine.writer.checkpointer is not None) == engine.spec.public
        assert (engine.follower is not None) == engine.spec.follows
        assert {"store", "listener", "log"} <= engine.checks().keys()

"""A mirror between nations that are really served: it carries one's topics to another's bus, and loses what a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from shared.events.base import PUBLIC
from shared.home.folder import Home
from shared.ids import topic_name
from shared.settings import NodeSettings
from tests.world import World, honest


def mirrored(home: Home, *nations: str) -> Home:
    """The same node, with these nations' topics brought by a mirror."""
    told = home.settings.model_dump() | {"mirrored": nations}
    return Home(NodeSettings(**told))


async def carry(europe: World, *, losing: tuple[str, ...] = ()) -> None:
    """Carry what is new with ee to pt, but for these streams: what is read of them is lost."""
    for stream in PUBLIC:
        topic = topic_name("ee", stream)
        records = await europe.new_records("ee", "pt", topic)
        if records and stream not in losing:
            await europe["pt"].bus.append(topic, [honest(record) for record in records])


@asynccontextmanager
async def mirror(europe: World, *, losing: tuple[str, ...] = ()) -> AsyncIterator[None]:
    """A mirror that works, but for what it loses, until the block ends."""

    async def works() -> None:
        while True:
            await carry(europe, losing=losing)
            await asyncio.sleep(0.02)

    task = asyncio.create_task(works(), name="mirror")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

"""Something that is so or not so, and work that runs only while it is: a process leads, a log is complete."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from shared.tasks.supervised import ended


class Toggle:
    """Off at first; those that wait for it to change are woken."""

    def __init__(self) -> None:
        self._change = asyncio.Condition()
        self.on = False

    async def set(self, on: bool) -> None:
        """Turn it on or off."""
        async with self._change:
            self.on = on
            self._change.notify_all()

    async def until(self, *, on: bool) -> None:
        """Wait until it is so."""
        async with self._change:
            await self._change.wait_for(lambda: self.on == on)

    async def while_on(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` whenever it is on, and break it off whenever it is not; returns when `work` does."""
        while True:
            await self.until(on=True)
            working, off = asyncio.ensure_future(work()), asyncio.ensure_future(self.until(on=False))
            try:
                await asyncio.wait((working, off), return_when=asyncio.FIRST_COMPLETED)
                if working.done():
                    return working.result()
            finally:
                await ended((working, off))

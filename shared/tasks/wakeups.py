"""Waiting for something to happen, or for a time at most: `wait_for` waits for one event; in `Wakeups` long polls sleep
until the topic that they follow grows.
"""

from __future__ import annotations

import asyncio


async def wait_for(event: asyncio.Event, seconds: float) -> bool:
    """Wait until an event is set, for so many seconds at most; returns whether it was set. It is not cleared."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


class Wakeups:
    """One event a topic, renewed each time it fires."""

    def __init__(self) -> None:
        self._events: dict[str, asyncio.Event] = {}

    def fire(self, topic: str) -> None:
        """Wake everybody who waits for this topic."""
        event = self._events.pop(topic, None)
        if event is not None:
            event.set()

    def fire_all(self) -> None:
        """Wake everybody."""
        for topic in list(self._events):
            self.fire(topic)

    async def wait(self, topic: str, seconds: float) -> bool:
        """Sleep until the topic grows, at most so many seconds; returns whether it did. Look at the log after taking the
        event and before sleeping, or use a short wait: a growth in between is not remembered.
        """
        return await wait_for(self._events.setdefault(topic, asyncio.Event()), seconds)

"""Who waits for a log to grow: long polls sleep here until the topic they follow gets longer."""

from __future__ import annotations

import asyncio


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
        event = self._events.setdefault(topic, asyncio.Event())
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return False
        return True

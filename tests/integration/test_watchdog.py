"""A service whose consumer hangs gets a new one, says so when that does not help, and is ready again once it does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from shared.bus.open import open_bus
from shared.bus.port import Bus, Consumer, Message, Record
from shared.clock import SystemClock
from shared.ids import topic_name
from shared.inbox.listener import MOST_REBUILDS, Listener
from shared.tasks.wakeups import Wakeups
from tests.world import world


class HangingConsumer:
    """The real consumer, except that it hands nothing out while the bus hangs."""

    def __init__(self, real: Consumer, bus: HangingBus) -> None:
        self._real = real
        self._bus = bus
        self.follow, self.commit, self.seek = real.follow, real.commit, real.seek
        self.lag, self.close = real.lag, real.close

    async def poll(self, limit: int, wait: float) -> list[Record]:
        await asyncio.sleep(0.001)
        return [] if self._bus.hangs else await self._real.poll(limit, wait)


class HangingBus:
    """The real bus, whose consumers can be made to hang; counts how many were asked for."""

    def __init__(self, real: Bus) -> None:
        self._real = real
        self.hangs = True
        self.consumers = 0

    def consumer(self, name: str) -> Consumer:
        self.consumers += 1
        return HangingConsumer(self._real.consumer(name), self)

    async def append(self, topic: str, messages: Sequence[Message]) -> int:
        return await self._real.append(topic, messages)

    async def end(self, topic: str) -> int:
        return await self._real.end(topic)

    async def close(self) -> None:
        await self._real.close()


class HurriedClock(SystemClock):
    """Each look at it finds ten seconds gone."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def monotonic(self) -> float:
        self._seconds += 10.0
        return self._seconds


async def test_a_consumer_that_hangs_is_rebuilt_and_the_service_says_that_it_is_not_ready(tmp_path: Path) -> None:
    async with world("ee") as europe:
        engine = europe["ee"].engine("verifier")
        bus = HangingBus(await open_bus(f"sqlite:///{tmp_path}"))
        topic = topic_name("ee", "status")
        await bus.append(topic, [Message("", b"noise", ())])
        listener = Listener(
            bus, engine.inbox, engine.membership, name="verifier", streams=["status"], foreign=False, grown=Wakeups()
        )
        assert await listener.not_ready() is None
        running = asyncio.create_task(listener.run(HurriedClock()))
        await _until(lambda: bus.consumers > MOST_REBUILDS)
        assert "not being taken in" in str(await listener.not_ready())
        bus.hangs = False
        await _until(lambda: engine.inbox.refused.get("entry-malformed", 0) == 1)
        await _until(lambda: listener._rebuilt == 0)
        assert await listener.not_ready() is None
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await bus.close()


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.01)

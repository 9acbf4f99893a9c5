"""What comes in a batch is dealt with as a batch: the event loop goes on, and nothing hops to a thread for each record."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from shared.events.base import REGISTRATIONS
from shared.ids import topic_name
from tests.world import honest, world

LEARNERS = 24


class Counted(ThreadPoolExecutor):
    """The threads beside the event loop, counting what is handed to them."""

    hops = 0

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
        self.hops += 1
        return super().submit(*args, **kwargs)


async def test_the_signatures_of_a_batch_are_checked_in_one_hop_off_the_event_loop() -> None:
    async with world("ee", "pt") as europe:
        ee, pt = europe["ee"], europe["pt"]
        await ee.accredits("tartu")
        await europe.mirrors("ee", "pt")
        for _ in range(LEARNERS):
            await ee.issues("tartu")
        topic = topic_name("ee", REGISTRATIONS.name)
        batch = [honest(record) for record in await europe.new_records("ee", "pt", topic)]
        threads = Counted()
        asyncio.get_running_loop().set_default_executor(threads)
        await pt.hears(topic, batch)
        assert len(batch) == LEARNERS
        assert {pt.engine(name).inbox.origin("ee").seq("registrations") for name in ("registry", "verifier")} == {LEARNERS}
        assert 0 < threads.hops <= len(pt.apps), "one for each service that hears it, not one for each record"

"""What runs under a service: its store, the node's bus, and the loops between them, opened and closed in one place.

    outbox -> sequencer -> archive -> relay -> bus -> listener -> inbox -> the service's handlers
                               |                          ^
                               +-- checkpointer           +-- follower (the registry's), backfill (the others')

- Each loop is supervised: what it cannot heal by itself ends it, is logged, and it starts again after a pause.
- Of several processes of one service one leads and works the loops; the others answer requests, and stand by.
- Before a service writes anything, `continuity` asks others whether this store knows all that the service ever wrote. While
  it does not, the loops from the outbox to the bus stand still, and `recovery` pulls back what is missing.
- A service waits for a store that is not there yet, and says so in its log. It starts without a bus that is not there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from shared.bus.port import Bus
from shared.clock import Clock
from shared.engine.leadership import LEADERS, Leadership
from shared.engine.spec import ServiceSpec
from shared.errors import Unavailable
from shared.federation.follower import Follower
from shared.federation.log_client import LogClient
from shared.home.folder import Home
from shared.home.membership import Membership
from shared.inbox import inbox as inboxes
from shared.inbox.inbox import Inbox
from shared.inbox.listener import Listener
from shared.log import archive, outbox
from shared.log.checkpointer import Checkpointer
from shared.log.keyring import Keyring
from shared.log.lease import LEASES
from shared.log.outbox import Outbox
from shared.log.relay import MARKS, Relay
from shared.log.sequencer import Sequencer
from shared.recovery.continuity import Continuity
from shared.settings import NodeSettings
from shared.store.copy import COPIES
from shared.store.port import Store
from shared.tasks.supervised import ended, supervised
from shared.tasks.wakeups import Wakeups
from shared.telemetry import get_logger

STANDBY_LOOK_SECONDS = 0.5
"""Seconds between two looks of a standby at what its leader has taken in."""

COLLECTIONS = (*outbox.COLLECTIONS, *archive.COLLECTIONS, LEADERS, LEASES, MARKS, COPIES, *inboxes.COLLECTIONS)
"""What every service's store holds beside the service's own collections."""

_log = get_logger("engine")

Check = Callable[[], Awaitable[str | None]]


class LogWriter(NamedTuple):
    """What carries a service's events from its outbox to the bus; checkpoints are made where a stream is public."""

    sequencer: Sequencer
    relay: Relay
    checkpointer: Checkpointer | None


@dataclass(slots=True, kw_only=True)
class Engine:
    """A service's running floor: its parts, and the loops that were started under it."""

    settings: NodeSettings
    spec: ServiceSpec
    clock: Clock
    home: Home
    store: Store
    bus: Bus
    outbox: Outbox
    membership: Membership
    keyring: Keyring
    inbox: Inbox
    listener: Listener
    leadership: Leadership
    continuity: Continuity
    log_advanced: Wakeups
    """Wakes long polls that wait for a topic that this service writes or hears."""
    log_client: LogClient | None
    """How other registries are asked; None where there is no way out."""
    writer: LogWriter | None
    """None where the service writes no stream."""
    follower: Follower | None
    """None where the service follows no neighbour's log."""
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def checks(self) -> dict[str, Check]:
        """What can keep the service from being ready, by name."""
        return {"store": self.store_not_ready, "listener": self.listener.not_ready, "log": self.continuity.not_ready}

    def spawn(self, loop: Callable[[], Awaitable[None]], name: str) -> None:
        """Run a loop in the background while this process leads, again after a pause whenever it fails, until the engine
        closes.
        """
        self.watch(lambda: self.leadership.while_leading(loop), name)

    def spawn_when_complete(self, loop: Callable[[], Awaitable[None]], name: str) -> None:
        """As `spawn`, while this node's log is complete here: for what writes events, or changes something, by itself."""
        self.spawn(lambda: self.continuity.log_complete.while_on(loop), name)

    def spawn_every(self, seconds: float, work: Callable[[], Awaitable[object]], name: str) -> None:
        """Do something at once and again after each pause of so many seconds, while this process leads."""

        async def loop() -> None:
            while True:
                await work()
                await asyncio.sleep(seconds)

        self.spawn(loop, name)

    async def when_log_complete(self, work: Callable[[], Awaitable[object]], name: str) -> None:
        """Do something now if this node's log is complete here, and otherwise as soon as it is."""

        async def done() -> None:
            await work()

        if self.continuity.log_complete.on:
            await work()
        else:
            self.watch(lambda: self.continuity.log_complete.while_on(done), name)

    def begin(self) -> None:
        """Start what runs in every process, leading or not."""
        self.watch(self.leadership.run, "leadership")
        self.watch(self._look_on, "standby")

    def watch(self, loop: Callable[[], Awaitable[None]], name: str) -> None:
        """Run a loop in the background, leading or not, again after a pause whenever it fails."""
        loops = supervised(loop, f"{self.spec.name} {name}", self.clock)
        self._tasks.append(asyncio.create_task(loops, name=name))

    async def _look_on(self) -> None:
        """A standby answers requests too: it must see what its leader takes in."""
        while True:
            await asyncio.sleep(STANDBY_LOOK_SECONDS)
            if not self.leadership.leads:
                self.membership.reload()
                await self.inbox.look()

    async def store_not_ready(self) -> str | None:
        """Why the store makes this service not ready, or None."""
        try:
            await self.store.get(LEADERS, self.spec.name)
        except Unavailable as error:
            return error.detail
        return None

    async def stop(self) -> None:
        """End every loop; what they were doing is in the store or on the bus, or was not done."""
        await ended(self._tasks)

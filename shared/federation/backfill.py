"""The backfill: how a service gets from its own registry what the bus has dropped before the service read it.

A broker keeps records for days, not for ever. A service that was away for longer, or that joins late, sees by the sequences
that something is missing; its own registry archives every log, and serves it. What comes goes the way of every record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from shared.bus.port import Record
from shared.clock import Clock
from shared.errors import TestamurError
from shared.federation.log_client import LogClient, PageRequest
from shared.home.membership import Membership
from shared.ids import parse_topic
from shared.inbox.holes import Holes
from shared.inbox.inbox import Inbox
from shared.telemetry import get_logger

LOOK_SECONDS = 1.0
LEFT_ALONE_SECONDS = 5.0
"""Seconds for which a hole stands before it is filled from here: most are closed by the bus, a moment later."""

_log = get_logger("backfill")


class Backfill:
    """One service's way to its own registry's archive."""

    def __init__(
        self, inbox: Inbox, membership: Membership, log_client: LogClient, topics: Callable[[], Sequence[str]], clock: Clock
    ) -> None:
        """`topics()` are those that the service hears."""
        self._inbox = inbox
        self._membership = membership
        self._log_client = log_client
        self._topics = topics
        self._clock = clock
        self._holes = Holes((LEFT_ALONE_SECONDS,))

    async def run(self) -> None:
        """Fill what stays missing, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for topic in self.stuck():
                try:
                    await self.fill(topic)
                except TestamurError as error:
                    _log.warning("a hole could not be filled from this node's registry", topic=topic, detail=error.detail)
                    self._holes.tried(topic, self._clock.monotonic())

    def stuck(self) -> list[str]:
        """The topics on which the same entry has been missing for too long."""
        followed = set(self._topics())
        missing = {topic: seq for topic, seq in self._inbox.behind().items() if topic in followed}
        return self._holes.due(missing, self._clock.monotonic())

    async def fill(self, topic: str) -> None:
        """Ask page after page, until nothing is missing or pages do not help."""
        place, me = parse_topic(topic), self._membership.node(self._membership.me)
        if place is None or me is None:
            return
        while topic in self._inbox.behind():
            position = self._inbox.origin(place.node).position(place.stream)
            page = await self._log_client.ask(me, PageRequest(place.node, place.stream, position.epoch, position.seq))
            await self._inbox.receive([Record(topic, 0, *message) for message, _ in page.entries])
            if self._inbox.origin(place.node).position(place.stream) == position:
                return
            _log.warning("filled from the archive of this node's registry", topic=topic, entries=len(page.entries))

"""What a service is handed: an authentic event, and where its origin put it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from shared.events.base import Event
from shared.events.entry import Entry
from shared.log.outbox import Unit


class Heard(NamedTuple):
    """An authentic event, as it is handed to a service. `early`: it reduces trust and acts before its turn."""

    entry: Entry
    event: Event
    early: bool
    known_at: datetime

    @property
    def origin(self) -> str:
        """The node that signed it."""
        return self.entry.envelope.org

    @property
    def epoch(self) -> int:
        """The epoch of its chain."""
        return self.entry.envelope.epo

    @property
    def seq(self) -> int:
        """Its sequence in its chain."""
        return self.entry.envelope.seq

    @property
    def hash(self) -> str:
        """The entry's hash."""
        return self.entry.hash

    @property
    def after(self) -> Mapping[str, int]:
        """The heads of the writer's other chains when it was sequenced."""
        return self.entry.envelope.aft


Handler = Callable[[Unit, Heard], Awaitable[None]]

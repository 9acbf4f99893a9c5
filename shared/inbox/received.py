"""What a service is handed: an authentic event, and where its origin put it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

from shared.events.base import Event
from shared.events.entry import Entry
from shared.log.outbox import Unit

E = TypeVar("E", bound=Event, covariant=True)


class Received(NamedTuple, Generic[E]):
    """An authentic event, as it is handed to a service. `early`: it reduces trust and acts before its turn."""

    entry: Entry
    event: E
    early: bool
    known_at: datetime

    @property
    def origin(self) -> str:
        """The node that signed it."""
        return self.entry.envelope.origin

    @property
    def epoch(self) -> int:
        """The epoch of its chain."""
        return self.entry.envelope.epoch

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
        return self.entry.envelope.after


Handler = Callable[[Unit, Received[Any]], Awaitable[None]]
"""What a service does about one kind of event, inside the transaction in which it is received."""


def on(event: type[E], handler: Callable[[Unit, Received[E]], Awaitable[None]]) -> tuple[type[Event], Handler]:
    """A line of a service's subscriptions: this handler takes this kind of event, which the type checker sees."""
    return event, handler

"""What a service is to the floor under it: the streams that it writes and hears, what it does about events, what it stores.

Each service's `app.py` holds one, which is also the shortest account of that service.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.events.base import Event, Stream
from shared.inbox.received import Handler
from shared.store.port import Collection


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSpec:
    """One service. What it leaves out it does not do: a service without `writes` signs nothing, and so on."""

    name: str
    """`issuer`: the first step of its path, the name of its store, and its name on the bus."""

    collections: Sequence[Collection] = ()
    """What it stores beside what every service stores (`shared.engine.engine.COLLECTIONS`)."""

    writes: Sequence[Stream] = ()
    """The streams that it writes. A service that writes a public one makes the node's checkpoints too."""

    streams: Sequence[str] = ()
    """The streams of its own node that it hears, in the order in which they are drained."""

    foreign: bool = False
    """Whether it hears the public streams of every other node."""

    subscriptions: Mapping[type[Event], Handler] = field(default_factory=dict)
    """What it does about each kind of event that it hears; other kinds are archived and do nothing."""

    restores: Mapping[type[Event], Handler] = field(default_factory=dict)
    """What each kind of its own events did to its state: done again where its store was set back to an older backup."""

    follows: bool = False
    """Whether it follows the neighbours' logs over HTTP, as the registry does. Every other service asks its own registry for
    what the bus no longer holds.
    """

    @property
    def listens(self) -> bool:
        """Whether it hears anything."""
        return bool(self.streams) or self.foreign

    @property
    def public(self) -> bool:
        """Whether it writes a stream that leaves the node."""
        return any(stream.public for stream in self.writes)

"""What runs under a service: its store, the node's bus, and the loops between them, opened and closed in one place.

    outbox -> sequencer -> archive -> relay -> bus -> listener -> inbox -> the service's handlers
                               |                          ^
                               +-- checkpointer           +-- follower (neighbours' logs; the registry's)

Each loop is supervised: what it cannot heal by itself ends it, is logged, and it starts again after a pause.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from shared.bus import inbox as inboxes
from shared.bus import log, outbox
from shared.bus.checkpointer import Checkpointer
from shared.bus.follow import Fetch, Follower
from shared.bus.inbox import Handler, Inbox
from shared.bus.keyring import Keyring
from shared.bus.lease import LEASES
from shared.bus.listener import Listener
from shared.bus.membership import Membership
from shared.bus.open import open_bus
from shared.bus.outbox import Outbox
from shared.bus.port import Bus
from shared.bus.relay import MARKS, Relay
from shared.bus.sequencer import Sequencer
from shared.bus.wakeups import Wakeups
from shared.clock import Clock, SystemClock
from shared.events.base import CHECKPOINTS, STATUS, Event, Stream
from shared.home import Home
from shared.settings import NodeSettings
from shared.store.open import open_store
from shared.store.port import Collection, Store
from shared.telemetry import get_logger
from shared.trust import node_token

PAUSES = (0.1, 1.0, 5.0, 30.0)
"""Seconds before a loop that failed is started again; the last one is repeated."""

_COLLECTIONS = (*outbox.COLLECTIONS, *log.COLLECTIONS, LEASES, MARKS, *inboxes.COLLECTIONS)

_log = get_logger("engine")

Check = Callable[[], Awaitable[str | None]]


@dataclass
class Engine:
    """A service's running floor."""

    settings: NodeSettings
    service: str
    clock: Clock
    home: Home
    store: Store
    bus: Bus
    outbox: Outbox
    membership: Membership
    inbox: Inbox
    listener: Listener
    sequencer: Sequencer | None = None
    relay: Relay | None = None
    follower: Follower | None = None
    log_advanced: Wakeups = field(default_factory=Wakeups)
    checks: dict[str, Check] = field(default_factory=dict)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def spawn(self, loop: Callable[[], Awaitable[None]], name: str) -> None:
        """Run a loop in the background, again after a pause whenever it fails, until the engine closes."""
        self._tasks.append(asyncio.create_task(_supervised(loop, f"{self.service} {name}"), name=name))

    async def stop(self) -> None:
        """End every loop; what they were doing is in the store or on the bus, or was not done."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def open_engine(
    settings: NodeSettings,
    *,
    service: str,
    writes: Sequence[Stream] = (),
    hears: Mapping[type[Event], Handler] | None = None,
    streams: Sequence[str] = (),
    foreign: bool = False,
    collections: Sequence[Collection] = (),
    clock: Clock | None = None,
    home: Home | None = None,
    bus: Bus | None = None,
    fetch: Fetch | None = None,
) -> AsyncIterator[Engine]:
    """Open a service's floor and start its loops. `writes` are the streams it says, `streams` its own node's that it hears,
    `foreign` whether it hears every other node's public ones; with `fetch` it follows neighbours' logs over HTTP.
    """
    clock, home = clock or SystemClock(), home or Home(settings)
    async with AsyncExitStack() as closing:
        store = await open_store(settings.store, service, _unique((*_COLLECTIONS, *collections)))
        closing.push_async_callback(store.close)
        if bus is None:
            bus = await open_bus(settings.bus)
            closing.push_async_callback(bus.close)
        said, membership = Outbox(store, clock), Membership(home, clock)
        inbox = Inbox(said, membership, Keyring(store, membership, home.certificates()), hears or {})
        await inbox.load()
        listener = Listener(bus, inbox, membership, name=service, streams=streams, foreign=foreign)
        engine = Engine(settings, service, clock, home, store, bus, said, membership, inbox, listener)
        closing.push_async_callback(engine.stop)
        engine.checks["listener"] = listener.not_ready
        _start_saying(engine, writes)
        _start_hearing(engine, fetch, listens=bool(streams) or foreign)
        yield engine


def _start_saying(engine: Engine, writes: Sequence[Stream]) -> None:
    if not writes:
        return
    settings, streams = engine.settings, list(writes)
    signer = engine.home.signer(engine.service)
    sequencer = Sequencer(engine.outbox, signer, settings.federation, settings.node, streams)
    public = any(stream.public for stream in streams)
    relay = Relay(engine.store, engine.bus, settings.node, _drained_first(streams, public=public))
    sequencer.on_advance += [relay.wake.set, engine.log_advanced.fire_all]
    engine.sequencer, engine.relay = sequencer, relay
    engine.spawn(sequencer.run, "sequencer")
    engine.spawn(relay.run, "relay")
    if public:
        _start_checkpoints(engine, sequencer, relay)


def _start_checkpoints(engine: Engine, sequencer: Sequencer, relay: Relay) -> None:
    settings = engine.settings
    signer = engine.home.signer("checkpoint")
    checkpointer = Checkpointer(
        engine.store, signer, engine.clock, settings.federation, settings.node, settings.checkpoint_interval
    )
    sequencer.on_advance.append(checkpointer.wake.set)
    engine.spawn(lambda: checkpointer.run(relay, engine.log_advanced), "checkpointer")


def _start_hearing(engine: Engine, fetch: Fetch | None, *, listens: bool) -> None:
    if listens:
        engine.listener.grown = engine.log_advanced
        engine.spawn(lambda: engine.listener.run(engine.clock), "listener")
    if fetch is None:
        return
    signer, certificate = engine.home.signer("node-token"), engine.home.certificates()["node-token"]
    settings = engine.settings

    def token(audience: str) -> str:
        return node_token.mint(
            signer,
            certificate,
            federation=settings.federation,
            node=settings.node,
            audience=audience,
            now=engine.clock.now(),
        )

    engine.follower = Follower(engine.bus, engine.inbox, engine.membership, fetch, token, engine.clock)
    engine.spawn(engine.follower.run, "follower")


def _drained_first(streams: list[Stream], *, public: bool) -> list[Stream]:
    """Status before the rest, and checkpoints last: they say that the rest has come."""
    ordered = sorted(streams, key=lambda stream: stream.name != STATUS.name)
    return [*ordered, CHECKPOINTS] if public else ordered


def _unique(collections: Sequence[Collection]) -> list[Collection]:
    return list({collection.name: collection for collection in collections}.values())


async def _supervised(loop: Callable[[], Awaitable[None]], name: str) -> None:
    failures = 0
    while True:
        try:
            await loop()
            return
        except asyncio.CancelledError:
            raise
        except Exception:  # noqa: BLE001 - whatever it was, the loop must come back
            _log.exception("a background loop failed; it starts again", loop=name)
            await asyncio.sleep(PAUSES[min(failures, len(PAUSES) - 1)])
            failures += 1

"""Opening what runs under a service, in the order in which it is needed, and closing it in the other.

1. the store, however long it takes to be there; the bus
2. all parts, none of them running (`_engine`)
3. does the store know all that this service ever wrote? (`_look_back`)
4. the loops that write (`_start_saying`), that listen (`_start_hearing`), that ask others (`_start_asking`)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from shared.bus.open import open_bus
from shared.bus.port import Bus
from shared.clock import Clock, SystemClock
from shared.engine.engine import COLLECTIONS, Engine
from shared.engine.leadership import Leadership
from shared.errors import Unavailable
from shared.events.base import CHECKPOINTS, STATUS, Event, Stream
from shared.federation.backfill import Backfill
from shared.federation.follower import Follower
from shared.federation.log_client import Fetch, Pages
from shared.home.folder import Home
from shared.home.membership import Membership
from shared.inbox.inbox import Inbox
from shared.inbox.listener import Listener
from shared.inbox.received import Handler
from shared.log import archive
from shared.log.checkpointer import Checkpointer
from shared.log.keyring import Keyring
from shared.log.outbox import Outbox
from shared.log.relay import Relay
from shared.log.sequencer import Sequencer
from shared.log.signing import SigningKeys
from shared.recovery.continuity import Continuity
from shared.recovery.holders import Holders
from shared.recovery.recovery import Recovery
from shared.settings import NodeSettings
from shared.store.copy import require_complete
from shared.store.open import open_store
from shared.store.port import Collection, Store
from shared.tasks.backoff import pause_after
from shared.tasks.supervised import PAUSES
from shared.telemetry import get_logger

_log = get_logger("engine")


@asynccontextmanager
async def open_engine(
    settings: NodeSettings,
    *,
    service: str,
    writes: Sequence[Stream] = (),
    subscriptions: Mapping[type[Event], Handler] | None = None,
    streams: Sequence[str] = (),
    foreign: bool = False,
    collections: Sequence[Collection] = (),
    clock: Clock | None = None,
    home: Home | None = None,
    bus: Bus | None = None,
    fetch: Fetch | None = None,
    follows: bool = False,
    restores: Mapping[type[Event], Handler] | None = None,
) -> AsyncIterator[Engine]:
    """Open a service's floor and start its loops. `writes` are the streams it says, `streams` its own node's that it hears,
    `foreign` whether it hears every other node's public ones. With `fetch` it asks for logs over HTTP: the neighbours' if it
    `follows` them, otherwise its own registry's, for what the bus no longer holds. `restores` is what its own
    events do to its state, should they have to be taken back from others.
    """
    clock, home = clock or SystemClock(), home or Home(settings)
    async with AsyncExitStack() as closing:
        store = await _store(settings.store_url, service, _unique((*COLLECTIONS, *collections)))
        closing.push_async_callback(store.close)
        await require_complete(store)
        if bus is None:
            bus = await open_bus(settings.bus_url)
            closing.push_async_callback(bus.close)
        listens = {"name": service, "streams": streams, "foreign": foreign}
        engine = await _engine(settings, service, clock, home, store, bus, subscriptions or {}, listens)
        closing.push_async_callback(engine.stop)
        engine.begin()
        await _look_back(engine, writes, restores or {}, fetch)
        _start_saying(engine, writes)
        _start_hearing(engine, listens=bool(streams) or foreign)
        _start_asking(engine, fetch, follows=follows)
        yield engine


async def _engine(
    settings: NodeSettings,
    service: str,
    clock: Clock,
    home: Home,
    store: Store,
    bus: Bus,
    subscriptions: Mapping[type[Event], Handler],
    listens: Mapping[str, Any],
) -> Engine:
    """All the parts, none of them running."""
    said, membership = Outbox(store, clock), Membership(home, clock)
    keyring = Keyring(store, membership, home.certificates())
    inbox = Inbox(said, membership, keyring, subscriptions)
    await inbox.load()
    listener, leadership = Listener(bus, inbox, membership, **listens), Leadership(store, service, clock)
    await leadership.look()
    continuity = Continuity(store, Holders(store, bus, membership, keyring, clock, service), settings.node, clock)
    engine = Engine(
        settings, service, clock, home, store, bus, said, membership, keyring, inbox, listener, leadership, continuity
    )
    engine.checks.update(store=engine.store_not_ready, listener=listener.not_ready, log=continuity.not_ready)
    return engine


async def _store(url: str, service: str, collections: Sequence[Collection]) -> Store:
    """Open the store, however long it takes to be there."""
    failures = 0
    while True:
        try:
            return await open_store(url, service, collections)
        except Unavailable as error:
            _log.warning("waiting for the store", service=service, detail=error.detail)
            await asyncio.sleep(pause_after(failures, PAUSES[:-1]))
            failures += 1


async def _look_back(
    engine: Engine,
    writes: Sequence[Stream],
    restores: Mapping[type[Event], Handler],
    fetch: Fetch | None,
) -> None:
    """See whether the store knows all that this service ever wrote, before anything is said."""
    continuity, holders = engine.continuity, engine.continuity.holders
    if not writes:
        await continuity.log_complete.set(True)
        return
    holders.streams = _drained_first(list(writes), public=any(stream.public for stream in writes))
    holders.pages = Pages.of(engine.home, fetch, engine.clock) if fetch else None
    engine.listener.hears_own = lambda: continuity.log_complete.on
    await continuity.ask()
    if silent := [name for name in continuity.silent() if name != engine.settings.node]:
        said = [await engine.store.get(archive.HEADS, holders.topic(stream)) for stream in writes]
        tell = _log.warning if any(said) else _log.info  # who never said anything cannot have forgotten it
        tell("started without having asked how far others hold the own log; they are asked again", who=silent)
    recovery = Recovery(engine.outbox, continuity, engine.keyring, restores, engine.listener.hear_own_again)
    engine.watch(continuity.run, "continuity")
    engine.spawn(recovery.run, "recovery")


def _start_saying(engine: Engine, writes: Sequence[Stream]) -> None:
    if not writes:
        return
    settings, streams = engine.settings, list(writes)
    public = any(stream.public for stream in streams)
    signed = [stream.name for stream in (*streams, *([CHECKPOINTS] if public else []))]
    signing = SigningKeys(engine.home, engine.store, settings.node, signed)
    sequencer = Sequencer(engine.outbox, signing, engine.keyring.learn, streams, settings.federation, settings.node)
    relay = Relay(engine.store, engine.bus, settings.node, _drained_first(streams, public=public))
    sequencer.on_advance += [relay.wake.set, engine.log_advanced.fire_all]
    engine.sequencer, engine.relay = sequencer, relay
    engine.spawn_when_complete(sequencer.run, "sequencer")
    engine.spawn_when_complete(relay.run, "relay")
    if public:
        _start_checkpoints(engine, signing, sequencer, relay)


def _start_checkpoints(engine: Engine, signing: SigningKeys, sequencer: Sequencer, relay: Relay) -> None:
    settings = engine.settings
    checkpointer = Checkpointer(
        engine.store, signing, engine.clock, settings.federation, settings.node, settings.checkpoint_interval
    )
    sequencer.on_advance.append(checkpointer.wake.set)
    engine.spawn_when_complete(lambda: checkpointer.run(relay, engine.log_advanced), "checkpointer")


def _start_hearing(engine: Engine, *, listens: bool) -> None:
    if listens:
        engine.listener.grown = engine.log_advanced
        engine.spawn(lambda: engine.listener.run(engine.clock), "listener")


def _start_asking(engine: Engine, fetch: Fetch | None, *, follows: bool) -> None:
    if fetch is None:
        return
    membership, clock = engine.membership, engine.clock
    pages = Pages.of(engine.home, fetch, clock)
    if not follows:
        engine.spawn(Backfill(engine.inbox, membership, pages, engine.listener.topics, clock).run, "backfill")
        return
    mirrored = frozenset(engine.settings.mirrored)
    engine.follower = Follower(
        engine.bus, engine.inbox, membership, pages, clock, mirrored=mirrored, reading=engine.listener.is_reading
    )
    engine.spawn(engine.follower.run, "follower")


def _drained_first(streams: list[Stream], *, public: bool) -> list[Stream]:
    """Status before the rest, and checkpoints last: they say that the rest has come."""
    ordered = sorted(streams, key=lambda stream: stream.name != STATUS.name)
    return [*ordered, CHECKPOINTS] if public else ordered


def _unique(collections: Sequence[Collection]) -> list[Collection]:
    return list({collection.name: collection for collection in collections}.values())

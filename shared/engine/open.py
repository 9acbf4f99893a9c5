"""Opening what runs under a service, in the order in which it is needed, and closing it in the other.

1. The store, however long it takes to be there; then the bus.
2. All parts, none of them running (`_parts`). The inbox is loaded, so that requests are answered from what is known; the
   leadership is looked at once, so that a process that is alone leads from the start.
3. Loops of every process: the leadership, and what a standby sees (`Engine.begin`). Whatever is started after them waits
   until this process leads.
4. Does the store know all that this service ever wrote? (`_look_back`) Only then may anything be sequenced: a store that was
   set back would sign other entries in the places of those that it has forgotten.
5. The loops that write (`_start_writing`): sequencer, relay, checkpointer. They stand still while the log is not complete.
6. The loop that listens (`_start_listening`). It leaves the node's own streams out while the log is not complete, because
   what they bring about may be written.
7. The loops that ask others (`_start_asking`): they fill what the listener has shown to be missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

from shared.bus.open import open_bus
from shared.bus.port import Bus
from shared.clock import Clock, SystemClock
from shared.engine.engine import COLLECTIONS, Engine, LogWriter
from shared.engine.leadership import Leadership
from shared.engine.spec import ServiceSpec
from shared.errors import Unavailable
from shared.events.base import CHECKPOINTS, STATUS, Stream
from shared.federation.backfill import Backfill
from shared.federation.follower import Follower
from shared.federation.log_client import Fetch, LogClient
from shared.home.folder import Home
from shared.home.membership import Membership
from shared.inbox.inbox import Inbox
from shared.inbox.listener import Listener
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
from shared.tasks.supervised import RESTART_SECONDS
from shared.tasks.wakeups import Wakeups
from shared.telemetry import get_logger

_log = get_logger("engine")


class _Ground(NamedTuple):
    """What the parts stand on: the clock, the node's folder, the open store and bus, and the way out if there is one."""

    clock: Clock
    home: Home
    store: Store
    bus: Bus
    fetch: Fetch | None


@asynccontextmanager
async def open_engine(
    settings: NodeSettings,
    spec: ServiceSpec,
    *,
    clock: Clock | None = None,
    home: Home | None = None,
    bus: Bus | None = None,
    fetch: Fetch | None = None,
) -> AsyncIterator[Engine]:
    """Open a service's floor and start its loops; they end with the block. A `bus` that is handed in is not closed. Without
    `fetch` no other registry is asked for anything.
    """
    clock, home = clock or SystemClock(), home or Home(settings)
    async with AsyncExitStack() as closing:
        store = await _store(settings.store_url, spec.name, _unique((*COLLECTIONS, *spec.collections)))
        closing.push_async_callback(store.close)
        await require_complete(store)
        if bus is None:
            bus = await open_bus(settings.bus_url)
            closing.push_async_callback(bus.close)
        engine = await _parts(settings, spec, _Ground(clock, home, store, bus, fetch))
        closing.push_async_callback(engine.stop)
        engine.begin()
        await _look_back(engine)
        _start_writing(engine)
        _start_listening(engine)
        _start_asking(engine)
        yield engine


async def _store(url: str, service: str, collections: Sequence[Collection]) -> Store:
    """Open the store, however long it takes to be there."""
    failures = 0
    while True:
        try:
            return await open_store(url, service, collections)
        except Unavailable as error:
            _log.warning("waiting for the store", service=service, detail=error.detail)
            await asyncio.sleep(pause_after(failures, RESTART_SECONDS[:-1]))
            failures += 1


async def _parts(settings: NodeSettings, spec: ServiceSpec, ground: _Ground) -> Engine:
    """All the parts, none of them running."""
    clock, home, store, bus, fetch = ground
    outbox, membership = Outbox(store, clock), Membership(home, clock)
    keyring = Keyring(store, membership, home.certificates())
    inbox = Inbox(outbox, membership, keyring, spec.subscriptions)
    await inbox.load()
    leadership = Leadership(store, spec.name, clock)
    await leadership.look()
    log_client, grown = LogClient.of(home, fetch, clock) if fetch else None, Wakeups()
    holders = Holders(store, bus, membership, keyring, clock, spec.name, streams=_drained_first(spec), log_client=log_client)
    continuity = Continuity(store, holders, settings.node, clock)
    listener = Listener(
        bus,
        inbox,
        membership,
        name=spec.name,
        streams=spec.streams,
        foreign=spec.foreign,
        grown=grown,
        takes_own=lambda: continuity.log_complete.on,
    )
    return Engine(
        settings=settings,
        spec=spec,
        clock=clock,
        home=home,
        store=store,
        bus=bus,
        outbox=outbox,
        membership=membership,
        keyring=keyring,
        inbox=inbox,
        listener=listener,
        leadership=leadership,
        continuity=continuity,
        log_advanced=grown,
        log_client=log_client,
        writer=_writer(settings, spec, ground, outbox, keyring, grown) if spec.writes else None,
        follower=_follower(settings, ground, inbox, membership, log_client, listener.is_reading) if spec.follows else None,
    )


def _writer(
    settings: NodeSettings, spec: ServiceSpec, ground: _Ground, outbox: Outbox, keyring: Keyring, grown: Wakeups
) -> LogWriter:
    """What carries a service's events from its outbox to the bus."""
    streams = _drained_first(spec)
    federation, node = settings.federation, settings.node
    signing = SigningKeys(ground.home, ground.store, node, [stream.name for stream in streams])
    relay = Relay(ground.store, ground.bus, node, streams)
    wakes: list[Callable[[], None]] = [relay.wake.set, grown.fire_all]
    checkpointer = None
    if spec.public:
        checkpointer = Checkpointer(ground.store, signing, ground.clock, federation, node, settings.checkpoint_interval)
        wakes.append(checkpointer.wake.set)
    sequencer = Sequencer(outbox, signing, keyring.learn, spec.writes, federation, node, wakes)
    return LogWriter(sequencer, relay, checkpointer)


def _follower(
    settings: NodeSettings,
    ground: _Ground,
    inbox: Inbox,
    membership: Membership,
    log_client: LogClient | None,
    reading: Callable[[], bool],
) -> Follower | None:
    if log_client is None:
        return None
    mirrored = frozenset(settings.mirrored)
    return Follower(ground.bus, inbox, membership, log_client, ground.clock, mirrored=mirrored, reading=reading)


async def _look_back(engine: Engine) -> None:
    """See whether the store knows all that this service ever wrote, before anything is written."""
    continuity, writes = engine.continuity, engine.spec.writes
    if not writes:
        await continuity.log_complete.set(True)
        return
    await continuity.ask()
    if silent := [name for name in continuity.silent() if name != engine.settings.node]:
        heads = [await engine.store.get(archive.HEADS, continuity.holders.topic(stream)) for stream in writes]
        tell = _log.warning if any(heads) else _log.info  # a service that never wrote anything cannot have forgotten it
        tell("started without an answer from some who may hold more of this node's log; they are asked again", who=silent)
    restores, take_again = engine.spec.restores, engine.listener.take_own_again
    recovery = Recovery(engine.outbox, continuity, engine.keyring, restores, take_again)
    engine.watch(continuity.run, "continuity")
    engine.spawn(recovery.run, "recovery")


def _start_writing(engine: Engine) -> None:
    if engine.writer is None:
        return
    sequencer, relay, checkpointer = engine.writer
    engine.spawn_when_complete(sequencer.run, "sequencer")
    engine.spawn_when_complete(relay.run, "relay")
    if checkpointer is not None:
        engine.spawn_when_complete(lambda: checkpointer.run(relay, engine.log_advanced), "checkpointer")


def _start_listening(engine: Engine) -> None:
    if engine.spec.listens:
        engine.spawn(lambda: engine.listener.run(engine.clock), "listener")


def _start_asking(engine: Engine) -> None:
    if engine.follower is not None:
        engine.spawn(engine.follower.run, "follower")
    elif engine.log_client is not None:
        backfill = Backfill(engine.inbox, engine.membership, engine.log_client, engine.listener.topics, engine.clock)
        engine.spawn(backfill.run, "backfill")


def _drained_first(spec: ServiceSpec) -> list[Stream]:
    """The streams that it writes: status before the rest, and checkpoints last, since they say that the rest has come."""
    ordered = sorted(spec.writes, key=lambda stream: stream.name != STATUS.name)
    return [*ordered, CHECKPOINTS] if spec.public else ordered


def _unique(collections: Sequence[Collection]) -> list[Collection]:
    return list({collection.name: collection for collection in collections}.values())

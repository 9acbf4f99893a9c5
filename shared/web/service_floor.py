"""What every service stands on, opened in one place: engine, way out, tokens, checks, and the one door for changes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from fastapi import FastAPI

from shared.bus.port import Bus
from shared.clock import Clock
from shared.engine.engine import Engine
from shared.engine.open import open_engine
from shared.events.base import Event, Stream
from shared.home.folder import Home
from shared.inbox.received import Handler
from shared.settings import NodeSettings
from shared.store.port import Collection
from shared.web import idempotency
from shared.web.auth.authorities import Authorities
from shared.web.auth.keysets import OwnKeys
from shared.web.door import Door
from shared.web.outgoing.fetch import Fetcher

SWEEP_SECONDS = 3_600.0
"""How often stored answers whose time is over are looked for."""


class Floor(NamedTuple):
    """A running service, below its own handlers."""

    engine: Engine
    door: Door
    fetcher: Fetcher


@asynccontextmanager
async def open_floor(
    app: FastAPI,
    settings: NodeSettings,
    *,
    service: str,
    subscriptions: Mapping[type[Event], Handler],
    streams: Sequence[str],
    collections: Sequence[Collection],
    writes: Sequence[Stream] = (),
    foreign: bool = False,
    follows: bool = False,
    restores: Mapping[type[Event], Handler] | None = None,
    clock: Clock | None = None,
    bus: Bus | None = None,
) -> AsyncIterator[Floor]:
    """Open a service's floor for its app's lifespan, and give the app's `state` its `engine`, `authorities` and `checks`.

    The arguments are those of `open_engine`; `follows`: it follows the neighbours' logs over HTTP, as a registry does.
    """
    async with (
        Fetcher(settings.fetch_allow) as fetcher,
        open_engine(
            settings,
            service=service,
            writes=writes,
            subscriptions=subscriptions,
            streams=streams,
            foreign=foreign,
            collections=(*collections, *idempotency.COLLECTIONS),
            clock=clock,
            home=Home(settings),
            bus=bus,
            fetch=fetcher,
            follows=follows,
            restores=restores,
        ) as engine,
    ):
        app.state.authorities = Authorities.of_node(settings, OwnKeys(engine.home), fetcher, engine.clock)
        app.state.checks.update(engine.checks)
        app.state.engine = engine
        floor = Floor(engine, Door(engine.outbox, engine.continuity.require_complete), fetcher)
        engine.spawn_every(SWEEP_SECONDS, floor.door.sweep, "sweep")
        yield floor

"""Composition root: opens store and bus, wires handlers, returns the app."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from services.issuer import api, consumer, repository
from services.issuer.desk import Desk
from services.issuer.settings import IssuerSettings
from shared.bus.engine import open_engine
from shared.bus.port import Bus
from shared.clock import Clock
from shared.events.base import ISSUANCE
from shared.home import Home
from shared.settings import NodeSettings
from shared.web import idempotency, operations
from shared.web.app import make_app
from shared.web.auth import Authorities
from shared.web.door import Door
from shared.web.fetch import Fetcher
from testamur import __version__

SWEEP_SECONDS = 3_600.0
"""How often stored answers whose time is over are looked for."""


def build_app(settings: NodeSettings, clock: Clock | None = None, bus: Bus | None = None) -> FastAPI:
    """The issuer's app; `bus` is handed in where one process shares it."""
    mine = IssuerSettings.of(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        home = Home(mine)
        async with (
            Fetcher(mine.fetch_allow) as fetcher,
            open_engine(
                mine,
                service="issuer",
                writes=(ISSUANCE,),
                hears=consumer.SUBSCRIPTIONS,
                streams=consumer.STREAMS,
                collections=(*repository.COLLECTIONS, *idempotency.COLLECTIONS),
                clock=clock,
                home=home,
                bus=bus,
            ) as engine,
        ):
            own = home.signer("access-token").verification_key()
            app.state.authorities = Authorities.of_node(mine, [own], fetcher, engine.clock)
            app.state.checks.update(engine.checks)
            app.state.engine = engine
            app.state.desk = desk = Desk(engine.store, Door(engine.outbox), home, mine, engine.clock)
            await desk.open()
            engine.spawn(lambda: _sweep(desk.door), "sweep")
            yield

    return make_app(
        service="issuer",
        title="Testamur issuer",
        version=__version__,
        description="Issues and corrects micro-credentials for the institutions of its nation.",
        settings=mine,
        routers=[api.routes, api.key_routes, operations.routes],
        tags=api.TAGS,
        lifespan=lifespan,
        clock=clock,
    )


async def _sweep(door: Door) -> None:
    while True:
        await door.sweep()
        await asyncio.sleep(SWEEP_SECONDS)

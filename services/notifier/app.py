"""Composition root: opens store and bus, wires handlers and the delivery loop, returns the app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from services.notifier import api, consumer
from services.notifier.context import NotifierContext
from services.notifier.delivery import Courier
from services.notifier.repository import COLLECTIONS
from services.notifier.settings import NotifierSettings
from shared.bus.port import Bus
from shared.clock import Clock
from shared.engine.engine import Engine
from shared.settings import NodeSettings
from shared.version import __version__
from shared.web import operations
from shared.web.app import make_app
from shared.web.outgoing.fetch import Fetcher
from shared.web.service_floor import open_floor

SWEEP_SECONDS = 3_600.0
"""How often deliveries whose time is over are looked for."""


def build_app(settings: NodeSettings, clock: Clock | None = None, bus: Bus | None = None) -> FastAPI:
    """The notifier's app; `bus` is handed in where one process shares it."""
    mine = NotifierSettings.of(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_floor(
            app,
            mine,
            service="notifier",
            subscriptions=consumer.SUBSCRIPTIONS,
            streams=consumer.STREAMS,
            foreign=True,
            collections=COLLECTIONS,
            clock=clock,
            bus=bus,
        ) as floor:
            app.state.context = NotifierContext(floor.door, floor.engine.store, floor.fetcher, mine)
            _deliver(floor.engine, floor.fetcher, app.state.context)
            yield

    return make_app(
        service="notifier",
        title="Testamur notifier",
        version=__version__,
        description="Tells those who asked what became of credentials and institutions.",
        settings=mine,
        routers=[api.routes, operations.routes],
        tags=[api.TAG],
        lifespan=lifespan,
        clock=clock,
    )


def _deliver(engine: Engine, fetcher: Fetcher, context: NotifierContext) -> None:
    courier = Courier(engine.store, engine.clock, fetcher, context.settings)
    engine.spawn(courier.run, "delivery")
    engine.spawn_every(SWEEP_SECONDS, courier.sweep, "sweep of deliveries")

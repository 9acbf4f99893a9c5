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
from shared.engine.spec import ServiceSpec
from shared.settings import NodeSettings
from shared.web import operations
from shared.web.app import ApiSpec, make_app
from shared.web.outgoing.fetch import Fetcher
from shared.web.service_floor import open_floor

SWEEP_SECONDS = 3_600.0
"""Between two looks for deliveries whose time is over."""

SPEC = ServiceSpec(
    name="notifier",
    collections=COLLECTIONS,
    streams=consumer.STREAMS,
    foreign=True,
    subscriptions=consumer.SUBSCRIPTIONS,
)
"""The notifier writes no stream: it receives those of all nodes, and sends webhooks to its subscribers."""

API = ApiSpec(
    name=SPEC.name,
    title="Testamur notifier",
    description="Sends webhooks about what became of credentials and institutions.",
    routers=[api.routes, operations.routes],
    tags=[api.TAG],
)


def build_app(settings: NodeSettings, clock: Clock | None = None, bus: Bus | None = None) -> FastAPI:
    """The notifier's app; `bus` is given where one process shares it."""
    mine = NotifierSettings.of(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_floor(app, mine, SPEC, clock, bus) as floor:
            app.state.context = NotifierContext(
                transactions=floor.transactions, store=floor.engine.store, fetcher=floor.fetcher, settings=mine
            )
            _deliver(floor.engine, floor.fetcher, app.state.context)
            yield

    return make_app(API, mine, lifespan=lifespan, clock=clock)


def _deliver(engine: Engine, fetcher: Fetcher, context: NotifierContext) -> None:
    courier = Courier(engine.store, engine.clock, fetcher, context.settings)
    engine.spawn(courier.run, "delivery")
    engine.spawn_every(SWEEP_SECONDS, courier.sweep, "sweep of deliveries")

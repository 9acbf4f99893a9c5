"""Composition root: opens store and bus, wires handlers, returns the app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from services.issuer import api, consumer
from services.issuer.cohorts import repository as cohorts
from services.issuer.cohorts.api import LARGER_BODIES
from services.issuer.cohorts.worker import Worker
from services.issuer.context import IssuerContext
from services.issuer.credentials import repository as credentials
from services.issuer.offers import repository as offers
from services.issuer.places import repository as places
from services.issuer.replica import repository as replica
from services.issuer.settings import IssuerSettings
from shared.bus.port import Bus
from shared.clock import Clock
from shared.engine.spec import ServiceSpec
from shared.events.base import ISSUANCE
from shared.settings import NodeSettings
from shared.web import operations
from shared.web.app import ApiSpec, make_app
from shared.web.service_floor import open_floor

SPEC = ServiceSpec(
    name="issuer",
    collections=(
        *credentials.COLLECTIONS,
        *cohorts.COLLECTIONS,
        *places.COLLECTIONS,
        *replica.COLLECTIONS,
        *offers.COLLECTIONS,
    ),
    writes=(ISSUANCE,),
    streams=consumer.STREAMS,
    subscriptions=consumer.SUBSCRIPTIONS,
    restores=consumer.RESTORES,
)
"""The issuer takes in events of its own node alone, and what it writes never leaves the node."""

API = ApiSpec(
    name=SPEC.name,
    title="Testamur issuer",
    description="Issues and corrects micro-credentials for the institutions of its node.",
    routers=[*api.ROUTERS, operations.routes],
    tags=api.TAGS,
    larger_bodies=LARGER_BODIES,
)


def build_app(settings: NodeSettings, clock: Clock | None = None, bus: Bus | None = None) -> FastAPI:
    """The issuer's app; `bus`: one that this process shares already."""
    mine = IssuerSettings.of(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_floor(app, mine, SPEC, clock, bus) as floor:
            engine = floor.engine
            app.state.context = context = IssuerContext(
                store=engine.store,
                transactions=floor.transactions,
                home=engine.home,
                settings=mine,
                clock=engine.clock,
                membership=engine.membership,
            )
            await context.open()
            engine.spawn_when_complete(Worker(context, engine.outbox).run, "cohorts")
            yield

    return make_app(API, mine, lifespan=lifespan, clock=clock)

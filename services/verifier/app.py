"""Composition root: opens store and bus, wires handlers, returns the app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from services.verifier import api, consumer
from services.verifier.context import open_context
from services.verifier.repository import COLLECTIONS
from services.verifier.settings import VerifierSettings
from shared.bus.port import Bus
from shared.clock import Clock
from shared.engine.spec import ServiceSpec
from shared.seals import jades
from shared.settings import NodeSettings
from shared.web import operations
from shared.web.app import ApiSpec, make_app
from shared.web.service_floor import open_floor

SPEC = ServiceSpec(
    name="verifier",
    collections=COLLECTIONS,
    streams=consumer.STREAMS,
    foreign=True,
    subscriptions=consumer.SUBSCRIPTIONS,
)
"""The verifier writes nothing: it answers from what it has heard of all nodes."""

API = ApiSpec(
    name=SPEC.name,
    title="Testamur verifier",
    description="Answers whether a micro-credential is true, from this node's own replica.",
    routers=[api.routes, operations.routes],
    tags=[api.TAG],
    body_bytes=jades.LARGEST_BYTES,
)


def build_app(settings: NodeSettings, clock: Clock | None = None, bus: Bus | None = None) -> FastAPI:
    """The verifier's app; `bus` is handed in where one process shares it. Raises `Misconfigured`."""
    mine = VerifierSettings.of(settings)
    policy, lists = mine.policy(), mine.trusted_lists()
    shapes, decided = mine.shapes(), mine.decided()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_floor(app, mine, SPEC, clock, bus) as floor:
            app.state.context = open_context(floor.engine, policy, decided, lists, shapes)
            yield

    return make_app(API, mine, lifespan=lifespan, clock=clock)

"""Composition root: opens store and bus, wires handlers, returns the app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

from services.verifier import api, consumer
from services.verifier.handlers import Desk, Seal
from services.verifier.replica import Replica
from services.verifier.repository import COLLECTIONS
from services.verifier.settings import VerifierSettings
from shared.bus.port import Bus
from shared.clock import Clock
from shared.engine.engine import Engine
from shared.seals import jades
from shared.seals.trusted_list import TrustedList
from shared.settings import NodeSettings
from shared.trust.identifiers import Decided
from shared.verification.policy import Policy
from shared.version import __version__
from shared.web import operations
from shared.web.app import make_app
from shared.web.service_floor import open_floor


def build_app(settings: NodeSettings, clock: Clock | None = None, bus: Bus | None = None) -> FastAPI:
    """The verifier's app; `bus` is handed in where one process shares it. Raises `Misconfigured`."""
    mine = VerifierSettings.of(settings)
    policy, lists = mine.policy(), mine.trusted_lists()
    shapes, decided = mine.shapes(), mine.decided()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_floor(
            app,
            mine,
            service="verifier",
            hears=consumer.SUBSCRIPTIONS,
            streams=consumer.STREAMS,
            foreign=True,
            collections=COLLECTIONS,
            clock=clock,
            bus=bus,
        ) as floor:
            app.state.desk = desk_of(floor.engine, policy, decided, lists, shapes)
            yield

    return make_app(
        service="verifier",
        title="Testamur verifier",
        version=__version__,
        description="Answers whether a micro-credential is true, from this node's own replica.",
        settings=mine,
        routers=[api.routes, operations.routes],
        tags=[api.TAG],
        lifespan=lifespan,
        clock=clock,
        max_body_bytes=max(mine.max_body_bytes, jades.LARGEST),
    )


def desk_of(
    engine: Engine, policy: Policy, decided: Decided, lists: tuple[TrustedList, ...] = (), shapes: Path | None = None
) -> Desk:
    """What questions are answered with, on a running engine."""
    replica = Replica(engine.store, engine.inbox, engine.membership, decided)
    me, federation = engine.settings.node, engine.settings.federation
    return Desk(
        replica, engine.clock, policy, me, federation, lists, shapes, lambda: Seal(*engine.home.certified("receipt"))
    )

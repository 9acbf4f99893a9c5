"""Composition root: opens store and bus, wires handlers and the loops, hands each room what it needs of a higher one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI

from services.registry import api, consumer
from services.registry.catalogue import repository as catalogue
from services.registry.catalogue.handlers import withdraw_uncovered
from services.registry.catalogue.index import OfferIndex
from services.registry.context import RegistryContext
from services.registry.credentials import repository as credentials
from services.registry.credentials import status_lists
from services.registry.credentials.allowance import REVOKED_ALONE
from services.registry.credentials.handlers import reinstate_due
from services.registry.revocations import repository as revocations
from services.registry.revocations.handlers import apply_key_revocations
from services.registry.settings import RegistrySettings
from services.registry.status.handlers import StatusLists
from services.registry.trust import cutoffs
from services.registry.trust import repository as trust
from services.registry.trust.service_keys import announce_service_keys, follow_service_keys
from shared.bus.port import Bus
from shared.clock import Clock
from shared.engine.engine import Engine
from shared.engine.spec import ServiceSpec
from shared.events.base import OFFERS, REGISTRATIONS, STATUS, TRUST
from shared.settings import NodeSettings
from shared.web import operations
from shared.web.app import ApiSpec, make_app
from shared.web.service_floor import open_floor

SPEC = ServiceSpec(
    name="registry",
    collections=(
        *trust.COLLECTIONS,
        cutoffs.CUTOFFS,
        *credentials.COLLECTIONS,
        *status_lists.COLLECTIONS,
        REVOKED_ALONE,
        *revocations.COLLECTIONS,
        *catalogue.COLLECTIONS,
    ),
    writes=(TRUST, STATUS, REGISTRATIONS, OFFERS),
    streams=consumer.STREAMS,
    foreign=True,
    subscriptions=consumer.SUBSCRIPTIONS,
    restores=consumer.RESTORES,
    follows=True,
)
"""The registry writes all public streams of its node, and archives those of all others."""

API = ApiSpec(
    name=SPEC.name,
    title="Testamur registry",
    description="Vouches for this nation's institutions and credentials, and says what became of them.",
    routers=[*api.ROUTERS, operations.routes],
    tags=api.TAGS,
)


def build_app(settings: NodeSettings, clock: Clock | None = None, bus: Bus | None = None) -> FastAPI:
    """The registry's app; `bus` is given where one process shares it. Raises `Misconfigured`."""
    mine = RegistrySettings.of(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_floor(app, mine, SPEC, clock, bus) as floor:
            engine = floor.engine
            await engine.when_log_complete(lambda: announce_service_keys(engine), "certificates")
            app.state.context = RegistryContext(
                engine=engine, transactions=floor.transactions, settings=mine, withdraw_uncovered=withdraw_uncovered
            )
            app.state.status_lists, app.state.offers = _status_lists(mine, engine), OfferIndex(engine.store)
            engine.spawn_when_complete(lambda: _work_off_due(engine, mine.due_interval), "due")
            engine.spawn_when_complete(lambda: follow_service_keys(engine), "service keys")
            yield

    return make_app(API, mine, lifespan=lifespan, clock=clock)


def _status_lists(settings: RegistrySettings, engine: Engine) -> StatusLists:
    return StatusLists(
        engine.store,
        lambda: engine.home.signer("status-list"),
        engine.clock,
        base=settings.status_list_url,
        issuer=settings.source("registry"),
        lifetime=timedelta(seconds=settings.status_list_lifetime),
        guard=engine.continuity.require_complete,
    )


async def _work_off_due(engine: Engine, interval: float) -> None:
    """End suspensions whose time has come, and carry mass revocations through, until cancelled."""
    while True:
        while await reinstate_due(engine.outbox):
            continue
        await apply_key_revocations(engine.outbox, engine.membership.me)
        await asyncio.sleep(interval)

"""What every service stands on, opened in one place: engine, way out, tokens, checks, and the transactions of requests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import NamedTuple

from fastapi import FastAPI

from shared.bus.port import Bus
from shared.clock import Clock
from shared.engine.engine import Engine
from shared.engine.open import open_engine
from shared.engine.spec import ServiceSpec
from shared.home.folder import Home
from shared.settings import NodeSettings
from shared.web import idempotency
from shared.web.auth.authorities import Authorities
from shared.web.auth.keysets import OwnKeys
from shared.web.outgoing.fetch import Fetcher
from shared.web.request_transaction import RequestTransactions

SWEEP_SECONDS = 3_600.0
"""How often stored answers whose time is over are looked for."""


class Floor(NamedTuple):
    """A running service, below its own handlers."""

    engine: Engine
    transactions: RequestTransactions
    fetcher: Fetcher


@asynccontextmanager
async def open_floor(
    app: FastAPI,
    settings: NodeSettings,
    spec: ServiceSpec,
    clock: Clock | None = None,
    bus: Bus | None = None,
) -> AsyncIterator[Floor]:
    """Open a service's floor for its app's lifespan, and give the app's `state` its `engine`, `authorities` and `checks`."""
    kept = replace(spec, collections=(*spec.collections, *idempotency.COLLECTIONS))
    async with (
        Fetcher(settings.fetch_allow) as fetcher,
        open_engine(settings, kept, clock=clock, home=Home(settings), bus=bus, fetch=fetcher) as engine,
    ):
        app.state.authorities = Authorities.of_node(settings, OwnKeys(engine.home), fetcher, engine.clock)
        app.state.checks.update(engine.checks())
        app.state.engine = engine
        floor = Floor(engine, RequestTransactions(engine.outbox, engine.continuity.require_complete), fetcher)
        engine.spawn_every(SWEEP_SECONDS, floor.transactions.sweep, "sweep")
        yield floor

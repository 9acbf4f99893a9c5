"""The embedded node: all four services in one process, on one port, with one bus between them.

    /issuer  /registry  /verifier  /notifier     a service each, with its own /docs, /openapi.json, /readyz
    /        the index    /healthz  /readyz  /metrics    the whole node

Running one service alone (`testamur run registry`) serves it under the same path, so addresses do not depend on how a node
is cut into processes; a reverse proxy sends each first step of the path to its process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from fastapi import FastAPI, Request
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.bus.open import open_bus
from shared.clock import Clock, SystemClock
from shared.engine import engine
from shared.errors import Unavailable
from shared.home.folder import Home
from shared.settings import NodeSettings
from shared.store.port import Collection
from shared.version import __version__
from shared.web import idempotency
from shared.web.app import ApiSpec, make_app
from shared.web.command import View
from shared.web.health import Check
from shared.web.problems import ProblemResponse
from shared.web.server.serve import serve
from shared.web.strict import router

SERVICES = ("registry", "issuer", "verifier", "notifier")
"""The services' names, which are the first steps of their paths; in the order in which they start: the others hear the
registry.
"""


def _root_of(service: str) -> Any:
    """A service's composition root, loaded once it is needed: a process that runs one service holds one."""
    return import_module(f"services.{service}.app")


def collections_of(service: str) -> tuple[Collection, ...]:
    """Everything that a service's store holds: the engine's collections, the stored answers, and the service's own."""
    every = (*engine.COLLECTIONS, *idempotency.COLLECTIONS, *_root_of(service).SPEC.collections)
    return tuple({collection.name: collection for collection in every}.values())


class ServiceIndex(View):
    """Where one service of the node is."""

    service: str
    path: str
    docs: str
    openapi: str


class NodeIndex(View):
    """What there is at a node's address."""

    node: str
    federation: str
    version: str
    services: tuple[ServiceIndex, ...]


class NodeStopping(Unavailable):
    """503: the node is stopping; a request that only waited was broken off."""

    title = "This node is stopping."


class LongPolls:
    """Requests that wait for news, which would hold up a node that wants to stop: they change nothing and are broken off."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Task[Any]] = set()
        self._ended = asyncio.Event()

    def around(self, app: ASGIApp) -> ASGIApp:
        """The app, with its waiting requests under watch."""

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            if not _waits(scope):
                await app(scope, receive, send)
                return
            if self._ended.is_set():
                await ProblemResponse(NodeStopping("Ask again in a moment."))(scope, receive, send)
                return
            task, has_begun = asyncio.current_task(), False
            assert task is not None

            async def noted(message: Message) -> None:
                nonlocal has_begun
                has_begun = True
                await send(message)

            self._waiting.add(task)
            try:
                await app(scope, receive, noted)
            except asyncio.CancelledError:
                if not self._ended.is_set() or task.uncancel():
                    raise
                if has_begun:  # a stream ends where it is; who watches connects again
                    await send({"type": "http.response.body", "body": b""})
                else:
                    await ProblemResponse(NodeStopping("Ask again in a moment."))(scope, receive, send)
            finally:
                self._waiting.discard(task)

        return watched

    def end(self) -> None:
        """Break off those that wait now, and let no other begin to wait."""
        self._ended.set()
        for task in self._waiting:
            task.cancel()


@dataclass(frozen=True, slots=True)
class RunningNode:
    """A node that is being served: its base URL, its settings, and its services' apps by name."""

    url: str
    settings: NodeSettings
    apps: Mapping[str, FastAPI]


def build_node(settings: NodeSettings, clock: Clock | None = None, services: Sequence[str] = SERVICES) -> FastAPI:
    """The node's app. Its lifespan makes what the folder lacks, opens the bus and the services, and closes them in reverse.

    `state.apps` holds the services' own apps by name once the lifespan has begun.
    """
    ticking = clock or SystemClock()
    roots = {name: _root_of(name) for name in services}
    checks: dict[str, Check] = {}
    api = ApiSpec(name="node", title=f"Testamur node {settings.node}", routers=[_index(settings, services)])
    front = make_app(api, settings, checks=checks, clock=ticking)
    front.state.checks = checks  # the very object, which the lifespan fills

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        Home(settings).set_up(ticking.now())
        async with AsyncExitStack() as closing:
            bus = await open_bus(settings.bus_url)
            closing.push_async_callback(bus.close)
            app.state.apps = {name: root.build_app(settings, clock, bus) for name, root in roots.items()}
            for name, service in app.state.apps.items():
                await closing.enter_async_context(service.router.lifespan_context(service))
                checks[name] = _all_of(service)
            app.router.routes[:] = [*_mounts(app.state.apps, app.state.polls), Mount("/", front)]
            app.router.default = front  # a path with a line break in it fits no mount
            closing.enter_context(front.state.telemetry.active())  # what belongs to no service is labelled as the node's
            yield

    # without middleware: each service has its own, and so has the front, which takes every path that no service has
    node = FastAPI(openapi_url=None, lifespan=lifespan)
    node.router.routes[:] = []
    node.state.settings, node.state.apps, node.state.polls = settings, {}, LongPolls()
    return node


@asynccontextmanager
async def running_node(
    settings: NodeSettings, clock: Clock | None = None, services: Sequence[str] = SERVICES
) -> AsyncIterator[RunningNode]:
    """A node that is served while the block runs, at the host and port of its settings."""
    node = build_node(settings, clock, services)
    async with serve(node, settings.host, settings.port, trusted_proxies=settings.trusted_proxies) as url:
        try:
            yield RunningNode(url, settings, node.state.apps)
        finally:
            node.state.polls.end()


def _waits(scope: Scope) -> bool:
    """Whether a request waits for news: a long poll, or somebody who watches a job."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return False
    return b"wait=" in scope["query_string"] or scope["path"].endswith("/progress")


def _mounts(apps: Mapping[str, FastAPI], polls: LongPolls) -> list[BaseRoute]:
    return [Mount(f"/{name}", polls.around(app)) for name, app in apps.items()]


def _all_of(app: FastAPI) -> Check:
    """A service's own checks as one check of the node."""

    async def check() -> str | None:
        complaints = [await one() for one in app.state.checks.values()]
        return " ".join(complaint for complaint in complaints if complaint) or None

    return check


def _index(settings: NodeSettings, services: Sequence[str]) -> Any:
    routes = router("operations")

    @routes.get("/")
    async def index(request: Request) -> NodeIndex:
        """What there is at this address."""
        base = str(request.base_url).rstrip("/")
        listed = (
            ServiceIndex(service=name, path=f"/{name}", docs=f"{base}/{name}/docs", openapi=f"{base}/{name}/openapi.json")
            for name in services
        )
        return NodeIndex(node=settings.node, federation=settings.federation, version=__version__, services=tuple(listed))

    return routes

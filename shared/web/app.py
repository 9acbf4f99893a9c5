"""The FastAPI factory: every service's API is built here, so that all hold the same way.

From the outside in: `Observed` (trace, measure, headers, last net), `Limits` (body, address), then the routes, which read
strictly (`StrictRoute`), are guarded by tokens (`auth`) and open their one transaction through `RequestTransactions`.
What stock FastAPI gets wrong and these mend: 500 on NaN, Infinity, 1e400 and lone surrogates; the last duplicate member
wins; a 50 MB body is read whole; `true` passes for an integer; a refusal repeats the input.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from shared.clock import Clock, SystemClock
from shared.errors import TestamurError
from shared.settings import NodeSettings
from shared.telemetry import Telemetry, setup
from shared.version import __version__
from shared.web.auth.bearer import Authorities
from shared.web.health import Check, health_routes
from shared.web.limits import Limits
from shared.web.observed import Observed
from shared.web.problems import Schema, on_http_exception, on_invalid_request, on_testamur_error, problem_responses
from shared.web.ratelimit import Limiters
from shared.web.strict import StrictRoute

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
"""Opens what a service needs before its first request, and closes it after the last."""

OPERATIONS = {"name": "operations", "description": "For operators: health, metrics, what a problem means."}

_HANDLERS: dict[int | type[Exception], Any] = {
    TestamurError: on_testamur_error,
    HTTPException: on_http_exception,
    RequestValidationError: on_invalid_request,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSpec:
    """What a service's API is made of, and how it presents itself in its OpenAPI document."""

    name: str
    """The service's name: the first step of its path, and its label in logs, traces and measures."""

    title: str
    description: str = ""
    routers: Sequence[APIRouter]
    tags: Sequence[Mapping[str, Any]] = ()

    body_bytes: int = 0
    """A body may have so many bytes, or as many as the settings say if that is more."""

    larger_bodies: Mapping[str, int] = field(default_factory=dict)
    """Bytes by path, where a body may be larger than elsewhere."""


def make_app(
    api: ApiSpec,
    settings: NodeSettings,
    *,
    lifespan: Lifespan | None = None,
    authorities: Authorities | None = None,
    checks: Mapping[str, Check] | None = None,
    clock: Clock | None = None,
) -> FastAPI:
    """Build a service's app. `state` holds `settings`, `telemetry`, `authorities`, `checks` and `limiters`; the lifespan may
    set `authorities` and add to `checks` once the service has opened its store.
    """
    telemetry = setup(api.name, settings.node, settings)
    ticking = clock or SystemClock()
    body_bytes = max(settings.max_body_bytes, api.body_bytes)
    app = FastAPI(
        title=api.title,
        version=__version__,
        description=api.description,
        lifespan=_labelled(lifespan, telemetry),
        openapi_tags=[*map(dict, api.tags), OPERATIONS],
        responses=problem_responses(*Schema.DOCUMENTED),
        exception_handlers=_HANDLERS,
        middleware=[
            Middleware(Observed, telemetry=telemetry, clock=ticking),
            Middleware(Limits, max_body_bytes=body_bytes, larger=api.larger_bodies),
        ],
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    for routes in (*api.routers, health_routes(telemetry)):
        _include_strict(app, routes)
    app.state.settings, app.state.telemetry = settings, telemetry
    app.state.authorities, app.state.checks = authorities, dict(checks or {})
    app.state.limiters = Limiters.of(settings, ticking)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # the documented way to extend the schema
    return app


def _labelled(lifespan: Lifespan | None, telemetry: Telemetry) -> Lifespan:
    """What the lifespan starts is labelled with the service it belongs to."""

    @asynccontextmanager
    async def labelled(app: FastAPI) -> AsyncIterator[None]:
        with telemetry.active():
            if lifespan is None:
                yield
                return
            async with lifespan(app):
                yield

    return labelled


def _include_strict(app: FastAPI, routes: APIRouter) -> None:
    lax = [route.path for route in _api_routes(routes.routes) if not isinstance(route, StrictRoute)]
    if lax:
        raise TypeError(f"these routes would read their bodies laxly; make them with shared.web.strict.router: {lax}")
    app.include_router(routes)


def _api_routes(routes: Sequence[BaseRoute]) -> Iterator[APIRoute]:
    for route in routes:
        if isinstance(route, APIRoute):
            yield route


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The API document with the schema of a problem, made once."""
    if not app.openapi_schema:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            tags=app.openapi_tags,
        )
        document.setdefault("components", {}).setdefault("schemas", {})[Schema.NAME] = Schema.BODY
        app.openapi_schema = document
    return app.openapi_schema

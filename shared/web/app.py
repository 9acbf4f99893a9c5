"""The FastAPI factory: every service's door is built here, so that all doors hold the same way.

From the outside in: `Observed` (trace, measure, headers, last net), `Limits` (body, address), then the routes, which read
strictly (`StrictRoute`), are guarded by tokens (`auth`) and open their one transaction through the `Door`.
What stock FastAPI gets wrong and these mend: 500 on NaN, Infinity, 1e400 and lone surrogates; the last duplicate member
wins; a 50 MB body is read whole; `true` passes for an integer; a refusal repeats the input.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
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


def make_app(
    *,
    service: str,
    title: str,
    version: str,
    settings: NodeSettings,
    routers: Sequence[APIRouter],
    lifespan: Lifespan | None = None,
    authorities: Authorities | None = None,
    checks: Mapping[str, Check] | None = None,
    clock: Clock | None = None,
    description: str = "",
    tags: Sequence[Mapping[str, Any]] = (),
    max_body_bytes: int | None = None,
    larger_bodies: Mapping[str, int] | None = None,
) -> FastAPI:
    """Build a service's app. `state` holds `settings`, `telemetry`, `authorities`, `checks` and `limiters`; the lifespan may
    set `authorities` and add to `checks` once the service has opened its store. `larger_bodies`: bytes by path, where a
    body may be larger than elsewhere.
    """
    telemetry = setup(service, settings.node, settings)
    ticking = clock or SystemClock()
    app = FastAPI(
        title=title,
        version=version,
        description=description,
        lifespan=_labelled(lifespan, telemetry),
        openapi_tags=[*map(dict, tags), OPERATIONS],
        responses=problem_responses(*Schema.DOCUMENTED),
        exception_handlers=_HANDLERS,
        middleware=[
            Middleware(Observed, telemetry=telemetry, clock=ticking),
            Middleware(Limits, max_body_bytes=max_body_bytes or settings.max_body_bytes, larger=larger_bodies or {}),
        ],
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    for routes in (*routers, health_routes(telemetry)):
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

"""What operators and problem documents point at: is it alive, is it ready, what has it counted, what does a problem mean.

- `/healthz` answers while the process runs. `/readyz` asks every check and is 503 while one of them has a complaint.
- `/metrics` is the Prometheus text format. `/problems/{slug}` explains a problem type (RFC 9457, 3.1.1).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request, Response

from shared.errors import NotFound, Unavailable
from shared.telemetry import METRICS_TYPE, Telemetry, get_logger
from shared.web.command import View
from shared.web.problems import all_problems
from shared.web.strict import router

Check = Callable[[], Awaitable[str | None]]
"""Looks at one part; None when it is ready, otherwise a sentence that says what is wrong."""

CHECK_SECONDS = 2.0
"""How long a check may take before its part counts as silent."""

_log = get_logger("web.health")


class NotReady(Unavailable):
    """503: some parts are not ready; `waiting` names each with its reason."""

    title = "This service is not ready."


class Health(View):
    """A service that is well."""

    status: Literal["alive", "ready"]
    service: str
    node: str


class ProblemType(View):
    """What a problem type means."""

    type: str
    title: str
    status: int


def health_routes(telemetry: Telemetry) -> APIRouter:
    """The routes of every service."""
    routes = router("operations")

    @routes.get("/healthz")
    async def alive() -> Health:
        """Whether the process runs."""
        return Health(status="alive", service=telemetry.service, node=telemetry.node)

    @routes.get("/readyz")
    async def ready(request: Request) -> Health:
        """Whether every part that this service needs answers."""
        await require_ready(request.app.state.checks)
        return Health(status="ready", service=telemetry.service, node=telemetry.node)

    @routes.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """What this process has counted, for Prometheus."""
        return Response(telemetry.metrics(), headers={"Content-Type": METRICS_TYPE})

    @routes.get("/problems/{slug}")
    async def problem(slug: Annotated[str, Path(pattern="^[a-z][a-z-]{1,60}$")]) -> ProblemType:
        """What a problem's `type` means."""
        return explain(slug)

    return routes


async def require_ready(checks: dict[str, Check]) -> None:
    """Run all checks at once; raises `NotReady` with each complaint."""
    complaints = await asyncio.gather(*(_complaint(name, check) for name, check in checks.items()))
    waiting = {name: complaint for name, complaint in zip(checks, complaints, strict=True) if complaint}
    if waiting:
        raise NotReady("Wait for the parts that `waiting` names.", waiting=waiting)


def explain(slug: str) -> ProblemType:
    """The problem type of that slug; `NotFound` when there is none."""
    for problem in all_problems():
        if problem.slug() == slug:
            return ProblemType(type=f"/problems/{slug}", title=problem.title, status=problem.status)
    raise NotFound("There is no problem type of that name. /openapi.json lists what each operation answers.")


async def _complaint(name: str, check: Check) -> str | None:
    try:
        return await asyncio.wait_for(check(), CHECK_SECONDS)
    except TimeoutError:
        return "It does not answer."
    except Exception:  # noqa: BLE001 - a check that fails is a part that is not ready
        _log.exception("readiness check failed", check=name)
        return "It could not be looked at; the log says why."

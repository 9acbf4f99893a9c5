"""The HTTP API of cohorts: check, issue, watch, fetch, cancel. Command in, view out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

from fastapi import Depends, Header, Path, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from services.issuer.cohorts import handlers, repository
from services.issuer.cohorts.commands import LARGEST_BODY_BYTES, CheckCohort, CohortCheckView, CohortView, IssueCohort
from services.issuer.cohorts.repository import StoredCohort
from services.issuer.context import IssuerContext, require_institution
from shared.ids import REF
from shared.web.auth.bearer import Caller, requires
from shared.web.idempotency import KEYED
from shared.web.paging import Page, Paged, page
from shared.web.strict import router

routes = router("cohorts")

LARGER_BODIES = {"/cohorts": LARGEST_BODY_BYTES, "/cohorts/check": LARGEST_BODY_BYTES}
"""Bytes of a body on the routes that take a file."""

WATCH_SECONDS = 0.25
"""Seconds after which a cohort is read again for a caller who watches it."""
STREAM_SECONDS = 300.0
"""Seconds after which a stream of progress ends; a browser that still watches connects again by itself."""

NDJSON = "application/x-ndjson"

Issuer = Annotated[Caller, requires("credentials:issue")]
Reader = Annotated[Caller, requires("credentials:read")]
CohortId = Annotated[str, Path(pattern=f"^{REF}$", description="A cohort's id.")]

_PROGRESS: dict[int | str, dict[str, Any]] = {
    200: {"description": "Server-sent events: `progress` with a CohortView as data, and `end` when the job ends."}
}
_RESULT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A CohortRowView a line, in the file's order.",
        "content": {NDJSON: {"schema": {"type": "string"}}},
    }
}


@routes.post("/cohorts/check")
async def check(request: Request, caller: Issuer, command: CheckCohort) -> CohortCheckView:
    """Ask whether a cohort could be issued: every fault of every row. Nothing is kept."""
    require_institution(command.institution, caller.institution)
    return await handlers.check_cohort(IssuerContext.of(request), command)


@routes.post("/cohorts", status_code=202, response_model=CohortView, dependencies=[KEYED])
async def issue(request: Request, caller: Issuer, command: IssueCohort) -> Response:
    """Issue a cohort, all of it or nothing. It is accepted when this answers, and issued after that; `Location` says where
    to ask how far it is.
    """
    require_institution(command.institution, caller.institution)
    context = IssuerContext.of(request)
    root = request.scope.get("root_path", "")

    def located(made: CohortView) -> Mapping[str, str]:
        return {"Location": f"{root}/cohorts/{made.id}"}

    opened = context.transactions.open(request, caller, status=202, headers=located, required=True)
    async with opened as transaction:
        if kept := await transaction.kept():
            return kept
        prepared = await handlers.prepare_cohort(context, command)
        answer = await transaction.answer(lambda unit: handlers.accept_cohort(unit, prepared))
    context.accepted.set()
    return answer


@routes.get("/cohorts")
async def list_cohorts(request: Request, response: Response, caller: Reader, paging: Paged) -> Page[CohortView]:
    """Cohorts that were accepted here, in the order of their ids."""
    found = await repository.cohorts_of(IssuerContext.of(request).store, caller.institution, paging.after, paging.fetch)
    return page(found, paging, lambda row: handlers.view_of(StoredCohort.from_row(row)), request, response)


@routes.get("/cohorts/{cohort}")
async def read(request: Request, caller: Reader, cohort: CohortId) -> CohortView:
    """How far a cohort is."""
    return handlers.view_of(await repository.find_cohort(IssuerContext.of(request).store, cohort, caller.institution))


async def _watchable(request: Request, response: Response, caller: Reader, cohort: CohortId) -> None:
    """Refuse a cohort that is not there for the caller while there is a status to say it with; no cache keeps a stream."""
    await repository.find_cohort(IssuerContext.of(request).store, cohort, caller.institution)
    response.headers["Cache-Control"] = "no-store"


@routes.get(
    "/cohorts/{cohort}/progress",
    response_class=EventSourceResponse,
    responses=_PROGRESS,
    dependencies=[Depends(_watchable)],
)
async def progress(
    request: Request,
    caller: Reader,
    cohort: CohortId,
    last_event_id: Annotated[
        str, Header(max_length=40, description="The last event that was seen; it is not sent again.")
    ] = "",
) -> AsyncIterator[ServerSentEvent]:
    """Watch a cohort, event by event, until its job ends. An event's id is the cohort's version, so a repeat is known as
    one; silence is broken by a comment every fifteen seconds.
    """
    context, seen = IssuerContext.of(request), last_event_id
    began = context.clock.monotonic()
    while context.clock.monotonic() - began <= STREAM_SECONDS:
        stored = await repository.find_cohort(context.store, cohort, caller.institution)
        if (version := str(stored.version)) != seen:
            seen = version
            yield ServerSentEvent(event="progress", id=version, data=handlers.view_of(stored))
        if stored.ended:
            yield ServerSentEvent(event="end", data={})
            return
        await asyncio.sleep(WATCH_SECONDS)


@routes.get(
    "/cohorts/{cohort}/result",
    response_class=StreamingResponse,
    responses=_RESULT,
)
async def result(request: Request, caller: Reader, cohort: CohortId) -> Response:
    """What became of each row, with the signed credentials, to hand to their holders."""
    context = IssuerContext.of(request)
    await repository.find_cohort(context.store, cohort, caller.institution)
    named = {"Content-Disposition": f'attachment; filename="cohort-{cohort}.ndjson"'}
    return StreamingResponse(handlers.result(context.store, cohort, caller.institution), media_type=NDJSON, headers=named)


@routes.post("/cohorts/{cohort}/cancel", response_model=CohortView, dependencies=[KEYED])
async def cancel(request: Request, caller: Issuer, cohort: CohortId) -> Response:
    """Issue no more of a cohort. What was issued stays; the other rows become unreadable."""
    context = IssuerContext.of(request)
    answer = await context.transactions.answer(
        request, caller, lambda unit: handlers.cancel_cohort(unit, cohort, caller.institution), required=True
    )
    context.accepted.set()
    return answer

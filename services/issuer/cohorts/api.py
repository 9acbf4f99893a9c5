"""The HTTP door to cohorts: check, issue, watch, fetch, cancel. Command in, view out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Header, Path, Request, Response
from fastapi.responses import StreamingResponse

from services.issuer.cohorts import handlers, repository
from services.issuer.cohorts.commands import LARGEST_BODY, CheckCohort, CohortCheckView, CohortView, IssueCohort
from services.issuer.context import IssuerContext
from services.issuer.credentials.handlers import require_institution
from shared.ids import REF
from shared.web.auth.bearer import Caller, requires
from shared.web.idempotency import KEYED
from shared.web.paging import Page, Paged, page
from shared.web.strict import router

routes = router("cohorts")

LARGER_BODIES = {"/cohorts": LARGEST_BODY, "/cohorts/check": LARGEST_BODY}
"""Bytes of a body on the routes that take a file."""

WATCH = 0.25
"""Seconds between two looks at a cohort that somebody watches."""
ALIVE = 15.0
"""Seconds after which silence is broken by a comment, so that nobody between takes the connection for dead."""
LONGEST = 300.0
"""Seconds after which a stream of progress ends; who goes on watching connects again, as browsers do by themselves."""

LINES = "application/x-ndjson"
EVENTS = "text/event-stream"

Issuer = Annotated[Caller, requires("credentials:issue")]
Reader = Annotated[Caller, requires("credentials:read")]
CohortId = Annotated[str, Path(pattern=f"^{REF}$", description="A cohort's id.")]


_LINE = {"type": "string"}
_EVENT = {"type": "object", "required": ["event", "data"], "properties": dict.fromkeys(("event", "id", "data"), _LINE)}


def _streamed(media_type: str, schema: dict[str, Any], description: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"description": description, "content": {media_type: {"schema": schema}}}}


@routes.post("/cohorts/check")
async def check(request: Request, caller: Issuer, command: CheckCohort) -> CohortCheckView:
    """Ask whether a cohort could be issued: every fault of every row. Nothing is kept."""
    require_institution(command.institution, caller.institution)
    return await handlers.check_cohort(IssuerContext.of(request), command)


@routes.post("/cohorts", status_code=202, response_model=CohortView, dependencies=[KEYED])
async def issue(request: Request, caller: Issuer, command: IssueCohort) -> Response:
    """Issue a cohort, all of it or nothing. It is accepted when this answers, and issued by and by; `Location` says where
    to ask how far it is.
    """
    require_institution(command.institution, caller.institution)
    context = IssuerContext.of(request)
    root = request.scope.get("root_path", "")
    answer = await context.door.answer(
        request,
        caller,
        await handlers.prepare(context, command),
        status=202,
        headers=lambda made: {"Location": f"{root}/cohorts/{made.id}"},
        required=True,
    )
    context.accepted.set()
    return answer


@routes.get("/cohorts")
async def list_cohorts(request: Request, response: Response, caller: Reader, paging: Paged) -> Page[CohortView]:
    """Cohorts that were accepted here, in the order of their ids."""
    found = await repository.cohorts_of(IssuerContext.of(request).store, caller.institution, paging.after, paging.fetch)
    return page(found, paging, handlers.view_of, request, response)


@routes.get("/cohorts/{cohort}")
async def read(request: Request, caller: Reader, cohort: CohortId) -> CohortView:
    """How far a cohort is."""
    return handlers.view_of(await repository.find_cohort(IssuerContext.of(request).store, cohort, caller.institution))


@routes.get(
    "/cohorts/{cohort}/progress",
    response_class=StreamingResponse,
    responses=_streamed(
        EVENTS, _EVENT, "Server-sent events: `progress` with a CohortView as data, and `end` when the job ends."
    ),
)
async def progress(
    request: Request,
    caller: Reader,
    cohort: CohortId,
    last_event_id: Annotated[
        str, Header(max_length=40, description="The last event that was seen; it is not sent again.")
    ] = "",
) -> Response:
    """Watch a cohort, event by event, until its job ends."""
    context = IssuerContext.of(request)
    await repository.find_cohort(context.store, cohort, caller.institution)
    return StreamingResponse(_events(context, cohort, caller.institution, last_event_id), media_type=EVENTS)


@routes.get(
    "/cohorts/{cohort}/result",
    response_class=StreamingResponse,
    responses=_streamed(LINES, _LINE, "A CohortRowView a line, in the file's order."),
)
async def result(request: Request, caller: Reader, cohort: CohortId) -> Response:
    """What became of each row, with the signed credentials, to hand to their holders."""
    context = IssuerContext.of(request)
    await repository.find_cohort(context.store, cohort, caller.institution)
    named = {"Content-Disposition": f'attachment; filename="cohort-{cohort}.ndjson"'}
    return StreamingResponse(handlers.result(context.store, cohort, caller.institution), media_type=LINES, headers=named)


@routes.post("/cohorts/{cohort}/cancel", response_model=CohortView, dependencies=[KEYED])
async def cancel(request: Request, caller: Issuer, cohort: CohortId) -> Response:
    """Issue no more of a cohort. What was issued stays; the rows that were not can be read by nobody any more."""
    context = IssuerContext.of(request)
    answer = await context.door.answer(
        request, caller, lambda unit: handlers.cancel_cohort(unit, cohort, caller.institution), required=True
    )
    context.accepted.set()
    return answer


async def _events(context: IssuerContext, cohort: str, tenant: str | None, seen: str) -> AsyncIterator[bytes]:
    """A cohort's progress as server-sent events (HTML, 9.2): the id is its version, so a repeat is known as one."""
    began = quiet = context.clock.monotonic()
    while True:
        row = await repository.find_cohort(context.store, cohort, tenant)
        now, version = context.clock.monotonic(), str(row.version)
        if version != seen:
            seen, quiet = version, now
            yield b"event: progress\nid: %b\ndata: %b\n\n" % (
                version.encode(),
                handlers.view_of(row).model_dump_json().encode(),
            )
        if row.body["ended"]:
            yield b"event: end\ndata: {}\n\n"
            return
        if now - began > LONGEST:
            return
        if now - quiet > ALIVE:
            quiet = now
            yield b":\n\n"
        await asyncio.sleep(WATCH)

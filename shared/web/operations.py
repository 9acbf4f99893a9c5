"""For operators, the same on every service: what could not be applied, and what is known of the other nodes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Path, Request, Response

from shared.clock import Instant
from shared.engine.engine import Engine
from shared.errors import NotFound
from shared.inbox.dead_letters import DEAD, StoredDeadLetter
from shared.web.auth.bearer import Caller, requires
from shared.web.command import View
from shared.web.paging import Page, Paged, page
from shared.web.strict import router

routes = router("operations")

DeadLetterId = Annotated[str, Path(pattern="^[0-9a-f-]{36}$", description="The dead letter's id.")]


class DeadLetter(View):
    """A record that was not let in, and why."""

    id: str
    topic: str
    offset: int
    family: str
    """`invalid`: it is no entry; `untrusted`: its signer may not speak here."""
    reason: str
    detail: str
    origin: str
    kid: str | None
    at: Instant
    record: dict[str, Any] | None = None
    """The record's header names and sizes; its bytes stay in the store."""


class Replayed(View):
    """What came of taking a dead letter in again."""

    tried: int
    refused_again: int


class StreamKnown(View):
    """How far one stream of a node is applied here, without a gap."""

    stream: str
    epoch: int
    seq: int


class NodeKnown(View):
    """What this service knows of one node."""

    node: str
    url: str
    status: str
    streams: tuple[StreamKnown, ...]
    checkpoint: Instant | None
    """The time of the newest checkpoint that our prefix proves."""
    age_seconds: float | None
    """Null: never heard of."""
    contradictory: bool
    trouble: str | None = None
    """Why its log cannot be followed as it should be. Only the registry follows logs, and can tell."""


def engine_of(request: Request) -> Engine:
    """The service's engine, which its lifespan opened."""
    engine: Engine = request.app.state.engine
    return engine


Running = Annotated[Engine, Depends(engine_of)]
Operator = Annotated[Caller, requires("operate")]


@routes.get("/dead-letters", summary="What was not let in")
async def dead_letters(
    _: Operator, engine: Running, paging: Paged, request: Request, response: Response
) -> Page[DeadLetter]:
    """Records that were refused, oldest first, each with its reason."""
    rows = await engine.store.scan(DEAD, after=paging.after, limit=paging.fetch)
    return page(rows, paging, lambda row: _view(StoredDeadLetter.from_row(row)), request, response)


@routes.get("/dead-letters/{letter}", summary="One of them")
async def dead_letter(_: Operator, engine: Running, letter: DeadLetterId) -> DeadLetter:
    """One refused record, with the shape of what came."""
    found = await _find(engine, letter)
    headers = {name: len(value) for name, value in found.record.headers}
    return _view(found, {"value_bytes": len(found.record.value), "header_bytes": headers})


@routes.post("/dead-letters/{letter}/replay", summary="Take it in again")
async def replay(_: Operator, engine: Running, letter: DeadLetterId) -> Replayed:
    """Judge the same bytes again by what is known now; what is still refused is kept anew. Repeating it is harmless."""
    found = await _find(engine, letter)
    before = sum(engine.inbox.refused.values())
    tried = await engine.inbox.replay([found.id])
    return Replayed(tried=tried, refused_again=sum(engine.inbox.refused.values()) - before)


@routes.get("/neighbours", summary="What is known of each node")
async def neighbours(_: Operator, engine: Running) -> tuple[NodeKnown, ...]:
    """Every node of the federation list: how far its streams are applied here, and how old that knowledge is."""
    now = engine.clock.now()
    return tuple(_known(engine, node.name, now) for node in engine.membership.list.nodes)


def _known(engine: Engine, name: str, now: datetime) -> NodeKnown:
    node, view = engine.membership.node(name), engine.inbox.origin(name)
    time = view.checkpoint_time
    return NodeKnown(
        node=name,
        url=node.url if node else "",
        status=node.status if node else "unknown",
        streams=tuple(StreamKnown(stream=s, epoch=p.epoch, seq=p.seq) for s, p in view.positions.items()),
        checkpoint=time,
        age_seconds=round((now - time).total_seconds(), 3) if time else None,
        contradictory=view.contradictory,
        trouble=engine.follower.trouble(name) if engine.follower else None,
    )


def _view(one: StoredDeadLetter, record: dict[str, Any] | None = None) -> DeadLetter:
    return DeadLetter(
        id=one.id,
        topic=one.record.topic,
        offset=one.record.offset,
        family=one.family,
        reason=one.reason,
        detail=one.detail,
        origin=one.origin,
        kid=one.kid,
        at=one.at,
        record=record,
    )


async def _find(engine: Engine, letter: str) -> StoredDeadLetter:
    row = await engine.store.get(DEAD, letter)
    if row is None:
        raise NotFound("List what is there with GET /dead-letters.")
    return StoredDeadLetter.from_row(row)

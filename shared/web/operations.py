"""For operators, the same on every service: what could not be applied, and what is known of the other nodes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Depends, Path, Request, Response

from shared.clock import Instant
from shared.engine.engine import Engine
from shared.errors import NotFound
from shared.inbox.dead_letters import DEAD, StoredDeadLetter
from shared.inbox.freshness import age_of
from shared.trust.nodes import Node
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


class StreamView(View):
    """How far one stream of a node is applied here, without a gap."""

    stream: str
    epoch: int
    seq: int


class NodeView(View):
    """What this service knows of one node of the federation list."""

    node: str
    url: str
    jurisdictions: tuple[str, ...]
    status: Literal["active", "suspended", "left"]
    streams: tuple[StreamView, ...]
    checkpoint: Instant | None
    """The time of the newest checkpoint that is proven by what was applied; null: there is none yet."""
    age_seconds: float | None
    """How old that checkpoint is; null: there is none, or this service's clock was set back since."""
    fresh: bool
    """Whether that is young enough (`TESTAMUR_MAX_AGE`) for a credential of the node to be found valid."""
    contradictory: bool
    """Whether two histories of it were seen, both signed."""
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


@routes.get("/nodes", summary="What is known of each node")
async def nodes(_: Operator, engine: Running) -> tuple[NodeView, ...]:
    """Every node of the federation list, this one too: how far its streams are applied here, how old that is."""
    now = engine.clock.now()
    return tuple(_node_view(engine, node, now) for node in engine.membership.list.nodes)


def _node_view(engine: Engine, node: Node, now: datetime) -> NodeView:
    known = engine.inbox.origin(node.name)
    age = age_of(known.checkpoint_time, now)
    return NodeView(
        node=node.name,
        url=node.url,
        jurisdictions=node.jurisdictions,
        status=node.status,
        streams=tuple(StreamView(stream=name, epoch=at.epoch, seq=at.seq) for name, at in known.positions.items()),
        checkpoint=known.checkpoint_time,
        age_seconds=None if age is None else round(age, 3),
        fresh=age is not None and age <= engine.settings.max_age,
        contradictory=known.contradictory,
        trouble=engine.follower.trouble(node.name) if engine.follower else None,
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

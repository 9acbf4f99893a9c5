"""The HTTP API for other nodes: the log for members, the federation list and the certificates for everybody."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request, Response
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from services.registry.context import RegistryContext
from services.registry.federation.domain import MAX_ENTRIES, MAX_WAIT_SECONDS, LogQuery, ServedStream
from services.registry.federation.handlers import read_log
from shared.errors import Unauthenticated
from shared.home.folder import CERTIFIED
from shared.ids import NODE_NAME
from shared.log.keyring import is_compromised
from shared.trust import node_token
from shared.web.command import View
from shared.web.conditional import not_modified
from shared.web.ratelimit import address_of, metered
from shared.web.strict import router

routes = router("federation")

LIST_TYPE = "application/jose+json"
"""The media type of a JWS in JSON serialisation (RFC 7515, 9.2.1)."""
Responses = dict[int | str, dict[str, Any]]

LIST_MAX_AGE_SECONDS = 300
"""How long a cache may keep the federation list."""

_UNCHANGED: Responses = {304: {"description": "The caller has it already."}}
_SIGNED: Responses = {200: {"description": "The signed list.", "content": {LIST_TYPE: {"schema": {"type": "object"}}}}}
_MAX = 2**53 - 1


class HeadView(View):
    """How far this node holds a chain without a gap."""

    epoch: int
    seq: int
    hash: str


class LogView(View):
    """A page of a log."""

    origin: str
    stream: str
    epoch: int
    """The epoch of these entries."""
    entries: tuple[str, ...]
    """Entries as compact tokens, in order: the very bytes that were signed."""
    traces: tuple[str, ...]
    """The trace context (`traceparent`) of each entry, or an empty string: a help for operators, which is not signed."""
    next: int
    """What to ask on from: `after` of the next request."""
    head: HeadView


class CertificatesView(View):
    """This node's service keys, as its root certified them."""

    federation: str
    node: str
    certificates: dict[str, str]
    """Compact tokens (`testamur-key+jwt`) by the key's name; earlier keys too, but for those that were stolen."""


class _NodeBearer(SecurityBase):
    """The security scheme of the log; as a dependency it gives the name of the node that asks."""

    scheme_name = "node"
    model = HTTPBearer(bearerFormat="testamur-node+jwt", description="A node token of an active member, for this node.")

    async def __call__(self, request: Request) -> str:
        limiters = request.app.state.limiters
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        try:
            if kind.lower() != "bearer":
                raise Unauthenticated("Send a node token: Authorization: Bearer (the token).")
            engine = RegistryContext.of(request).engine
            membership = engine.membership
            shown = node_token.check(
                token.strip(), federation_list=membership.list, me=membership.me, now=engine.clock.now()
            )
            if await is_compromised(engine.store, *shown):
                raise node_token.NodeTokenRefused("Its key was reported stolen. Mint one with the key that came after it.")
        except Unauthenticated:
            limiters.anonymous.take(address_of(request))
            raise
        limiters.callers.take(f"node {shown.node}")
        return shown.node


Member = Annotated[str, Depends(_NodeBearer())]
Stream = Annotated[ServedStream, Path(description="A public stream; of `issuance`, a node reads its own alone.")]
Origin = Annotated[str | None, Query(pattern=f"^{NODE_NAME}$", description="Whose log; this node's, unless given.")]
Epoch = Annotated[int, Query(ge=1, le=_MAX, description="The epoch of `after`.")]
After = Annotated[int, Query(ge=0, le=_MAX, description="The last sequence that the caller has; 0 for none.")]
Limit = Annotated[int, Query(ge=1, le=MAX_ENTRIES, description="Entries on a page at most.")]
Wait = Annotated[
    float, Query(ge=0, le=MAX_WAIT_SECONDS, allow_inf_nan=False, description="Seconds to wait for the first entry at most.")
]


@routes.get("/log/{stream}", response_model=LogView, responses={**_UNCHANGED})
async def read_stream(
    stream: Stream,
    request: Request,
    asker: Member,
    origin: Origin = None,
    epoch: Epoch = 1,
    after: After = 0,
    limit: Limit = MAX_ENTRIES,
    wait: Wait = 0.0,
) -> Response:
    """Entries of this node's log or another's, after a sequence; when there are none yet, waits for the first."""
    engine = RegistryContext.of(request).engine
    query = LogQuery(
        origin=origin or engine.membership.me,
        stream=stream,
        epoch=epoch,
        after=after,
        limit=limit,
        wait=wait,
        asker=asker,
    )
    found = await read_log(engine.store, engine.membership, engine.log_advanced, query)
    unchanged = not_modified(request, found.etag)
    if unchanged is not None:
        return unchanged
    return Response(found.body(), media_type="application/json", headers={"ETag": found.etag})


@routes.get("/federation", response_class=Response, responses={**_SIGNED, **_UNCHANGED}, dependencies=[Depends(metered)])
async def show_federation(request: Request) -> Response:
    """The federation list as its anchors signed it; check it against the anchors that you have pinned."""
    signed: bytes = RegistryContext.of(request).engine.home.federation_file.read_bytes()
    tag = f'"{sha256(signed).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": f"public, max-age={LIST_MAX_AGE_SECONDS}"}
    return not_modified(request, tag) or Response(signed, media_type=LIST_TYPE, headers=headers)


@routes.get("/certificates", dependencies=[Depends(metered)])
async def show_certificates(request: Request) -> CertificatesView:
    """This node's service keys, as its root certified them."""
    engine = RegistryContext.of(request).engine
    believed = {one.name: one.certificate for name in CERTIFIED for one in engine.home.believed(name)}
    return CertificatesView(federation=engine.membership.federation, node=engine.membership.me, certificates=believed)

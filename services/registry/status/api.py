"""The HTTP API of the status lists: public, signed, cacheable."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Path, Request, Response

from services.registry.context import RegistryContext
from services.registry.status.domain import PurposeName
from services.registry.status.handlers import StatusLists
from shared.formats.vc_jwt import MEDIA_TYPE
from shared.ids import SLUG
from shared.web.conditional import not_modified
from shared.web.ratelimit import metered
from shared.web.strict import router

routes = router("status")

Responses = dict[int | str, dict[str, Any]]

ListName = Annotated[str, Path(pattern=f"^{SLUG}$", description="The list's name.")]

METERED = [Depends(metered)]

_SIGNED: Responses = {200: {"description": "The signed list.", "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}}
_UNCHANGED: Responses = {304: {"description": "The caller has it already."}}


@routes.get("/status-lists/{name}", response_class=Response, responses={**_SIGNED, **_UNCHANGED}, dependencies=METERED)
async def show_revocations(name: ListName, request: Request) -> Response:
    """Which indexes of the list are revoked, as a BitstringStatusListCredential."""
    return await _signed(name, "revocation", request)


@routes.get(
    "/status-lists/{name}/{purpose}", response_class=Response, responses={**_SIGNED, **_UNCHANGED}, dependencies=METERED
)
async def show_status_list(name: ListName, purpose: PurposeName, request: Request) -> Response:
    """Which indexes of the list are revoked, or suspended."""
    return await _signed(name, purpose, request)


async def _signed(name: str, purpose: PurposeName, request: Request) -> Response:
    lists: StatusLists = request.app.state.status_lists
    published = await lists.current(name, purpose)
    seconds = RegistryContext.of(request).settings.status_list_max_age
    headers = {"ETag": published.etag, "Cache-Control": f"public, max-age={seconds}"}
    unchanged = not_modified(request, published.etag)
    if unchanged is not None:
        unchanged.headers["Cache-Control"] = headers["Cache-Control"]
        return unchanged
    return Response(published.token, media_type=MEDIA_TYPE, headers=headers)

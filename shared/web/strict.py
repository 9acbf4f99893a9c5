"""Routes that read their bodies strictly, in place of the framework's own JSON reader.

- Nobody's body is read before it is known who sends it: token, scope and rate come first, and where a route wants no
  token, the rate of the network address.
- The body must say that it is `application/json` (RFC 9110, 8.3); anything else is 415.
- It passes `shared/jose/strict_json`: no duplicate members, no NaN or Infinity, no number that overflows, no lone
  surrogates, 32 levels at most. Then the command itself is validated from the same bytes (`Command`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from shared.jose import strict_json
from shared.web.auth.bearer import admit, scopes_of
from shared.web.command import JsonBytes
from shared.web.problems import UnsupportedMediaType
from shared.web.ratelimit import metered

ASIDE = 64 * 1024
"""Bytes of a body from which on it is read in a thread, so that others are answered in between."""

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class StrictRequest(Request):
    """A request whose JSON body was read strictly already."""

    async def json(self) -> Any:
        """The body's bytes, marked as read strictly; `Command` parses them."""
        return JsonBytes(await self.body())


class StrictRoute(APIRoute):
    """A route that takes a JSON body strictly, or none."""

    def get_route_handler(self) -> Handler:
        """Check who asks, content type and JSON before the framework reads the body."""
        handle = super().get_route_handler()
        takes_body, scopes = self.body_field is not None, scopes_of(self.dependant)

        async def strict(request: Request) -> Response:
            checked = StrictRequest(request.scope, request.receive)
            if takes_body:
                await (admit(checked, scopes) if scopes else metered(checked))
                await _require_strict(checked)
            return await handle(checked)

        return strict


def router(*tags: str) -> APIRouter:
    """A router whose routes read strictly; a service's `api.py` begins with one."""
    return APIRouter(route_class=StrictRoute, tags=list(tags))


async def _require_strict(request: Request) -> None:
    if not (raw := await request.body()):
        return
    require_media_type(request, "application/json")
    if len(raw) < ASIDE:
        strict_json.loads(raw)
    else:
        await asyncio.to_thread(strict_json.loads, raw)


def require_media_type(request: Request, *accepted: str) -> str:
    """The request's media type without parameters, when it is one of `accepted`; otherwise `UnsupportedMediaType`."""
    stated = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if stated not in accepted:
        raise UnsupportedMediaType(f"Send it with Content-Type: {' or '.join(accepted)}.")
    return stated

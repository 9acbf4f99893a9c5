"""Routes that read their bodies strictly, in place of the framework's own JSON reader.

- The body must say that it is `application/json` (RFC 9110, 8.3); anything else is 415.
- It passes `shared/jose/strict_json`: no duplicate members, no NaN or Infinity, no number that overflows, no lone
  surrogates, 32 levels at most. Then the command itself is validated from the same bytes (`Command`).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from shared.jose import strict_json
from shared.web.auth import require_token
from shared.web.command import JsonBytes
from shared.web.problems import UnsupportedMediaType

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class StrictRequest(Request):
    """A request whose JSON body was read strictly already."""

    async def json(self) -> Any:
        """The body's bytes, marked as read strictly; `Command` parses them."""
        return JsonBytes(await self.body())


class StrictRoute(APIRoute):
    """A route that takes a JSON body strictly, or none."""

    def get_route_handler(self) -> Handler:
        """Check content type and JSON before the framework reads the body."""
        handle = super().get_route_handler()
        takes_body = self.body_field is not None

        async def strict(request: Request) -> Response:
            checked = StrictRequest(request.scope, request.receive)
            if takes_body and (raw := await checked.body()):
                require_media_type(request, "application/json")
                strict_json.loads(raw)
            return await handle(checked)

        return strict


class GuardedRoute(StrictRoute):
    """A strict route that reads no body of anybody who brings no good token: for bodies larger than elsewhere."""

    def get_route_handler(self) -> Handler:
        """Ask for the token first; the route asks again, for its scope."""
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            await require_token(request)
            return await handle(request)

        return guarded


def router(*tags: str, guarded: bool = False) -> APIRouter:
    """A router whose routes read strictly; a service's `api.py` begins with one. `guarded`: tokens before bodies."""
    return APIRouter(route_class=GuardedRoute if guarded else StrictRoute, tags=list(tags))


def require_media_type(request: Request, *accepted: str) -> str:
    """The request's media type without parameters, when it is one of `accepted`; otherwise `UnsupportedMediaType`."""
    stated = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if stated not in accepted:
        raise UnsupportedMediaType(f"Send it with Content-Type: {' or '.join(accepted)}.")
    return stated

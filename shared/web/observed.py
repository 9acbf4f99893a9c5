"""Around every request: its trace, its measure, the headers that every answer carries, and the last net for faults.

- The trace that the caller began goes on (`traceparent`); the span is named after the route, never after the address.
- `testamur_<service>_request_seconds` by method, route and status.
- Answers are not stored by caches and not guessed at by browsers, unless a route says otherwise.
- An exception that nobody foresaw is logged and becomes a 500 without detail.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.clock import Clock
from shared.errors import TestamurError
from shared.telemetry import Telemetry, continue_from, histogram, span
from shared.web.problems import ProblemResponse, on_unexpected

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_ALWAYS = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
_NO_STORE = (b"cache-control", b"no-store")
_SEALED = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")


class Observed:
    """ASGI middleware, the outermost of an app."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry, clock: Clock) -> None:
        self._app = app
        self._telemetry = telemetry
        self._clock = clock
        self._seconds = histogram(f"testamur_{telemetry.service}_request_seconds", "How long answering a request took.")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            with self._telemetry.active():
                await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in METHODS else "other"
        with self._telemetry.active(), continue_from(_traceparent(scope)), span(f"http {method}") as current:
            began = self._clock.monotonic()
            status = await self._answer(scope, receive, send)
            route = getattr(scope.get("route"), "path", "unmatched")
            current.update_name(f"{method} {route}")
            current.set_attribute("http.response.status_code", status)
            took = self._clock.monotonic() - began
            self._seconds.record(took, method=method, route=route, status=str(status))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> int:
        status = 0

        async def dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _dress(message.get("headers", []))
            await send(message)

        try:
            await self._app(scope, receive, dressed)
        except ClientDisconnect:
            return status or 499
        except Exception as error:
            if status:
                raise
            answer = ProblemResponse(error) if isinstance(error, TestamurError) else on_unexpected(error)
            await answer(scope, receive, dressed)
        return status


def _traceparent(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"traceparent":
            return str(value, "latin-1")
    return ""


def _dress(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    names = {name.lower(): value for name, value in headers}
    extra = list(_ALWAYS)
    if b"cache-control" not in names:
        extra.append(_NO_STORE)
    if b"content-security-policy" not in names and not names.get(b"content-type", b"").startswith(b"text/html"):
        extra.append(_SEALED)
    return [*headers, *extra]

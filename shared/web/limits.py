"""What is refused before any of our code looks at a request.

- A body larger than its path's limit: at once when its length is declared, and otherwise as soon as the count passes it
  (RFC 9110, 15.5.14). The connection is closed, so that nobody has to read the rest.
- A body that drips: it has `BODY_SECONDS` to arrive.
- An address with control characters, NULs or bytes that are not UTF-8: nothing here has such an address.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import Malformed, TestamurError, TooLarge

BODY_SECONDS = 30.0
"""How long a body may take to arrive: 256 KB at the pace of a bad mobile line."""

LARGER_SECONDS = 4
"""How many times as long a body may take where it may be larger than elsewhere."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f\ufffd]")


class BodyTooLarge(TooLarge):
    """413, and the connection ends."""

    def headers(self) -> Mapping[str, str]:
        """Tell the client that nothing more is read."""
        return {"Connection": "close"}


class BodyTooSlow(TestamurError):
    """408: the body did not arrive in time."""

    status = 408
    title = "The request took too long to arrive."

    def headers(self) -> Mapping[str, str]:
        """Tell the client that nothing more is read."""
        return {"Connection": "close"}


class AddressMalformed(Malformed):
    """400: the path or the query holds characters that no address here has."""

    title = "The address could not be read."


class Limits:
    """ASGI middleware; raises our errors, which the middleware around it renders."""

    def __init__(
        self,
        app: ASGIApp,
        max_body_bytes: int,
        body_seconds: float = BODY_SECONDS,
        larger: Mapping[str, int] | None = None,
    ) -> None:
        """`larger`: bytes by path, below the app's own root, where a body may have more."""
        self._app = app
        self._max = max_body_bytes
        self._seconds = body_seconds
        self._larger = dict(larger or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its body under count."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        _check_address(scope)
        most = self._larger.get(scope["path"].removeprefix(scope.get("root_path", "")), self._max)
        declared = _declared_length(scope)
        if declared is not None and declared > most:
            raise _too_large(most)
        await self._app(scope, self._counted(receive, most), send)

    def _counted(self, receive: Receive, most: int) -> Receive:
        seconds = self._seconds * (LARGER_SECONDS if most > self._max else 1)
        count = 0
        complete = False
        deadline: float | None = None

        async def counted() -> Message:
            nonlocal count, complete, deadline
            if complete:
                return await receive()
            deadline = deadline or asyncio.get_running_loop().time() + seconds
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise BodyTooSlow(f"Send the whole body within {seconds:.0f} seconds.") from None
            count += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if count > most:
                raise _too_large(most)
            return message

        return counted


def _too_large(most: int) -> BodyTooLarge:
    return BodyTooLarge(f"Send at most {most} bytes.")


def _declared_length(scope: Scope) -> int | None:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() and len(value) < 20 else 1 << 62
    return None


def _check_address(scope: Scope) -> None:
    query: bytes = scope["query_string"]
    try:
        text = unquote_to_bytes(query).decode() if query else ""
    except UnicodeDecodeError:
        text = "\ufffd"
    if _CONTROL.search(scope["path"]) or _CONTROL.search(text):
        raise AddressMalformed("Use only printable characters, percent-encoded as UTF-8.")

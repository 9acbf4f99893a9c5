"""The HTTP/1.1 parser with bounds: a request's head is limited in size and in time, before any of it is answered.

- The parser itself would collect a header line of any length: here the head is 32 KB and 100 headers at most (RFC 6585, 5).
- A head that drips has ten seconds to arrive (slow-loris).
- What cannot be parsed at all is refused in the same form as everything else, as a problem document.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shared.errors import Malformed, TestamurError
from shared.web.problems import MEDIA_TYPE

MAX_HEAD_BYTES = 32 * 1024
"""Our largest honest head: an access token of 16 KB and room around it."""
MAX_HEADERS = 100
HEAD_SECONDS = 10.0


class HeadTooLarge(TestamurError):
    """431: address and headers are more than is read here."""

    status = 431
    title = "The request's headers are larger than is read here."


class HeadTooSlow(TestamurError):
    """408: address and headers did not arrive in time."""

    status = 408
    title = "The request took too long to arrive."


class RequestMalformed(Malformed):
    """400: not an HTTP/1.1 request."""

    title = "The request could not be read as HTTP."


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's connection with the bounds above."""

    _refusal: TestamurError | None = None
    _timer: asyncio.TimerHandle | None = None
    _in_head = False
    _begun_in_this_chunk = False
    _size = 0
    _later_chunks = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a head from now on."""
        super().connection_made(transport)
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more."""
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; count what a head that is still open has taken beyond its first chunk."""
        self._begun_in_this_chunk = False
        super().data_received(data)
        if self._in_head and not self._begun_in_this_chunk and not self.transport.is_closing():
            self._later_chunks += len(data)
            if self._later_chunks > MAX_HEAD_BYTES:
                self._refuse(_too_large())

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._in_head = self._begun_in_this_chunk = True
        self._size = self._later_chunks = 0
        self._arm()

    def on_url(self, url: bytes) -> None:
        """Count a part of the address."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header."""
        self._count(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole; the body has bounds of its own (`limits`)."""
        self._in_head = False
        self._disarm()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's own words are replaced
        """Refuse what the parser stopped at."""
        self._refuse(self._refusal or RequestMalformed("Send a well-formed HTTP/1.1 request."))

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > MAX_HEAD_BYTES or len(self.headers) >= MAX_HEADERS:
            self._refusal = _too_large()
            raise ValueError("the head is too large")  # stops the parser, which then asks for a 400

    def _arm(self) -> None:
        self._disarm()
        self._timer = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._refuse(HeadTooSlow(f"Send address and headers within {HEAD_SECONDS:.0f} seconds."))

    def _refuse(self, error: TestamurError) -> None:
        if self.transport.is_closing():
            return
        body = orjson.dumps(error.document())
        head: list[tuple[str, Any]] = [
            ("content-type", MEDIA_TYPE),
            ("content-length", len(body)),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("connection", "close"),
        ]
        lines = "".join(f"{name}: {value}\r\n" for name, value in head)
        self.transport.write(f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\n{lines}\r\n".encode() + body)
        self.transport.close()


def _too_large() -> HeadTooLarge:
    return HeadTooLarge(f"Send at most {MAX_HEAD_BYTES} bytes of address and headers, and at most {MAX_HEADERS} headers.")

"""The only way out: a fetch that cannot be turned against the network it starts in (SSRF).

- https only; plain http where the allow-list of development says so.
- A name is resolved once, every address it has is judged (`outbound`, `addresses`), and the connection goes to one of
  exactly those; the certificate is checked against the name. A kept connection stays at the address that was judged.
- No redirects, no cookies, no proxies from the environment, no compression; size and time have caps that hold while reading.

did:web, status lists, JWKS, neighbours' logs and webhooks all pass here.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from types import TracebackType
from typing import NamedTuple, Self

import httpcore2

from shared.telemetry import current_traceparent
from shared.web.outgoing.addresses import AllowList
from shared.web.outgoing.outbound import FetchFailed, FetchRefused, Judge, JudgedBackend, Resolver, Target, system_resolver

__all__ = ["FetchFailed", "FetchRefused", "Fetched", "Fetcher", "Resolver"]

TIMEOUT = 10.0
"""Seconds for a whole exchange: resolving, connecting, sending, reading."""
MAX_BYTES = 4 * 1024 * 1024
"""The largest body that is read unless a call says otherwise; the largest status list is far below it."""
MAX_CONNECTIONS = 1_024
"""Four long polls for each node of a large federation, and room for the rest: none may wait for another's to end."""
KEEP_ALIVE = 20.0
"""Seconds that an idle connection is kept; shorter than our own servers keep theirs, so the client lets go first."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Fetched(NamedTuple):
    """An answer: status, headers by lower-case name, the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Fetcher:
    """Fetches by the rules at the head of this module. One per event loop; connections are kept between calls."""

    def __init__(
        self,
        allow: Iterable[str] = (),
        *,
        resolver: Resolver = system_resolver,
        timeout: float = TIMEOUT,
        max_bytes: int = MAX_BYTES,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`allow`: see `addresses`. `timeout` in seconds and `max_bytes` hold where a call names no others."""
        self._judge = Judge(AllowList(allow), resolver)
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._tls = tls
        self._pools: dict[bool, httpcore2.AsyncConnectionPool] = {}

    async def get(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - a deadline over the whole exchange
        max_bytes: int | None = None,
    ) -> Fetched:
        """Fetch a URL; any status but a redirect is an answer. Raises `FetchRefused` or `FetchFailed`."""
        return await self._exchange("GET", url, headers, None, timeout, max_bytes)

    async def post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109
        max_bytes: int | None = None,
    ) -> Fetched:
        """Send `body`; as `get` otherwise. Never repeated by itself: the caller knows whether that is safe."""
        return await self._exchange("POST", url, headers, body, timeout, max_bytes)

    async def check(self, url: str) -> None:
        """Raise `FetchRefused` now for a URL that `get` and `post` would refuse later."""
        target = Target.of(url)
        await self._judge.addresses(target.host, target.port, plain=target.plain)

    async def aclose(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            await pool.aclose()
        self._pools.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        body: bytes | None,
        seconds: float | None,
        max_bytes: int | None,
    ) -> Fetched:
        target = Target.of(url)
        try:
            async with asyncio.timeout(seconds or self._timeout):
                request = httpcore2.Request(method, target.url, headers=_headers(target, headers, body), content=body)
                return await self._send(target, request, max_bytes or self._max_bytes)
        except TimeoutError:
            raise FetchFailed("The other server did not answer in time. Try again later.") from None
        except (httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.ProtocolError, OSError) as error:
            raise FetchFailed("The connection to the other server failed. Try again later.") from error
        except httpcore2.ConnectionNotAvailable as error:
            raise FetchFailed("Too many fetches are under way. Try again later.") from error

    async def _send(self, target: Target, request: httpcore2.Request, limit: int) -> Fetched:
        response = await self._pool(plain=target.plain).handle_async_request(request)
        try:
            headers = _joined(response.headers)
            _require_takeable(response.status, headers, limit)
            chunks, size = [], 0
            async for chunk in response.aiter_stream():
                size += len(chunk)
                if size > limit:
                    raise FetchFailed("The other server's answer is larger than is taken. Ask its operator.")
                chunks.append(chunk)
            return Fetched(response.status, headers, b"".join(chunks))
        finally:
            await response.aclose()

    def _pool(self, *, plain: bool) -> httpcore2.AsyncConnectionPool:
        if plain not in self._pools:
            self._pools[plain] = httpcore2.AsyncConnectionPool(
                ssl_context=None if plain else self._tls or default_tls(),
                max_connections=MAX_CONNECTIONS,
                keepalive_expiry=KEEP_ALIVE,
                network_backend=JudgedBackend(self._judge, plain=plain),
            )
        return self._pools[plain]


@cache
def default_tls() -> ssl.SSLContext:
    """The certificates that are trusted: those of `SSL_CERT_FILE` or `SSL_CERT_DIR`, or else the system's."""
    context = httpcore2.default_ssl_context()
    if sys.version_info >= (3, 13):  # as `ssl.create_default_context` does from there on; the library leaves it out
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    return context


def _headers(target: Target, given: Mapping[str, str] | None, body: bytes | None) -> list[tuple[str, str]]:
    headers = {"Host": target.authority, "Accept-Encoding": "identity", "User-Agent": "testamur", **(given or {})}
    if body is not None:
        headers["Content-Length"] = str(len(body))
    if trace := current_traceparent():
        headers.setdefault("traceparent", trace)
    return list(headers.items())


def _joined(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by lower-case name; repeated ones joined as RFC 9110, 5.3 says."""
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def _require_takeable(status: int, headers: Mapping[str, str], limit: int) -> None:
    if status in _REDIRECTS:
        raise FetchFailed("The other server points elsewhere, which is not followed. Give the final address.")
    if headers.get("content-encoding", "identity") != "identity":
        raise FetchFailed("The other server's answer is compressed though that was declined. Ask its operator.")
    length = headers.get("content-length", "0")
    if not length.isdecimal() or len(length) > 18 or int(length) > limit:
        raise FetchFailed("The other server's answer is larger than is taken. Ask its operator.")

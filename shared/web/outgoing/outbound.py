"""Where a fetch may go: the URL's form, the judgement on its host, and a connection to exactly what was judged.

- A URL is http(s), in ASCII, without user name or fragment, 2,048 characters at most (names beyond ASCII as punycode).
- A host is resolved once for each new connection; the addresses that were judged are the ones connected to, so a name that
  changes its address between the two (DNS rebinding) gains nothing. TLS still checks the certificate against the name.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from socket import SOCK_STREAM, gaierror

import httpcore2

from shared.errors import Invalid, Unavailable
from shared.web.outgoing.addresses import Address, AllowList, parse

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""All addresses of a host name, as text; raises OSError when there are none."""

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[!$-;=?-Z_a-z~%@&]*)?(?P<query>\?[!$-;=?-Z_a-z~%@&]*)?"
)
_MAX_URL = 2048
_TRIED = 3


class FetchRefused(Invalid):
    """422: an address that is never fetched from here."""

    title = "That address is not fetched from here."


class FetchFailed(Unavailable):
    """503: the other side did not answer, or not within what is taken from it."""

    title = "Another server could not be asked."


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that has the right form: where to connect, and what to ask there."""

    plain: bool
    host: str
    port: int
    path: str

    @classmethod
    def of(cls, url: str) -> Target:
        """Read a URL; raises `FetchRefused`."""
        match = _URL.fullmatch(url) if len(url) <= _MAX_URL else None
        if match is None:
            raise FetchRefused("Give an absolute https URL of at most 2,048 characters, without user name or fragment.")
        plain = match["scheme"] == "http"
        port = int(match["port"] or (80 if plain else 443))
        if not 0 < port < 65536:
            raise FetchRefused("Give a port between 1 and 65535.")
        return cls(plain, match["host"].strip("[]").lower(), port, (match["path"] or "/") + (match["query"] or ""))

    @property
    def authority(self) -> str:
        """The `Host` header (RFC 9110, 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (80 if self.plain else 443) else f"{host}:{self.port}"

    @property
    def url(self) -> httpcore2.URL:
        """The same for httpcore2."""
        scheme = b"http" if self.plain else b"https"
        return httpcore2.URL(scheme=scheme, host=self.host.encode(), port=self.port, target=self.path.encode())


async def system_resolver(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


@dataclass(frozen=True, slots=True)
class Judge:
    """Decides whether a host may be connected to, and at which addresses."""

    allow: AllowList
    resolve: Resolver

    async def addresses(self, host: str, port: int, *, plain: bool) -> list[Address]:
        """Every address of the host, all of them permitted; raises `FetchRefused` or `FetchFailed`."""
        if plain and not self.allow.may_permit_plain(host, port):
            raise FetchRefused("Only https is fetched. Give an address that begins with https://.")
        texts = [host] if parse(host) else await self._resolved(host, port)
        addresses = [address for text in texts if (address := parse(text))]
        if not addresses or len(addresses) != len(texts):
            raise FetchFailed("The other server's name has no usable address. Check the address.")
        if not self.allow.permits(host, port, addresses, plain=plain):
            raise FetchRefused("That address is not on the public internet. Give one that is.")
        return addresses

    async def _resolved(self, host: str, port: int) -> Sequence[str]:
        try:
            return await self.resolve(host, port)
        except (gaierror, UnicodeError) as error:
            raise FetchFailed("The other server's name is not known. Check the address, or try again later.") from error


class JudgedBackend(httpcore2.AsyncNetworkBackend):
    """Opens httpcore2's connections, only to addresses that were judged in the same breath."""

    def __init__(self, judge: Judge, *, plain: bool) -> None:
        self._judge = judge
        self._plain = plain
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore2's
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first of the judged addresses that takes the connection."""
        failed: Exception = httpcore2.ConnectError("no address")
        for address in (await self._judge.addresses(host, port, plain=self._plain))[:_TRIED]:
            try:
                return await self._inner.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failed = error
        raise failed

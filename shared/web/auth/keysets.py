"""The keys of those whose access tokens are taken: the node's own, in a file, or behind a URL (RFC 7517).

A key set behind a URL is fetched when first needed, again when it is ten minutes old, and once more for a `kid` that it does
not have, but never twice within half a minute. When it cannot be fetched, the one that is held serves for a day.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from shared.clock import Clock
from shared.errors import Malformed, Misconfigured, TestamurError
from shared.home.folder import Home
from shared.home.generations import UNCERTIFIED
from shared.jose import strict_json
from shared.jose.keys import VerificationKey, from_jwks
from shared.jose.purpose import Purpose
from shared.telemetry import get_logger
from shared.web.outgoing.fetch import Fetcher, FetchFailed

REFRESH_SECONDS = 600.0
"""A key that its server has withdrawn is believed this long at most, as long as the server answers."""
RETRY_SECONDS = 30.0
"""The shortest time between two fetches, so that invented `kid`s cannot make us hammer the server."""
STALE_SECONDS = 86_400.0
"""How long a key set serves while its server does not answer."""
MAX_BYTES = 256 * 1024

_log = get_logger("web.keysets")


class KeySource(Protocol):
    """Finds an issuer's keys."""

    async def key(self, kid: str) -> VerificationKey | None:
        """The key of that name, or None."""
        ...


@dataclass(frozen=True, slots=True)
class LocalKeys:
    """Keys that are at hand."""

    keys: Mapping[str, VerificationKey]

    async def key(self, kid: str) -> VerificationKey | None:
        """The key of that name, or None."""
        return self.keys.get(kid)


class OwnKeys:
    """The node's own: of every generation, but for one that was stolen. A key that was just made is known at once."""

    def __init__(self, home: Home) -> None:
        self._home = home

    async def key(self, kid: str) -> VerificationKey | None:
        """The key of that name, or None."""
        for generation in reversed(self._home.believed(UNCERTIFIED)):
            signer = self._home.load(generation.name)
            if signer.kid == kid:
                return signer.verification_key()
        return None


class RemoteKeys:
    """A JWK Set behind a URL, by the rules at the head of this module."""

    def __init__(self, url: str, fetcher: Fetcher, clock: Clock) -> None:
        self._url = url
        self._fetcher = fetcher
        self._clock = clock
        self._keys: dict[str, VerificationKey] = {}
        self._fetched: float | None = None
        self._tried: float | None = None
        self._lock = asyncio.Lock()

    async def key(self, kid: str) -> VerificationKey | None:
        """The key of that name; raises `FetchFailed` when no key set is held that may still serve."""
        if self._due(kid):
            async with self._lock:
                if self._due(kid):
                    await self._refresh()
        if self._fetched is None or self._clock.monotonic() - self._fetched > STALE_SECONDS:
            raise FetchFailed("The authorisation server's keys cannot be had now. Try again later.")
        return self._keys.get(kid)

    def _due(self, kid: str) -> bool:
        now = self._clock.monotonic()
        if self._tried is not None and now - self._tried < RETRY_SECONDS:
            return False
        return self._fetched is None or kid not in self._keys or now - self._fetched >= REFRESH_SECONDS

    async def _refresh(self) -> None:
        self._tried = self._clock.monotonic()
        try:
            answer = await self._fetcher.get(self._url, {"Accept": "application/json"}, max_bytes=MAX_BYTES)
            if answer.status != 200:
                raise FetchFailed("The authorisation server does not give its keys.")
            self._keys, self._fetched = _key_set(answer.body), self._tried
        except TestamurError as error:
            _log.warning("keys of an authorisation server could not be fetched", problem=error.slug())


def keys_of_file(path: Path) -> dict[str, VerificationKey]:
    """The keys of a JWK Set in a file; raises `Misconfigured`."""
    try:
        return _key_set(path.read_bytes())
    except (OSError, TestamurError):
        text = "TESTAMUR_AUTHORISATION_SERVERS names a jwks_file that is no readable JWK Set. Correct it."
        raise Misconfigured(text) from None


def _key_set(raw: bytes) -> dict[str, VerificationKey]:
    document = strict_json.loads(raw)
    if type(document) is not dict:
        raise Malformed("That is not a JWK Set. Publish one.")
    return from_jwks(document, Purpose.ACCESS_TOKEN)

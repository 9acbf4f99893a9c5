"""Publishing status lists: signed when asked for, kept in memory while nothing changed, made again whenever lost.

What is lost if the process dies here: nothing but work. A list is derived from the credentials' states, whose version is
read before them: a change in between makes the next reader's list, never a stale one under a new version.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256

from services.registry.status import repository
from services.registry.status.domain import BIT, Published, StatusListNotFound, list_url
from shared.clock import Clock
from shared.jose.purpose import CREDENTIAL
from shared.jose.signers import Signer, sign
from shared.status.bitstring import StatusPurpose, encode, status_list_payload
from shared.store.port import Document, Store


class StatusLists:
    """The lists of one node: where they come from, who signs them, and those that are at hand."""

    def __init__(
        self,
        store: Store,
        signer: Callable[[], Signer],
        clock: Clock,
        *,
        base: str,
        issuer: str,
        lifetime: timedelta,
        guard: Callable[[], None] = lambda: None,
    ) -> None:
        """`signer` gives the key in use, `base` is the address that every list's begins with, `issuer` the URN of the node's
        registry. `guard` raises while the states are known to be older than what this node has said of them: nothing is
        signed over them then.
        """
        self._guard = guard
        self._store = store
        self._signer = signer
        self._clock = clock
        self._base = base
        self._issuer = issuer
        self._lifetime = lifetime
        self._at_hand: dict[tuple[str, StatusPurpose], tuple[Published, datetime]] = {}
        self._lock = asyncio.Lock()

    async def current(self, name: str, purpose: StatusPurpose) -> Published:
        """The signed list as things stand now; raises `StatusListNotFound`."""
        self._guard()
        async with self._lock:
            held = await repository.find(self._store, name)
            if held is None:
                raise StatusListNotFound("Fetch the address that stands in the credential.")
            now = self._clock.now()
            signer = self._signer()
            published, signed = self._at_hand.get((name, purpose), (None, now))
            as_it_is = published is not None and (published.version, published.kid) == (held.version, signer.kid)
            if published is None or not as_it_is or not self._is_young(signed, now):
                published = await self._publish(held, purpose, now, signer)
                self._at_hand[name, purpose] = (published, now)
            return published

    def _is_young(self, signed: datetime, now: datetime) -> bool:
        return timedelta(0) <= now - signed < self._lifetime / 2

    async def _publish(self, held: Document, purpose: StatusPurpose, now: datetime, signer: Signer) -> Published:
        bits = await repository.indexes(self._store, held.key, BIT[purpose])
        payload = status_list_payload(
            url=list_url(self._base, held.key, purpose),
            issuer=self._issuer,
            purpose=purpose,
            encoded=encode(bits, held.body["length"]),
            valid_from=now,
            valid_until=now + self._lifetime,
        )
        token = sign({"typ": CREDENTIAL, "cty": "vc", "iss": self._issuer}, payload, signer)
        return Published(token, f'"{sha256(token).hexdigest()[:32]}"', held.version, signer.kid)

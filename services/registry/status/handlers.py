"""Publishing status lists: signed when asked for, kept in memory while nothing changed, made again whenever lost.

What is lost if the process dies here: nothing but work. A list is derived from the credentials' statuses. Its version is
read before them, so a change in between makes a new list for the next reader, never a stale one under a new version.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256

from services.registry.credentials import status_lists
from services.registry.status import repository
from services.registry.status.domain import BIT, PublishedList, StatusListNotFound, list_url
from shared.clock import Clock
from shared.jose.purpose import CREDENTIAL
from shared.jose.signers import Signer, sign
from shared.status.bitstring import StatusPurpose, encode, status_list_payload
from shared.store.port import Document, Store


class StatusLists:
    """The lists of one node: where they come from, who signs them, and those that were signed last."""

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
        registry. `guard` raises while this store is known to be older than this node's own log: nothing is signed over
        such statuses.
        """
        self._guard = guard
        self._store = store
        self._signer = signer
        self._clock = clock
        self._base = base
        self._issuer = issuer
        self._lifetime = lifetime
        self._signed: dict[tuple[str, StatusPurpose], tuple[PublishedList, datetime]] = {}
        self._lock = asyncio.Lock()

    async def current(self, name: str, purpose: StatusPurpose) -> PublishedList:
        """The signed list as the credentials are now; raises `StatusListNotFound`."""
        self._guard()
        async with self._lock:
            row = await status_lists.find(self._store, name)
            if row is None:
                raise StatusListNotFound("Fetch the address that stands in the credential.")
            now = self._clock.now()
            signer = self._signer()
            published, signed_at = self._signed.get((name, purpose), (None, now))
            unchanged = published is not None and (published.version, published.kid) == (row.version, signer.kid)
            if published is None or not unchanged or not self._is_young(signed_at, now):
                published = await self._publish(row, purpose, now, signer)
                self._signed[name, purpose] = (published, now)
            return published

    def _is_young(self, signed_at: datetime, now: datetime) -> bool:
        return timedelta(0) <= now - signed_at < self._lifetime / 2

    async def _publish(self, row: Document, purpose: StatusPurpose, now: datetime, signer: Signer) -> PublishedList:
        bits = await repository.indexes(self._store, row.key, BIT[purpose])
        payload = status_list_payload(
            url=list_url(self._base, row.key, purpose),
            issuer=self._issuer,
            purpose=purpose,
            encoded=encode(bits, row.body["length"]),
            valid_from=now,
            valid_until=now + self._lifetime,
        )
        token = sign({"typ": CREDENTIAL, "cty": "vc", "iss": self._issuer}, payload, signer)
        return PublishedList(token, f'"{sha256(token).hexdigest()[:32]}"', row.version, signer.kid)

"""Whose signature counts on a stream: every node's service keys, as its root certified them.

- A node's trust stream carries its certificates. Its first entry is signed by the key whose certificate it holds: that one
  certificate is read before the signature, and believed only for the sake of the root that the federation list names.
- A retired key signs nothing after the entry that retired it; what it signed before stands. Nothing is ever deleted.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from shared.bus.membership import Membership
from shared.errors import TestamurError
from shared.events.base import TRUST
from shared.events.entry import Entry
from shared.events.trust import ServiceKeyAdded, ServiceKeyRetired
from shared.jose.keys import VerificationKey
from shared.jose.purpose import Purpose
from shared.store.port import Collection, Store, Transaction
from shared.trust.certificates import ServiceKey, read_certificate

SERVICE_KEYS = Collection("service_keys")
"""By `<origin>/<kid>`: `{certificate, retired}`, `retired` the trust sequence after which it signs no more, or null."""

PURPOSE = {True: Purpose.EVENT, False: Purpose.CHECKPOINT}
"""Which purpose signs a chained stream, and which an unchained one."""


class Keyring:
    """The service keys that one store knows, in memory and in the store."""

    def __init__(self, store: Store, membership: Membership, own: Mapping[str, str] | None = None) -> None:
        """`own` are this node's certificates as its home holds them: a service need not hear its own node to know them."""
        self._store = store
        self._own = dict(own or {})
        self._membership = membership
        self._keys: dict[tuple[str, str], ServiceKey] = {}
        self._retired: dict[tuple[str, str], int] = {}

    async def load(self) -> None:
        """Read every certificate again; called at start and after a unit that changed one."""
        for certificate in self._own.values():
            key = self._read(self._membership.me, certificate)
            if key is not None:
                self._keys[self._membership.me, key.key.kid] = key
        after = ""
        while page := await self._store.scan(SERVICE_KEYS, after=after):
            for row in page:
                origin, _, kid = row.key.partition("/")
                self._remember(origin, kid, row.body["certificate"], row.body["retired"])
            after = page[-1].key

    def find(self, entry: Entry) -> VerificationKey | None:
        """The key that may have signed this entry at its place, or None."""
        envelope = entry.envelope
        known = self._keys.get((envelope.org, envelope.kid)) or self._self_certified(entry)
        if known is None or not known.covers(entry.stream, envelope.epo, envelope.seq):
            return None
        return None if self._ended(entry) else known.key

    def _ended(self, entry: Entry) -> bool:
        """Whether the key was retired before the entry, in the order that its writer gave its own chains."""
        envelope = entry.envelope
        end = self._retired.get((envelope.org, envelope.kid))
        if end is None:
            return False
        return (envelope.seq if entry.stream == TRUST.name else envelope.aft.get(TRUST.name, end + 1)) > end

    def _self_certified(self, entry: Entry) -> ServiceKey | None:
        if entry.envelope.knd != ServiceKeyAdded.kind or entry.envelope.seq != 1:
            return None
        try:
            said = orjson.loads(entry.token.payload)
            return self._read(entry.envelope.org, said["certificate"]) if said["kid"] == entry.envelope.kid else None
        except (ValueError, KeyError, TypeError):
            return None

    def _read(self, origin: str, certificate: str) -> ServiceKey | None:
        node = self._membership.node(origin)
        if node is None:
            return None
        try:
            return read_certificate(certificate, federation=self._membership.federation, node=node)
        except TestamurError:
            return None

    def _remember(self, origin: str, kid: str, certificate: str, retired: int | None) -> None:
        key = self._read(origin, certificate)
        if key is not None and key.key.kid == kid:
            self._keys[origin, kid] = key
        if retired is not None:
            self._retired[origin, kid] = retired


async def keep_certificate(tx: Transaction, origin: str, event: ServiceKeyAdded) -> None:
    """Keep a certificate that a node's trust stream carries; a repeat changes nothing."""
    key = f"{origin}/{event.kid}"
    if await tx.get(SERVICE_KEYS, key) is None:
        await tx.insert(SERVICE_KEYS, key, {"certificate": event.certificate, "retired": None})


async def keep_retirement(tx: Transaction, origin: str, event: ServiceKeyRetired, seq: int) -> None:
    """Keep after which entry of the trust stream a key signs no more; the earliest counts."""
    row = await tx.get(SERVICE_KEYS, f"{origin}/{event.kid}")
    if row is not None and (row.body["retired"] is None or seq < row.body["retired"]):
        await tx.put(SERVICE_KEYS, row.key, {**row.body, "retired": seq}, expect=row.version)

"""Whose signature counts on a stream: every node's service keys, as its root certified them.

- A node's trust stream carries its certificates. Its first entry is signed by the key whose certificate it holds: that one
  certificate is read before the signature, and believed only for the sake of the root that the federation list names.
- A retired key signs nothing after the entry that retired it; what it signed before stands. Which is which the *retiring*
  entry says, by the heads it names (`aft`): what an entry claims of itself is worth nothing once its key is stolen.
- A retirement may be heard before the certificate that it ends. Nothing is ever deleted.
- A newer federation list may name other roots: every certificate is judged again by the list in use.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from shared.errors import TestamurError
from shared.events.base import STREAMS, TRUST, Event
from shared.events.entry import Entry, Envelope
from shared.events.trust import ServiceKeyAdded, ServiceKeyRetired
from shared.home.membership import Membership
from shared.ids import topic_name
from shared.jose.keys import VerificationKey
from shared.log.archive import POSITIONS, position_of
from shared.store.port import Collection, Document, Reader, Store, Transaction
from shared.store.walk import every
from shared.trust.certificates import ServiceKey, read_certificate

SERVICE_KEYS = Collection("service_keys")
"""By `<origin>/<kid>`: `{certificate, retired, compromised}`; `retired` gives per stream the last sequence that may be the
key's, or is null. The certificate is null as long as only the retirement was heard.
"""


class Keyring:
    """The service keys that one store knows, in memory and in the store."""

    def __init__(self, store: Store, membership: Membership, own: Mapping[str, str] | None = None) -> None:
        """`own` are this node's certificates as its home holds them: a service need not hear its own node to know them."""
        self._store = store
        self._own = dict(own or {})
        self._membership = membership
        self._list = membership.list
        self._certificates: dict[tuple[str, str], str] = {}
        self._keys: dict[tuple[str, str], ServiceKey] = {}
        self._retired: dict[tuple[str, str], Mapping[str, int]] = {}

    async def load(self) -> None:
        """Read every certificate; called at start."""
        async for row in every(self._store, SERVICE_KEYS):
            self._remember(row)
        self._judge_again()

    async def learn(self, origin: str, kid: str) -> None:
        """Read what a unit has changed of one key, and of that key only: it costs no other node anything."""
        row = await self._store.get(SERVICE_KEYS, f"{origin}/{kid}")
        if row is not None:
            self._remember(row)
            self._judge(origin, kid)

    def find(self, entry: Entry) -> VerificationKey | None:
        """The key that may have signed this entry at its place, or None."""
        if self._membership.list is not self._list:
            self._judge_again()
        envelope = entry.envelope
        known = self._keys.get((envelope.origin, envelope.kid)) or self._self_certified(entry)
        if known is None or not known.covers(entry.stream, envelope.epoch, envelope.seq):
            return None
        if not STREAMS[entry.stream].chained and known.expires is not None and envelope.issued_at >= known.expires:
            return None  # no sequence bounds a key that signs outside any chain
        return None if self._ended(entry) else known.key

    def _ended(self, entry: Entry) -> bool:
        """Whether the key was retired before the entry, in the order that the retiring entry gives its writer's chains."""
        end = self._retired.get((entry.envelope.origin, entry.envelope.kid))
        return end is not None and entry.envelope.seq > end.get(entry.stream, 0)

    def _self_certified(self, entry: Entry) -> ServiceKey | None:
        if entry.envelope.kind != ServiceKeyAdded.kind or entry.envelope.seq != 1:
            return None
        try:
            event = orjson.loads(entry.token.payload)
            return self._read(entry.envelope.origin, event["certificate"]) if event["kid"] == entry.envelope.kid else None
        except (ValueError, KeyError, TypeError):
            return None

    def _read(self, origin: str, certificate: object) -> ServiceKey | None:
        node = self._membership.node(origin)
        if node is None or not isinstance(certificate, str):
            return None
        try:
            return read_certificate(certificate, federation=self._membership.federation, node=node)
        except TestamurError:
            return None

    def _remember(self, row: Document) -> None:
        origin, _, kid = row.key.partition("/")
        if row.body["certificate"] is not None:
            self._certificates[origin, kid] = row.body["certificate"]
        if row.body["retired"] is not None:
            self._retired[origin, kid] = row.body["retired"]

    def _judge_again(self) -> None:
        """Believe the certificates that the roots of the list in use have signed, and no others."""
        self._list = self._membership.list
        self._keys.clear()
        for certificate in self._own.values():
            key = self._read(self._membership.me, certificate)
            if key is not None:
                self._keys[self._membership.me, key.key.kid] = key
        for origin, kid in self._certificates:
            self._judge(origin, kid)

    def _judge(self, origin: str, kid: str) -> None:
        key = self._read(origin, self._certificates.get((origin, kid)))
        if key is not None and key.key.kid == kid:
            self._keys[origin, kid] = key


async def keep(tx: Transaction, origin: str, event: Event, place: Envelope) -> str | None:
    """Keep what an event says of a service key of its origin; returns the key's id, None where it says nothing of any."""
    if isinstance(event, ServiceKeyAdded):
        await _keep_certificate(tx, origin, event)
        return event.kid
    if isinstance(event, ServiceKeyRetired):
        await _keep_retirement(tx, origin, event, place)
        return event.kid
    return None


async def is_compromised(reader: Reader, origin: str, kid: str) -> bool:
    """Whether a node has declared this key of its own stolen: what it signs outside the chains is not believed either."""
    row = await reader.get(SERVICE_KEYS, f"{origin}/{kid}")
    return row is not None and bool(row.body.get("compromised"))


async def _keep_certificate(tx: Transaction, origin: str, event: ServiceKeyAdded) -> None:
    """Keep a certificate that a node's trust stream carries; a repeat changes nothing."""
    key = f"{origin}/{event.kid}"
    row = await tx.get(SERVICE_KEYS, key)
    if row is None:
        await tx.insert(SERVICE_KEYS, key, {"certificate": event.certificate, "retired": None})
    elif row.body["certificate"] is None:
        await tx.put(SERVICE_KEYS, key, {**row.body, "certificate": event.certificate}, expect=row.version)


async def _keep_retirement(tx: Transaction, origin: str, event: ServiceKeyRetired, place: Envelope) -> None:
    """Keep how far, per stream, a key's entries reach by the entry that retires it; of several the least counts.

    `aft` does not name the streams that another service writes: the checkpoints' end is in the event. What a node says to
    itself alone ends where it is applied here.
    """
    end = {**(event.ends or {}), **await _applied_at_home(tx, origin), **place.after, TRUST.name: place.seq}
    key = f"{origin}/{event.kid}"
    row = await tx.get(SERVICE_KEYS, key)
    before = row.body if row else {"certificate": None, "retired": None}
    if before["retired"] is not None:
        end = {name: min(end[name], before["retired"][name]) for name in end.keys() & before["retired"].keys()}
    now = {**before, "retired": end, "compromised": before.get("compromised", False) or event.reason == "compromised"}
    if now != before:
        await tx.put(SERVICE_KEYS, key, now, expect=row.version if row else 0)


async def _applied_at_home(tx: Transaction, origin: str) -> dict[str, int]:
    private = [stream.name for stream in STREAMS.values() if not stream.public]
    return {name: position_of(await tx.get(POSITIONS, topic_name(origin, name))).seq for name in private}

"""A notifier without its doors: a real store, the handlers, and events that a nation signed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from services.notifier import consumer, handlers, repository
from services.notifier.channels.webhook import new_secret
from services.notifier.commands import Subscribe
from services.notifier.records import StoredDelivery
from services.notifier.repository import DELIVERIES
from services.notifier.views import DeliveryView, delivery_view
from shared.clock import ManualClock
from shared.events.base import Event
from shared.events.entry import Place, Unsigned, sign
from shared.events.registrations import CredentialRegistered
from shared.events.status import CredentialRevoked, CredentialsRevoked
from shared.events.trust import InstitutionKeyAdded
from shared.ids import new_event_id, new_ref
from shared.inbox.received import Received
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner
from shared.log import outbox
from shared.log.lease import LEASES
from shared.log.outbox import Outbox
from shared.store.open import open_store
from shared.store.port import Store

NOW = datetime(2026, 11, 23, 20, 19, tzinfo=UTC)
REGISTRY = LocalSigner.generate(Purpose.EVENT)
INSTITUTION = LocalSigner.generate(Purpose.INSTITUTION)
TARTU = "urn:testamur:europe:ee:institution:tartu"
ALL = ("credential.registered", "credential.suspended", "credential.reinstated", "credential.revoked")
COMMITMENTS = {"vc+jwt": "A" * 43}


class Scene:
    """One notifier's store, its clock, and what it receives."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store = store
        self.clock = clock
        self.outbox = Outbox(store, clock)
        self._seq = 0

    async def subscribes(self, owner: str = "anna", url: str = "https://receiver.example/hook", **filters: Any) -> str:
        """A new subscription's id."""
        command = Subscribe(url=url, **{"kinds": ALL, **filters})
        key = new_event_id()
        await self.outbox.transact(lambda unit: handlers.subscribe(unit, owner, command, key, new_secret(), 100), owner)
        return key

    def entry(self, event: Event, origin: str = "ee", seq: int | None = None) -> Received:
        """An event as its nation signed it."""
        self._seq += 1
        said = Unsigned.of(event, new_event_id(), self.clock.now())
        return Received(sign(said, Place("europe", origin, 1, seq or self._seq), REGISTRY), event, False, self.clock.now())

    async def receives(self, event: Event, origin: str = "ee", seq: int | None = None) -> Received:
        """The event reaches the notifier."""
        received = self.entry(event, origin, seq)
        await self.handles(received)
        return received

    async def handles(self, received: Received) -> None:
        """The inbox hands an entry to its handler."""
        handler = consumer.SUBSCRIPTIONS[type(received.event)]
        await self.outbox.transact(lambda unit: handler(unit, received), "bus")

    async def payloads(self, subscription: str) -> list[dict[str, Any]]:
        """The payloads put in the queue for a subscription, oldest first."""
        rows = await self.store.scan(DELIVERIES, where={"subscription": subscription})
        return [orjson.loads(row.body["body"]) for row in rows]

    async def log(self, subscription: str) -> list[DeliveryView]:
        """The deliveries of a subscription, oldest first."""
        rows = await self.store.scan(DELIVERIES, where={"subscription": subscription})
        return [delivery_view(StoredDelivery.from_row(row)) for row in rows]


@asynccontextmanager
async def notifier(folder: Path) -> AsyncIterator[Scene]:
    """A notifier on a store in that folder."""
    collections = (*repository.COLLECTIONS, *outbox.COLLECTIONS, LEASES)
    store = await open_store(f"sqlite:///{folder}/data", "notifier", collections)
    try:
        yield Scene(store, ManualClock(NOW))
    finally:
        await store.close()


def registered(ref: str, institution: str = "tartu", kid: str = INSTITUTION.kid) -> CredentialRegistered:
    """A registration."""
    return CredentialRegistered(
        ref=ref, commitments=COMMITMENTS, institution=institution, kid=kid, credential_type="micro-credential"
    )


def revoked(ref: str, **more: Any) -> CredentialRevoked:
    """A revocation."""
    return CredentialRevoked(ref=ref, version=1, effective=NOW, **more)


def mass_revoked(*refs: str, **more: Any) -> CredentialsRevoked:
    """A revocation of many, or with `key` of a key's."""
    return CredentialsRevoked(operation=new_ref(), refs=refs, effective=NOW, reason="error", **more)


def key_added(institution: str = "tartu") -> InstitutionKeyAdded:
    """An institution signs with a key."""
    return InstitutionKeyAdded(institution=institution, kid=INSTITUTION.kid, jwk=INSTITUTION.public_jwk)

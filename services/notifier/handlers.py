"""What is done about subscriptions and events: one function for each command and each kind of event.

A registration tells which institution a credential belongs to. Streams are read status first, so a revocation may be
received before its registration. Then it waits (`WAITING`) for those who subscribed by institution, and goes to all others
at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from services.notifier.commands import Subscribe
from services.notifier.domain import (
    SECRET_OVERLAP,
    EventSource,
    Notice,
    NoticeSubject,
    Subscription,
    SubscriptionDisabled,
    TooManySubscriptions,
    notice_of,
)
from services.notifier.records import StoredSubscription
from services.notifier.repository import (
    CREDENTIALS,
    INTERESTS,
    KEYS,
    SUBSCRIPTIONS,
    WAITING,
    add_subscription,
    audience,
    enqueue,
    find_delivery,
    find_subscription,
    put_delivery,
    put_subscription,
    remove_interests,
    subscription,
)
from services.notifier.views import DeliveryView, SecretRenewed, SubscriptionMade, delivery_view, subscription_view
from shared.events.base import Event
from shared.events.registrations import CredentialRegistered
from shared.events.status import CredentialReinstated, CredentialRevoked, CredentialsRevoked, CredentialSuspended
from shared.events.trust import AccreditationWithdrawn, InstitutionAccredited, InstitutionKeyAdded
from shared.inbox.received import Received
from shared.log.outbox import Unit
from shared.store.port import Transaction
from shared.store.walk import every

StatusChange = CredentialSuspended | CredentialReinstated | CredentialRevoked
TrustChange = InstitutionAccredited | AccreditationWithdrawn
Among = Callable[[Subscription], bool]
"""To which subscriptions a notice goes."""


async def subscribe(unit: Unit, owner: str, command: Subscribe, key: str, secret: str, limit: int) -> SubscriptionMade:
    """Make a subscription (`key` and `secret` are new), which holds from now on; raises `TooManySubscriptions`."""
    if await unit.tx.count(SUBSCRIPTIONS, {"owner": owner}) >= limit:
        raise TooManySubscriptions("Delete one that is not needed any more, or put more refs into one.")
    given = command.model_dump()
    filters = {name: tuple(dict.fromkeys(given[name])) for name in ("kinds", "origins", "institutions", "refs")}
    wanted = Subscription(url=command.url, created=unit.now.timestamp(), **filters)
    stored = StoredSubscription(id=key, owner=owner, state="active", secret=secret, subscription=wanted)
    await add_subscription(unit.tx, stored)
    await unit.audit("subscription.made", key)
    return SubscriptionMade(**subscription_view(stored).model_dump(), secret=secret)


async def end_subscription(unit: Unit, owner: str, key: str) -> None:
    """Delete a subscription and its secret; what was still to be delivered is cancelled."""
    stored = await find_subscription(unit.tx, key, owner)
    await remove_interests(unit.tx, stored)
    await unit.tx.delete(SUBSCRIPTIONS, key, expect=stored.version)
    await unit.audit("subscription.ended", key)


async def renew_secret(unit: Unit, owner: str, key: str, secret: str) -> SecretRenewed:
    """Sign with a new secret from now on, and for a day with the one before as well."""
    before = await find_subscription(unit.tx, key, owner)
    until = unit.now + SECRET_OVERLAP
    after = replace(before, secret=secret, previous=before.secret, previous_until=until.timestamp())
    await put_subscription(unit.tx, after)
    await unit.audit("subscription.secret-renewed", key)
    return SecretRenewed(id=key, secret=secret, previous_signs_until=until)


async def redeliver(unit: Unit, owner: str, key: str) -> DeliveryView:
    """Send a delivery again, under its own id, with its whole schedule of attempts before it."""
    delivery = await find_delivery(unit.tx, key, owner)
    receiver = await subscription(unit.tx, delivery.subscription)
    if receiver is None or receiver.state != "active":
        raise SubscriptionDisabled("Its receiver answered 410 Gone. Make a new subscription.")
    again = replace(delivery, state="pending", failures=0)
    changed = await put_delivery(unit.tx, again, due_at=unit.now.timestamp())
    await unit.audit("delivery.redelivered", key)
    return delivery_view(changed)


async def disable(tx: Transaction, key: str) -> None:
    """Send nothing more to a subscription, for its receiver is gone."""
    stored = await subscription(tx, key)
    if stored is not None and stored.state == "active":
        await remove_interests(tx, stored)
        await put_subscription(tx, replace(stored, state="disabled"))


async def on_institution_changed(unit: Unit, received: Received[TrustChange]) -> None:
    """An accreditation began or was withdrawn."""
    event, source = received.event, source_of(received)
    await _enqueue_all(unit, notice_of(event, source), [NoticeSubject(None, source.institution(event.institution))])


async def on_institution_key_added(unit: Unit, received: Received[InstitutionKeyAdded]) -> None:
    """Keep which institution's key it is: a later revocation by key names the key alone."""
    event, source = received.event, source_of(received)
    key = f"{source.origin}/{event.kid}"
    if await unit.tx.get(KEYS, key) is None:
        await unit.tx.insert(KEYS, key, {"institution": source.institution(event.institution)})


async def on_credential_registered(unit: Unit, received: Received[CredentialRegistered]) -> None:
    """A credential was registered: deliver that, and what was received about it before."""
    event, source = received.event, source_of(received)
    urn = source.institution(event.institution)
    key = f"{source.origin}/{event.ref}"
    if await unit.tx.get(CREDENTIALS, key) is None:
        await unit.tx.insert(CREDENTIALS, key, {"institution": urn, "kid": event.kid, "seq": source.seq})
    subjects = [NoticeSubject(event.ref, urn)]
    await _enqueue_all(unit, notice_of(event, source), subjects)
    for row in await unit.tx.scan(WAITING, prefix=f"ref/{key}/"):
        await _enqueue_all(unit, Notice.from_row(row.body), subjects, among=_by_institution)
        await unit.tx.delete(WAITING, row.key)
    for row in await unit.tx.scan(WAITING, prefix=f"key/{source.origin}/{event.kid}/"):
        if source.seq > (row.body["data"].get("registrations_stand_to") or 0):
            await _enqueue_all(unit, replace(Notice.from_row(row.body), part=event.ref), subjects, among=_by_ref)


async def on_credential_changed(unit: Unit, received: Received[StatusChange]) -> None:
    """A credential was suspended, reinstated or revoked."""
    event, source = received.event, source_of(received)
    notice = notice_of(event, source)
    subject = await _subject_of(unit.tx, source.origin, event.ref)
    if subject.institution is None:
        await _keep_waiting(unit.tx, f"ref/{source.origin}/{event.ref}/{source.hash}", notice)
    await _enqueue_all(unit, notice, [subject])


async def on_credentials_revoked(unit: Unit, received: Received[CredentialsRevoked]) -> None:
    """Many credentials were revoked: those that are listed, or those of a key."""
    event, source = received.event, source_of(received)
    notice = notice_of(event, source)
    subjects = [await _subject_of(unit.tx, source.origin, ref) for ref in event.refs]
    for one in subjects:
        if one.institution is None:
            await _keep_waiting(unit.tx, f"ref/{source.origin}/{one.ref}/{source.hash}", replace(notice, part=one.ref or ""))
    if subjects:
        await _enqueue_all(unit, notice, subjects)
    if event.key is not None:
        await _keep_waiting(unit.tx, f"key/{source.origin}/{event.key}/{source.hash}", notice)
        owner = await unit.tx.get(KEYS, f"{source.origin}/{event.key}")
        await _enqueue_all(unit, notice, [NoticeSubject(None, owner.body["institution"] if owner else None)])
        watched = await _watched(unit.tx, source.origin, event.key, event.registrations_stand_to or 0)
        await _enqueue_all(unit, notice, watched, among=_by_ref)


def source_of(received: Received[Event]) -> EventSource:
    """Where an event came from, out of its verified envelope."""
    envelope = received.entry.envelope
    return EventSource(
        federation=envelope.federation,
        origin=received.origin,
        epoch=received.epoch,
        seq=received.seq,
        hash=received.hash,
        at=envelope.issued_at,
        known_at=received.known_at,
    )


def _everyone(_: Subscription) -> bool:
    return True


def _by_institution(subscription: Subscription) -> bool:
    """Those that had to wait until the credential's institution was known."""
    return bool(subscription.institutions)


def _by_ref(subscription: Subscription) -> bool:
    """Those that name credentials; all others get the revocation of the key itself."""
    return bool(subscription.refs)


async def _enqueue_all(unit: Unit, notice: Notice, subjects: Sequence[NoticeSubject], among: Among = _everyone) -> None:
    """Put a delivery in the queue for every subscription among these that the notice concerns."""
    for stored in await audience(unit.tx, notice, subjects):
        wanted = stored.subscription
        matching = wanted.matching(notice, subjects) if among(wanted) else []
        if matching:
            await enqueue(unit.tx, stored.id, notice, matching, unit.now.timestamp())


async def _subject_of(tx: Transaction, origin: str, ref: str) -> NoticeSubject:
    row = await tx.get(CREDENTIALS, f"{origin}/{ref}")
    return NoticeSubject(ref, row.body["institution"] if row else None)


async def _keep_waiting(tx: Transaction, key: str, notice: Notice) -> None:
    if await tx.get(WAITING, key) is None:
        await tx.insert(WAITING, key, notice.to_row())


async def _watched(tx: Transaction, origin: str, kid: str, stand_to: int) -> list[NoticeSubject]:
    """The credentials that the key signed, registered later than `stand_to`, and that any subscription names."""
    prefix = f"ref/{origin}/"
    refs = [row.key.removeprefix(prefix).partition("/")[0] async for row in every(tx, INTERESTS, prefix=prefix)]
    found: list[NoticeSubject] = []
    for ref in dict.fromkeys(refs):
        row = await tx.get(CREDENTIALS, f"{origin}/{ref}")
        if row and row.body["kid"] == kid and row.body["seq"] > stand_to:
            found.append(NoticeSubject(ref, row.body["institution"]))
    return found

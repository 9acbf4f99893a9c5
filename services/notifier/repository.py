"""How subscriptions and deliveries are stored. Every question of a caller names its owner; another's is not there.

What is lost if the process dies between two transactions: nothing. A delivery is due until a transaction says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from services.notifier.domain import (
    DeliveryNotFound,
    Notice,
    NoticeSubject,
    SubscriptionNotFound,
    delivery_id,
    first_id,
    headings_of,
    payload,
    unique_name,
)
from services.notifier.records import StoredDelivery, StoredSubscription
from shared.store.port import Collection, DuplicateKey, Index, Reader, Transaction
from shared.store.walk import every

SUBSCRIPTIONS = Collection("subscriptions", (Index(("owner",)),))
"""By id: a `SubscriptionRow` (`services.notifier.records`)."""

INTERESTS = Collection("interests")
"""By `<heading>/<subscription>`: where an event finds the subscriptions that it may concern."""

DELIVERIES = Collection("deliveries", (Index(("subscription",)), Index(("once",), unique=True)))
"""By id: a `DeliveryRow`."""

DUE = Collection("due")
"""By `<milliseconds since 1970>/<delivery>`: `{subscription}`. Key order is the order in which they fall due."""

CREDENTIALS = Collection("credentials")
"""By `<origin>/<ref>`: `{institution, kid, seq}` as registered, for later events that name the ref alone."""

KEYS = Collection("institution_keys")
"""By `<origin>/<kid>`: `{institution}`."""

WAITING = Collection("waiting")
"""Notices that may concern credentials not registered here yet: `ref/<origin>/<ref>/<hash>`, `key/<origin>/<kid>/<hash>`."""

COLLECTIONS = (SUBSCRIPTIONS, INTERESTS, DELIVERIES, DUE, CREDENTIALS, KEYS, WAITING)


async def add_subscription(tx: Transaction, stored: StoredSubscription) -> None:
    """Store a new subscription and enter it under its headings."""
    await tx.insert(SUBSCRIPTIONS, stored.id, stored.to_row())
    await tx.insert_many(INTERESTS, [(f"{heading}/{stored.id}", {}) for heading in stored.subscription.headings()])


async def subscription(reader: Reader, key: str) -> StoredSubscription | None:
    """The subscription of that id, or None."""
    row = await reader.get(SUBSCRIPTIONS, key)
    return StoredSubscription.from_row(row) if row else None


async def find_subscription(reader: Reader, key: str, owner: str) -> StoredSubscription:
    """The owner's subscription of that id; raises `SubscriptionNotFound`."""
    stored = await subscription(reader, key)
    if stored is None or stored.owner != owner:
        raise SubscriptionNotFound("List your subscriptions to see which there are.")
    return stored


async def put_subscription(tx: Transaction, changed: StoredSubscription) -> None:
    """Keep a changed subscription; its filters stay what they are."""
    await tx.put(SUBSCRIPTIONS, changed.id, changed.to_row(), expect=changed.version)


async def remove_interests(tx: Transaction, stored: StoredSubscription) -> None:
    """Take a subscription out of its headings: no event finds it any more."""
    for heading in stored.subscription.headings():
        await tx.delete(INTERESTS, f"{heading}/{stored.id}")


async def audience(tx: Transaction, notice: Notice, subjects: Sequence[NoticeSubject]) -> list[StoredSubscription]:
    """The subscriptions that a notice may concern."""
    found: dict[str, StoredSubscription] = {}
    for heading in headings_of(notice.origin, subjects):
        async for interest in every(tx, INTERESTS, prefix=f"{heading}/"):
            key = interest.key.rpartition("/")[2]
            if key not in found and (stored := await subscription(tx, key)) is not None:
                found[key] = stored
    return list(found.values())


async def enqueue(
    tx: Transaction, subscription_id: str, notice: Notice, subjects: Sequence[NoticeSubject], now: float
) -> bool:
    """Store the delivery of a notice to a subscription, due at once; False when it was stored before."""
    name = unique_name(subscription_id, notice)
    key = delivery_id(name, notice.known_at)
    due = due_key(key, now)
    delivery = StoredDelivery(
        id=key,
        subscription=subscription_id,
        unique_name=name,
        kind=notice.kind,
        body=payload(notice, subjects),
        due=due,
        created=now,
    )
    try:
        await tx.insert(DELIVERIES, key, delivery.to_row())
    except DuplicateKey:
        return False
    await tx.insert(DUE, due, {"subscription": subscription_id})
    return True


async def delivery(reader: Reader, key: str) -> StoredDelivery | None:
    """The delivery of that id, or None."""
    row = await reader.get(DELIVERIES, key)
    return StoredDelivery.from_row(row) if row else None


async def find_delivery(reader: Reader, key: str, owner: str) -> StoredDelivery:
    """A delivery to one of the owner's subscriptions; raises `DeliveryNotFound`."""
    stored = await delivery(reader, key)
    receiver = await subscription(reader, stored.subscription) if stored else None
    if stored is None or receiver is None or receiver.owner != owner:
        raise DeliveryNotFound("List the deliveries of your subscription to see which there are.")
    return stored


async def put_delivery(tx: Transaction, changed: StoredDelivery, due_at: float | None) -> StoredDelivery:
    """Keep a changed delivery and when it is due (seconds since 1970; None: not any more)."""
    if changed.due:
        await tx.delete(DUE, changed.due)
    due = None if due_at is None else due_key(changed.id, due_at)
    if due is not None:
        await tx.insert(DUE, due, {"subscription": changed.subscription})
    after = replace(changed, due=due)
    return replace(after, version=await tx.put(DELIVERIES, changed.id, after.to_row(), expect=changed.version))


async def forget(tx: Transaction, before: float, limit: int) -> int:
    """Delete deliveries of what was received before that moment (seconds since 1970), the oldest first; how many."""
    rows = await tx.scan(DELIVERIES, limit=limit)
    old = [StoredDelivery.from_row(row) for row in rows if row.key < first_id(before)]
    for one in old:
        if one.due:
            await tx.delete(DUE, one.due)
        await tx.delete(DELIVERIES, one.id)
    return len(old)


def due_key(key: str, at: float) -> str:
    """The key in DUE of a delivery that is due at that moment (seconds since 1970)."""
    return f"{int(at * 1000):013d}/{key}"

"""How subscriptions and deliveries are stored. Every question of a caller names its owner; another's is not there.

What is lost if the process dies between two transactions: nothing. A delivery is due until a transaction says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from services.notifier.domain import (
    About,
    DeliveryNotFound,
    Notice,
    Subscription,
    SubscriptionNotFound,
    delivery_id,
    first_id,
    headings,
    once,
    payload,
)
from shared.store.port import Collection, Document, DuplicateKey, Index, Reader, Transaction
from shared.store.walk import every

SUBSCRIPTIONS = Collection("subscriptions", (Index(("owner",)),))
"""By id: `{owner, state, secret, previous, previous_until, ...}` and the members of `Subscription`."""

INTERESTS = Collection("interests")
"""By `<heading>/<subscription>`: where an event finds the subscriptions that it may concern."""

DELIVERIES = Collection("deliveries", (Index(("subscription",)), Index(("once",), unique=True)))
"""By id: `{subscription, once, type, body, state, failures, due, created, attempts}`; `due` is its key in DUE, or null."""

DUE = Collection("due")
"""By `<milliseconds since 1970>/<delivery>`: `{subscription}`. Key order is the order in which they fall due."""

CREDENTIALS = Collection("credentials")
"""By `<origin>/<ref>`: `{institution, kid, seq}` as registered: whose a credential is that is spoken of later."""

KEYS = Collection("institution_keys")
"""By `<origin>/<kid>`: `{institution}`."""

WAITING = Collection("waiting")
"""Notices that may concern credentials not registered here yet: `ref/<origin>/<ref>/<hash>`, `key/<origin>/<kid>/<hash>`."""

COLLECTIONS = (SUBSCRIPTIONS, INTERESTS, DELIVERIES, DUE, CREDENTIALS, KEYS, WAITING)


def subscription_of(row: Document) -> Subscription:
    """A stored subscription."""
    body = row.body
    filters = {name: tuple(body[name]) for name in ("kinds", "origins", "institutions", "refs")}
    return Subscription(body["url"], created=body["created"], **filters)


async def add_subscription(tx: Transaction, key: str, owner: str, subscription: Subscription, secret: str) -> Document:
    """Store a new subscription and enter it under its headings."""
    body: dict[str, Any] = {"owner": owner, "state": "active", "secret": secret, "previous": None, "previous_until": None}
    body |= {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(subscription).items()}
    await tx.insert(SUBSCRIPTIONS, key, body)
    await tx.insert_many(INTERESTS, [(f"{heading}/{key}", {}) for heading in subscription.interests()])
    return Document(key, body, 1)


async def find_subscription(reader: Reader, key: str, owner: str) -> Document:
    """The owner's subscription of that id; raises `SubscriptionNotFound`."""
    row = await reader.get(SUBSCRIPTIONS, key)
    if row is None or row.body["owner"] != owner:
        raise SubscriptionNotFound("List your subscriptions to see which there are.")
    return row


async def silence(tx: Transaction, row: Document) -> None:
    """Take a subscription out of its headings: nothing finds it any more."""
    for heading in subscription_of(row).interests():
        await tx.delete(INTERESTS, f"{heading}/{row.key}")


async def audience(tx: Transaction, notice: Notice, about: Sequence[About]) -> dict[str, Document]:
    """The subscriptions that a notice may concern, by id."""
    found: dict[str, Document] = {}
    for heading in headings(notice.origin, about):
        async for interest in every(tx, INTERESTS, prefix=f"{heading}/"):
            key = interest.key.rpartition("/")[2]
            if key not in found and (row := await tx.get(SUBSCRIPTIONS, key)) is not None:
                found[key] = row
    return found


async def enqueue(tx: Transaction, subscription: str, notice: Notice, about: Sequence[About], now: float) -> bool:
    """Store the delivery of a notice to a subscription, due at once; False when it was stored before."""
    told = once(subscription, notice)
    key = delivery_id(told, notice.known_at)
    due = due_key(key, now)
    body = {
        "subscription": subscription,
        "once": told,
        "type": notice.kind,
        "body": payload(notice, about),
        "state": "pending",
        "failures": 0,
        "due": due,
        "created": now,
        "attempts": [],
    }
    try:
        await tx.insert(DELIVERIES, key, body)
    except DuplicateKey:
        return False
    await tx.insert(DUE, due, {"subscription": subscription})
    return True


async def find_delivery(reader: Reader, key: str, owner: str) -> Document:
    """A delivery to one of the owner's subscriptions; raises `DeliveryNotFound`."""
    row = await reader.get(DELIVERIES, key)
    subscription = await reader.get(SUBSCRIPTIONS, row.body["subscription"]) if row else None
    if row is None or subscription is None or subscription.body["owner"] != owner:
        raise DeliveryNotFound("List the deliveries of your subscription to see which there are.")
    return row


async def put_delivery(tx: Transaction, row: Document, changes: dict[str, Any], due_at: float | None) -> Document:
    """Change a delivery and when it is due (seconds since 1970; None: not any more)."""
    if row.body["due"]:
        await tx.delete(DUE, row.body["due"])
    due = None if due_at is None else due_key(row.key, due_at)
    if due is not None:
        await tx.insert(DUE, due, {"subscription": row.body["subscription"]})
    body = {**row.body, **changes, "due": due}
    return Document(row.key, body, await tx.put(DELIVERIES, row.key, body, expect=row.version))


async def forget(tx: Transaction, before: float, limit: int) -> int:
    """Delete deliveries of what was heard before that moment (seconds since 1970), the oldest first; returns how many."""
    rows = await tx.scan(DELIVERIES, limit=limit)
    old = [row for row in rows if row.key < first_id(before)]
    for row in old:
        if row.body["due"]:
            await tx.delete(DUE, row.body["due"])
        await tx.delete(DELIVERIES, row.key)
    return len(old)


def due_key(delivery: str, at: float) -> str:
    """The key in DUE of a delivery that is due at that moment (seconds since 1970)."""
    return f"{int(at * 1000):013d}/{delivery}"


def due_at(body: dict[str, Any]) -> float | None:
    """When a delivery is due, in seconds since 1970."""
    return int(body["due"].partition("/")[0]) / 1000 if body["due"] else None

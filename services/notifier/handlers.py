"""One function for each command and each event heard. The tables at the foot read like an index.

What is registered tells whose a credential is. Streams are read status first, so a revocation may be heard before the
registration it belongs to: then it waits (`WAITING`) for those who asked by institution, and is told to all others at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from services.notifier.commands import Subscribe
from services.notifier.domain import (
    SECRET_OVERLAP,
    About,
    Notice,
    Source,
    Subscription,
    SubscriptionDisabled,
    TooManySubscriptions,
    notice_of,
)
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
    silence,
    subscription_of,
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
"""Which subscriptions are meant."""


async def subscribe(unit: Unit, owner: str, command: Subscribe, key: str, secret: str, limit: int) -> SubscriptionMade:
    """Make a subscription (`key` and `secret` are new); from now on its owner is told. Raises `TooManySubscriptions`."""
    if await unit.tx.count(SUBSCRIPTIONS, {"owner": owner}) >= limit:
        raise TooManySubscriptions("Delete one that is not needed any more, or put more refs into one.")
    wanted = command.model_dump()
    unique = {name: tuple(dict.fromkeys(wanted[name])) for name in ("kinds", "origins", "institutions", "refs")}
    subscription = Subscription(command.url, created=unit.now.timestamp(), **unique)
    row = await add_subscription(unit.tx, key, owner, subscription, secret)
    await unit.audit("subscription.made", key)
    return SubscriptionMade(**subscription_view(row).model_dump(), secret=secret)


async def end_subscription(unit: Unit, owner: str, key: str) -> None:
    """Delete a subscription and its secret; what was still to be delivered is cancelled."""
    row = await find_subscription(unit.tx, key, owner)
    await silence(unit.tx, row)
    await unit.tx.delete(SUBSCRIPTIONS, key, expect=row.version)
    await unit.audit("subscription.ended", key)


async def renew_secret(unit: Unit, owner: str, key: str, secret: str) -> SecretRenewed:
    """Sign with a new secret from now on, and for a day with the one before as well."""
    row = await find_subscription(unit.tx, key, owner)
    until = unit.now + SECRET_OVERLAP
    renewed = {"secret": secret, "previous": row.body["secret"], "previous_until": until.timestamp()}
    await unit.tx.put(SUBSCRIPTIONS, key, {**row.body, **renewed}, expect=row.version)
    await unit.audit("subscription.secret-renewed", key)
    return SecretRenewed(id=key, secret=secret, previous_signs_until=until)


async def redeliver(unit: Unit, owner: str, key: str) -> DeliveryView:
    """Send a delivery again, under its own id, with its whole schedule of attempts before it."""
    row = await find_delivery(unit.tx, key, owner)
    subscription = await unit.tx.get(SUBSCRIPTIONS, row.body["subscription"])
    if subscription is None or subscription.body["state"] != "active":
        raise SubscriptionDisabled("Its receiver answered 410 Gone. Make a new subscription.")
    changed = await put_delivery(unit.tx, row, {"state": "pending", "failures": 0}, unit.now.timestamp())
    await unit.audit("delivery.redelivered", key)
    return delivery_view(changed)


async def disable(tx: Transaction, key: str) -> None:
    """Send nothing more to a subscription, for its receiver is gone."""
    row = await tx.get(SUBSCRIPTIONS, key)
    if row is not None and row.body["state"] == "active":
        await silence(tx, row)
        await tx.put(SUBSCRIPTIONS, key, {**row.body, "state": "disabled"}, expect=row.version)


async def on_institution_changed(unit: Unit, received: Received[TrustChange]) -> None:
    """An accreditation began or was withdrawn."""
    event, source = received.event, source_of(received)
    await _tell(unit, notice_of(event, source), [About(None, source.institution(event.institution))])


async def on_institution_key_added(unit: Unit, received: Received[InstitutionKeyAdded]) -> None:
    """Remember whose key it is: a later revocation by key names nothing else."""
    event, source = received.event, source_of(received)
    key = f"{source.origin}/{event.kid}"
    if await unit.tx.get(KEYS, key) is None:
        await unit.tx.insert(KEYS, key, {"institution": source.institution(event.institution)})


async def on_credential_registered(unit: Unit, received: Received[CredentialRegistered]) -> None:
    """A credential was registered: tell of it, and of what was said about it before."""
    event, source = received.event, source_of(received)
    urn = source.institution(event.institution)
    key = f"{source.origin}/{event.ref}"
    if await unit.tx.get(CREDENTIALS, key) is None:
        await unit.tx.insert(CREDENTIALS, key, {"institution": urn, "kid": event.kid, "seq": source.seq})
    about = [About(event.ref, urn)]
    await _tell(unit, notice_of(event, source), about)
    for row in await unit.tx.scan(WAITING, prefix=f"ref/{key}/"):
        await _tell(unit, Notice(**row.body), about, among=_by_institution)
        await unit.tx.delete(WAITING, row.key)
    for row in await unit.tx.scan(WAITING, prefix=f"key/{source.origin}/{event.kid}/"):
        if source.seq > (row.body["data"].get("registrations_stand_to") or 0):
            await _tell(unit, Notice(**{**row.body, "part": event.ref}), about, among=_by_ref)


async def on_credential_changed(unit: Unit, received: Received[StatusChange]) -> None:
    """A credential was suspended, reinstated or revoked."""
    event, source = received.event, source_of(received)
    notice = notice_of(event, source)
    about = await _about(unit.tx, source.origin, event.ref)
    if about.institution is None:
        await _wait(unit.tx, f"ref/{source.origin}/{event.ref}/{source.hash}", notice)
    await _tell(unit, notice, [about])


async def on_credentials_revoked(unit: Unit, received: Received[CredentialsRevoked]) -> None:
    """Many credentials were revoked: those that are listed, or those of a key."""
    event, source = received.event, source_of(received)
    notice = notice_of(event, source)
    about = [await _about(unit.tx, source.origin, ref) for ref in event.refs]
    for one in about:
        if one.institution is None:
            late = Notice(**{**notice.document(), "part": one.ref})
            await _wait(unit.tx, f"ref/{source.origin}/{one.ref}/{source.hash}", late)
    if about:
        await _tell(unit, notice, about)
    if event.key is not None:
        await _wait(unit.tx, f"key/{source.origin}/{event.key}/{source.hash}", notice)
        owner = await unit.tx.get(KEYS, f"{source.origin}/{event.key}")
        await _tell(unit, notice, [About(None, owner.body["institution"] if owner else None)])
        watched = await _watched(unit.tx, source.origin, event.key, event.registrations_stand_to or 0)
        await _tell(unit, notice, watched, among=_by_ref)


def source_of(received: Received[Event]) -> Source:
    """Where an event came from, out of its verified envelope."""
    envelope = received.entry.envelope
    return Source(
        envelope.federation,
        received.origin,
        received.epoch,
        received.seq,
        received.hash,
        envelope.issued_at,
        received.known_at,
    )


def _everyone(_: Subscription) -> bool:
    return True


def _by_institution(subscription: Subscription) -> bool:
    """Those that could not be told before it was known whose the credential is."""
    return bool(subscription.institutions)


def _by_ref(subscription: Subscription) -> bool:
    """Those that name credentials; all others are told of the key itself."""
    return bool(subscription.refs)


async def _tell(unit: Unit, notice: Notice, about: Sequence[About], among: Among = _everyone) -> None:
    """Put a delivery in the queue for every subscription among these that the notice concerns."""
    for key, row in (await audience(unit.tx, notice, about)).items():
        subscription = subscription_of(row)
        concerned = subscription.concerned(notice, about) if among(subscription) else []
        if concerned:
            await enqueue(unit.tx, key, notice, concerned, unit.now.timestamp())


async def _about(tx: Transaction, origin: str, ref: str) -> About:
    row = await tx.get(CREDENTIALS, f"{origin}/{ref}")
    return About(ref, row.body["institution"] if row else None)


async def _wait(tx: Transaction, key: str, notice: Notice) -> None:
    if await tx.get(WAITING, key) is None:
        await tx.insert(WAITING, key, notice.document())


async def _watched(tx: Transaction, origin: str, kid: str, stand_to: int) -> list[About]:
    """The credentials by that key, registered later than what stands, that any subscription names."""
    prefix = f"ref/{origin}/"
    refs = [row.key.removeprefix(prefix).partition("/")[0] async for row in every(tx, INTERESTS, prefix=prefix)]
    found: list[About] = []
    for ref in dict.fromkeys(refs):
        row = await tx.get(CREDENTIALS, f"{origin}/{ref}")
        if row and row.body["kid"] == kid and row.body["seq"] > stand_to:
            found.append(About(ref, row.body["institution"]))
    return found

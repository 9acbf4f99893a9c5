"""The HTTP API: subscriptions and the log of their deliveries. Command in, view out."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Request, Response

from services.notifier import handlers
from services.notifier.channels.webhook import new_secret
from services.notifier.commands import Subscribe
from services.notifier.context import NotifierContext
from services.notifier.records import StoredDelivery, StoredSubscription
from services.notifier.repository import DELIVERIES, SUBSCRIPTIONS, find_subscription
from services.notifier.views import (
    DeliveryView,
    SecretRenewed,
    SubscriptionMade,
    SubscriptionView,
    delivery_view,
    subscription_view,
)
from shared.ids import new_event_id
from shared.web.auth.bearer import Caller, requires
from shared.web.idempotency import KEYED
from shared.web.paging import Page, Paged, page
from shared.web.strict import router

TAG = {"name": "subscriptions", "description": "Webhooks about what changes (Standard Webhooks), and what became of each."}

routes = router("subscriptions")

Manager = Annotated[Caller, requires("subscriptions:manage")]
SubscriptionId = Annotated[str, Path(pattern="^[0-9a-f-]{36}$", description="A subscription's id.")]
DeliveryId = Annotated[str, Path(pattern="^msg_[A-Za-z0-9_-]{36}$", description="A delivery's id: its `webhook-id`.")]


@routes.post("/subscriptions", status_code=201, response_model=SubscriptionMade, dependencies=[KEYED])
async def subscribe(request: Request, caller: Manager, command: Subscribe) -> Response:
    """Subscribe to changes. The answer holds the signing secret, which is shown this once."""
    context = NotifierContext.of(request)
    await context.fetcher.check(command.url)
    key, secret, limit = new_event_id(), new_secret(), context.settings.notifier_subscriptions
    return await context.transactions.answer(
        request,
        caller,
        lambda unit: handlers.subscribe(unit, caller.actor, command, key, secret, limit),
        status=201,
        headers=lambda made: {"Location": f"subscriptions/{made.id}"},
        required=True,
    )


@routes.get("/subscriptions")
async def list_subscriptions(request: Request, response: Response, caller: Manager, paging: Paged) -> Page[SubscriptionView]:
    """The caller's own subscriptions, the oldest first."""
    found = await NotifierContext.of(request).store.scan(
        SUBSCRIPTIONS, where={"owner": caller.actor}, after=paging.after, limit=paging.fetch
    )
    return page(found, paging, lambda row: subscription_view(StoredSubscription.from_row(row)), request, response)


@routes.get("/subscriptions/{subscription}")
async def read_subscription(request: Request, caller: Manager, subscription: SubscriptionId) -> SubscriptionView:
    """One subscription."""
    return subscription_view(await find_subscription(NotifierContext.of(request).store, subscription, caller.actor))


@routes.delete("/subscriptions/{subscription}", status_code=204)
async def end_subscription(request: Request, caller: Manager, subscription: SubscriptionId) -> Response:
    """End a subscription. The secret is deleted; what was still to be delivered is cancelled."""
    return await NotifierContext.of(request).transactions.answer(
        request, caller, lambda unit: handlers.end_subscription(unit, caller.actor, subscription), status=204
    )


@routes.post("/subscriptions/{subscription}/secret", response_model=SecretRenewed, dependencies=[KEYED])
async def renew_secret(request: Request, caller: Manager, subscription: SubscriptionId) -> Response:
    """Get a new signing secret. For a day each webhook is signed with the one before as well."""
    secret = new_secret()
    return await NotifierContext.of(request).transactions.answer(
        request, caller, lambda unit: handlers.renew_secret(unit, caller.actor, subscription, secret), required=True
    )


@routes.get("/subscriptions/{subscription}/deliveries")
async def list_deliveries(
    request: Request, response: Response, caller: Manager, subscription: SubscriptionId, paging: Paged
) -> Page[DeliveryView]:
    """What was sent to a subscription, the newest first."""
    store = NotifierContext.of(request).store
    await find_subscription(store, subscription, caller.actor)
    found = await store.scan(
        DELIVERIES, where={"subscription": subscription}, after=paging.after, limit=paging.fetch, reverse=True
    )
    return page(found, paging, lambda row: delivery_view(StoredDelivery.from_row(row)), request, response)


@routes.post("/deliveries/{delivery}/redeliver", status_code=202, response_model=DeliveryView, dependencies=[KEYED])
async def redeliver(request: Request, caller: Manager, delivery: DeliveryId) -> Response:
    """Send it again, under the same `webhook-id`."""
    return await NotifierContext.of(request).transactions.answer(
        request,
        caller,
        lambda unit: handlers.redeliver(unit, caller.actor, delivery),
        status=202,
        required=True,
    )

"""What the notifier answers: subscriptions and deliveries as their owner sees them."""

from __future__ import annotations

from datetime import UTC, datetime

from services.notifier.domain import DeliveryState, SubscriptionState
from services.notifier.records import StoredDelivery, StoredSubscription
from shared.clock import Instant
from shared.web.command import View


class SubscriptionView(View):
    """A subscription as its owner sees it."""

    id: str
    url: str
    kinds: tuple[str, ...]
    origins: tuple[str, ...]
    institutions: tuple[str, ...]
    refs: tuple[str, ...]
    state: SubscriptionState
    """Disabled: the receiver answered 410 Gone; nothing is sent there any more."""
    created: Instant


class SubscriptionMade(SubscriptionView):
    """A new subscription, with its secret, which is shown this once."""

    secret: str
    """The key of the signatures (`whsec_...`)."""


class SecretRenewed(View):
    """A new secret, shown this once."""

    id: str
    secret: str
    previous_signs_until: Instant
    """Until then each webhook carries a signature by the secret before as well."""


class AttemptView(View):
    """One try: the receiver's status, or why there was none."""

    at: Instant
    status: int | None
    error: str | None
    milliseconds: int


class DeliveryView(View):
    """One webhook: what it is about, and what became of it."""

    id: str
    """Also its `webhook-id`, the same at every attempt."""
    subscription: str
    type: str
    state: DeliveryState
    created: Instant
    next_attempt: Instant | None
    attempts: tuple[AttemptView, ...]
    """The last twenty."""


def subscription_view(stored: StoredSubscription) -> SubscriptionView:
    """A stored subscription, without its secrets."""
    subscription = stored.subscription
    return SubscriptionView(
        id=stored.id,
        url=subscription.url,
        kinds=subscription.kinds,
        origins=subscription.origins,
        institutions=subscription.institutions,
        refs=subscription.refs,
        state=stored.state,
        created=instant(subscription.created),
    )


def delivery_view(delivery: StoredDelivery) -> DeliveryView:
    """A stored delivery with its log."""
    due_at = delivery.due_at
    return DeliveryView(
        id=delivery.id,
        subscription=delivery.subscription,
        type=delivery.kind,
        state=delivery.state,
        created=instant(delivery.created),
        next_attempt=None if due_at is None else instant(due_at),
        attempts=tuple(AttemptView(**{**attempt, "at": instant(attempt["at"])}) for attempt in delivery.attempts),
    )


def instant(seconds: float) -> datetime:
    """An instant out of seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)

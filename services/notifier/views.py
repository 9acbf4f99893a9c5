"""What the notifier answers: subscriptions and deliveries as their owner sees them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from services.notifier.repository import due_at
from shared.clock import Instant
from shared.store.port import Document
from shared.web.command import View

State = Literal["pending", "delivered", "failed", "cancelled"]
"""Of a delivery: still to be tried, taken by its receiver, given up, or without a subscription that wants it."""


class SubscriptionView(View):
    """A subscription as its owner sees it."""

    id: str
    url: str
    kinds: tuple[str, ...]
    origins: tuple[str, ...]
    institutions: tuple[str, ...]
    refs: tuple[str, ...]
    state: Literal["active", "disabled"]
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
    """One webhook: what it tells of, and what became of it."""

    id: str
    """Also its `webhook-id`, the same at every attempt."""
    subscription: str
    type: str
    state: State
    created: Instant
    next_attempt: Instant | None
    attempts: tuple[AttemptView, ...]
    """The last twenty."""


def subscription_view(row: Document) -> SubscriptionView:
    """A stored subscription, without its secret."""
    body = row.body
    return SubscriptionView(
        id=row.key,
        url=body["url"],
        kinds=tuple(body["kinds"]),
        origins=tuple(body["origins"]),
        institutions=tuple(body["institutions"]),
        refs=tuple(body["refs"]),
        state=body["state"],
        created=moment(body["created"]),
    )


def delivery_view(row: Document) -> DeliveryView:
    """A stored delivery with its log."""
    body, due = row.body, due_at(row.body)
    return DeliveryView(
        id=row.key,
        subscription=body["subscription"],
        type=body["type"],
        state=body["state"],
        created=moment(body["created"]),
        next_attempt=None if due is None else moment(due),
        attempts=tuple(AttemptView(**{**attempt, "at": moment(attempt["at"])}) for attempt in body["attempts"]),
    )


def moment(seconds: float) -> datetime:
    """An instant out of seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)

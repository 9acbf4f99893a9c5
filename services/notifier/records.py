"""What is stored of a subscription and of a delivery: each as a row, and as the object that the notifier works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict, cast

from services.notifier.domain import DeliveryState, Subscription, SubscriptionState
from shared.store.port import Document


class SubscriptionRow(TypedDict):
    """A subscription as it is stored. Times are seconds since 1970."""

    owner: str
    state: SubscriptionState
    secret: str
    previous: str | None
    previous_until: float | None
    url: str
    kinds: list[str]
    created: float
    origins: list[str]
    institutions: list[str]
    refs: list[str]


class AttemptRow(TypedDict):
    """One attempt in the log of a delivery: when (seconds since 1970), and the receiver's status or why there was none."""

    at: float
    status: int | None
    error: str | None
    milliseconds: int


class DeliveryRow(TypedDict):
    """A delivery as it is stored: `once` is its unique name, `due` its key in DUE, or null. Times are seconds since 1970."""

    subscription: str
    once: str
    type: str
    body: str
    state: DeliveryState
    failures: int
    due: str | None
    created: float
    attempts: list[AttemptRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSubscription:
    """A subscription with its owner and its secrets; `previous` signs too, until `previous_until` (seconds since 1970)."""

    id: str
    owner: str
    state: SubscriptionState
    secret: str
    previous: str | None = None
    previous_until: float | None = None
    subscription: Subscription
    version: int = 0
    """That of the stored document."""

    @classmethod
    def from_row(cls, document: Document) -> StoredSubscription:
        """The subscription out of its stored document."""
        row = cast("SubscriptionRow", document.body)
        return cls(
            id=document.key,
            owner=row["owner"],
            state=row["state"],
            secret=row["secret"],
            previous=row["previous"],
            previous_until=row["previous_until"],
            subscription=Subscription(
                url=row["url"],
                kinds=tuple(row["kinds"]),
                created=row["created"],
                origins=tuple(row["origins"]),
                institutions=tuple(row["institutions"]),
                refs=tuple(row["refs"]),
            ),
            version=document.version,
        )

    def to_row(self) -> SubscriptionRow:
        """The subscription as it is stored."""
        wanted = self.subscription
        return SubscriptionRow(
            owner=self.owner,
            state=self.state,
            secret=self.secret,
            previous=self.previous,
            previous_until=self.previous_until,
            url=wanted.url,
            kinds=list(wanted.kinds),
            created=wanted.created,
            origins=list(wanted.origins),
            institutions=list(wanted.institutions),
            refs=list(wanted.refs),
        )

    def secrets_at(self, now: float) -> list[str]:
        """The secrets that sign at a moment (seconds since 1970), the newest first."""
        overlaps = self.previous is not None and self.previous_until is not None and now < self.previous_until
        return [self.secret, self.previous] if overlaps and self.previous else [self.secret]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDelivery:
    """One webhook of a subscription: its body, what became of it, and its last attempts."""

    id: str
    subscription: str
    unique_name: str
    kind: str
    body: str
    state: DeliveryState = "pending"
    failures: int = 0
    due: str | None
    """Its key in DUE; None: it is not due any more."""
    created: float
    attempts: tuple[AttemptRow, ...] = ()
    version: int = 0
    """That of the stored document."""

    @classmethod
    def from_row(cls, document: Document) -> StoredDelivery:
        """The delivery out of its stored document."""
        row = cast("DeliveryRow", document.body)
        return cls(
            id=document.key,
            subscription=row["subscription"],
            unique_name=row["once"],
            kind=row["type"],
            body=row["body"],
            state=row["state"],
            failures=row["failures"],
            due=row["due"],
            created=row["created"],
            attempts=tuple(row["attempts"]),
            version=document.version,
        )

    def to_row(self) -> DeliveryRow:
        """The delivery as it is stored."""
        return DeliveryRow(
            subscription=self.subscription,
            once=self.unique_name,
            type=self.kind,
            body=self.body,
            state=self.state,
            failures=self.failures,
            due=self.due,
            created=self.created,
            attempts=list(self.attempts),
        )

    @property
    def due_at(self) -> float | None:
        """When it is due, in seconds since 1970; None: not any more."""
        return int(self.due.partition("/")[0]) / 1000 if self.due else None

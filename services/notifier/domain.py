"""What a subscription asks for, what its webhooks say, and when a delivery is tried again. Pure.

- Each filter that a subscription gives narrows it: kinds, origins, institutions, refs. A ref is read inside an origin, so
  refs come with exactly one origin: an id means nothing outside the namespace of the node that signed it.
- `credential.revoked` takes in `credentials.revoked`, the revocation of many at once: a subscriber to the one must not miss
  the other.
- What a webhook says is chosen member by member (`PASSED_ON`): nothing personal, no commitment, nothing that a newer sender
  adds.
- One event leads to one delivery for a subscription, however often it is received: `unique_name` names the pair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

import orjson

from shared.clock import rfc3339
from shared.errors import Conflict, NotFound
from shared.events.base import Event
from shared.events.entry import digest
from shared.events.registrations import CredentialRegistered
from shared.events.status import CredentialReinstated, CredentialRevoked, CredentialsRevoked, CredentialSuspended
from shared.events.trust import AccreditationWithdrawn, InstitutionAccredited

NoticeKind = Literal[
    "credential.registered",
    "credential.suspended",
    "credential.reinstated",
    "credential.revoked",
    "credentials.revoked",
    "institution.accredited",
    "accreditation.withdrawn",
]
"""What one can subscribe to: the kind of an event without its version."""

SubscriptionState = Literal["active", "disabled"]
"""Disabled: the receiver answered 410 Gone; nothing is sent there any more."""

DeliveryState = Literal["pending", "delivered", "failed", "cancelled"]
"""Still to be tried, taken by its receiver, given up, or without a subscription that wants it."""

PASSED_ON: Mapping[type[Event], tuple[str, ...]] = {
    CredentialRegistered: ("ref", "credential_type", "replaces"),
    CredentialSuspended: ("ref", "version", "effective", "until", "reason"),
    CredentialReinstated: ("ref", "version", "effective"),
    CredentialRevoked: ("ref", "version", "effective", "reason", "replaced_by"),
    CredentialsRevoked: ("operation", "key", "registrations_stand_to", "effective", "reason"),
    InstitutionAccredited: ("accreditation", "name", "country", "valid_from", "valid_until"),
    AccreditationWithdrawn: ("accreditation", "effective"),
}
"""Which members of each event are passed on; `origin`, `epoch`, `sequence`, `institution` and `refs` are added."""

RETRY_DELAYS_SECONDS = (5, 30, 120, 600, 3_600, 21_600, 86_400)
"""After each failed attempt until the next one: eight attempts over some 31 hours."""

JITTER = 0.2
"""By how much of itself a delay may grow, so that many deliveries that failed together do not come back together."""

MAX_RETRY_AFTER_SECONDS = 86_400
"""The most of a receiver's `Retry-After` that is heeded."""

SECRET_OVERLAP = timedelta(hours=24)
"""How long the secret before signs on, beside a new one."""

KEPT_ATTEMPTS = 20
"""How many attempts a delivery's log holds; the oldest go first."""


class SubscriptionNotFound(NotFound):
    """404: there is no such subscription, or it is another's."""

    title = "There is no such subscription here."


class DeliveryNotFound(NotFound):
    """404: there is no such delivery, or it is another's, or its time in the log is over."""

    title = "There is no such delivery here."


class SubscriptionDisabled(Conflict):
    """409: its receiver answered that it is gone, so nothing is sent there."""

    title = "This subscription is disabled."


class TooManySubscriptions(Conflict):
    """409: the caller has as many subscriptions as one may have."""

    title = "No more subscriptions can be made."


class EventSource(NamedTuple):
    """Where an event came from: its origin's namespace and its position there, and when it was signed and received."""

    federation: str
    origin: str
    epoch: int
    seq: int
    hash: str
    at: datetime
    known_at: datetime

    def institution(self, slug: str) -> str:
        """An institution of this origin as a URN."""
        return f"urn:testamur:{self.federation}:{self.origin}:institution:{slug}"


class NoticeSubject(NamedTuple):
    """One thing that a notice is about: a credential, an institution, or a credential of a known institution (its URN)."""

    ref: str | None = None
    institution: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One event as its subscribers get it.

    `part` is the credential, where the event concerns one that is registered here only later; otherwise it is empty.
    """

    kind: str
    origin: str
    hash: str
    at: str
    known_at: float
    """Seconds since 1970."""
    data: Mapping[str, Any]
    part: str = ""

    @property
    def many(self) -> bool:
        """Whether it may speak of several credentials."""
        return self.kind == "credentials.revoked"

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Notice:
        """The notice out of what was stored of it."""
        return cls(**row)

    def to_row(self) -> Mapping[str, Any]:
        """The notice as plain values, to be stored."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """What is sent, and where. An empty filter lets everything through."""

    url: str
    kinds: tuple[str, ...]
    created: float
    """Seconds since 1970."""
    origins: tuple[str, ...] = ()
    institutions: tuple[str, ...] = ()
    refs: tuple[str, ...] = ()

    def headings(self) -> list[str]:
        """The headings under which it is found when something happens: those of its narrowest filter."""
        if self.refs:
            return [ref_heading(self.origins[0], ref) for ref in self.refs]
        if self.institutions:
            return [institution_heading(urn) for urn in self.institutions]
        return [f"origin/{origin}" for origin in self.origins] or ["all"]

    def matching(self, notice: Notice, subjects: Sequence[NoticeSubject]) -> list[NoticeSubject]:
        """What of a notice concerns this subscription: nothing, where it was received before the subscription was made."""
        asked = notice.kind in self.kinds or (notice.many and "credential.revoked" in self.kinds)
        if not asked or notice.known_at < self.created or (self.origins and notice.origin not in self.origins):
            return []
        return [
            one
            for one in subjects
            if (not self.refs or one.ref in self.refs) and (not self.institutions or one.institution in self.institutions)
        ]


def ref_heading(origin: str, ref: str) -> str:
    """The heading of one credential."""
    return f"ref/{origin}/{ref}"


def institution_heading(urn: str) -> str:
    """The heading of one institution."""
    return f"institution/{urn}"


def headings_of(origin: str, subjects: Sequence[NoticeSubject]) -> list[str]:
    """Every heading under which subscriptions may be concerned."""
    refs = [ref_heading(origin, one.ref) for one in subjects if one.ref]
    institutions = {institution_heading(one.institution) for one in subjects if one.institution}
    return ["all", f"origin/{origin}", *sorted(institutions), *refs]


def notice_of(event: Event, source: EventSource) -> Notice:
    """An event as its subscribers get it."""
    members = event.model_dump(mode="json", include=set(PASSED_ON[type(event)]), exclude_none=True)
    data = {"origin": source.origin, "epoch": source.epoch, "sequence": source.seq, **members}
    kind = event.kind.rpartition(".")[0]
    return Notice(
        kind=kind,
        origin=source.origin,
        hash=source.hash,
        at=rfc3339(source.at),
        known_at=source.known_at.timestamp(),
        data=data,
    )


def payload(notice: Notice, subjects: Sequence[NoticeSubject]) -> str:
    """The webhook's body (Standard Webhooks, "Payload structure"): type, timestamp, data."""
    data = dict(notice.data)
    institutions = {one.institution for one in subjects if one.institution}
    if len(institutions) == 1:
        data["institution"] = institutions.pop()
    if notice.many:
        data["refs"] = [one.ref for one in subjects if one.ref]
    return orjson.dumps({"type": notice.kind, "timestamp": notice.at, "data": data}).decode()


def unique_name(subscription: str, notice: Notice) -> str:
    """The name of delivering this notice to that subscription: unique, so that it is delivered once."""
    return digest(f"{subscription}/{notice.hash}/{notice.part}".encode())


def delivery_id(name: str, known_at: float) -> str:
    """The stable id of a delivery: when the event was received, so that ids sort by it, and its `unique_name`. It has no
    full stop, as the scheme of the signature asks.
    """
    return f"{first_id(known_at)}{name[:24]}"


def first_id(moment: float) -> str:
    """What every delivery id of an event begins with that was received at that moment (seconds since 1970)."""
    return f"msg_{int(moment * 1000):012x}"


def next_attempt(delivery: str, failures: int, now: float, retry_after: int | None) -> float | None:
    """When a delivery that failed `failures` times is tried again, in seconds since 1970; None: no more."""
    if failures > len(RETRY_DELAYS_SECONDS):
        return None
    spread = int.from_bytes(digest(f"{delivery}/{failures}".encode())[:4].encode()) / 2**32
    delay = RETRY_DELAYS_SECONDS[failures - 1] * (1 + JITTER * spread)
    return now + max(delay, min(retry_after or 0, MAX_RETRY_AFTER_SECONDS))

"""What a subscription asks for, what it is told, and when a delivery is tried again. Pure.

- Each filter that a subscription gives narrows it: kinds, origins, institutions, refs. A ref is read inside an origin, so
  refs come with exactly one origin: an id means nothing outside the namespace of the node that signed it.
- `credential.revoked` takes in `credentials.revoked`, the revocation of many at once: who asks for the one must not miss it.
- What is told is chosen member by member (`TOLD`): nothing personal, no commitment, nothing that a newer sender adds.
- One event is told to one subscription once, however often it is heard: `once` names the pair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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

Kind = Literal[
    "credential.registered",
    "credential.suspended",
    "credential.reinstated",
    "credential.revoked",
    "credentials.revoked",
    "institution.accredited",
    "accreditation.withdrawn",
]
"""What one can be told of: the kind of an event without its version."""

TOLD: Mapping[type[Event], tuple[str, ...]] = {
    CredentialRegistered: ("ref", "credential_type", "replaces"),
    CredentialSuspended: ("ref", "version", "effective", "until", "reason"),
    CredentialReinstated: ("ref", "version", "effective"),
    CredentialRevoked: ("ref", "version", "effective", "reason", "replaced_by"),
    CredentialsRevoked: ("operation", "key", "registrations_stand_to", "effective", "reason"),
    InstitutionAccredited: ("accreditation", "name", "country", "valid_from", "valid_until"),
    AccreditationWithdrawn: ("accreditation", "effective"),
}
"""Which members of each event are passed on; `origin`, `epoch`, `sequence`, `institution` and `refs` are added."""

DELAYS = (5, 30, 120, 600, 3_600, 21_600, 86_400)
"""Seconds after each failed attempt until the next one: eight attempts over some 31 hours."""

JITTER = 0.2
"""By how much of itself a delay may grow, so that many deliveries that failed together do not come back together."""

LONGEST_WAIT = 86_400
"""The most seconds that a receiver's `Retry-After` is heeded."""

SECRET_OVERLAP = timedelta(hours=24)
"""How long the secret before is still signed with after a new one was made."""

KEPT_ATTEMPTS = 20
"""How many attempts a delivery's log holds; the oldest go first."""


class SubscriptionNotFound(NotFound):
    """404: there is no such subscription, or it is another's."""

    title = "There is no such subscription here."


class DeliveryNotFound(NotFound):
    """404: there is no such delivery, or it is another's, or its time in the log is over."""

    title = "There is no such delivery here."


class SubscriptionDisabled(Conflict):
    """409: its receiver said that it is gone, so nothing is sent there."""

    title = "This subscription is disabled."


class TooManySubscriptions(Conflict):
    """409: the caller has as many subscriptions as one may have."""

    title = "No more subscriptions can be made."


class Source(NamedTuple):
    """Where an event came from: its origin's namespace and its place there, and when it was said and heard."""

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


class About(NamedTuple):
    """One thing that a notice is about: a credential, an institution, or a credential of a known institution (its URN)."""

    ref: str | None = None
    institution: str | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """One event as subscribers are told of it; `part` tells apart what one event means for credentials heard of later."""

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

    def document(self) -> dict[str, Any]:
        """The notice as plain values, to be stored."""
        return {name: getattr(self, name) for name in ("kind", "origin", "hash", "at", "known_at", "data", "part")}


@dataclass(frozen=True, slots=True)
class Subscription:
    """What somebody wants to be told, and where. An empty filter lets everything through."""

    url: str
    kinds: tuple[str, ...]
    created: float
    origins: tuple[str, ...] = ()
    institutions: tuple[str, ...] = ()
    refs: tuple[str, ...] = ()

    def interests(self) -> list[str]:
        """Under which headings it is found when something happens: those of its narrowest filter."""
        if self.refs:
            return [ref_interest(self.origins[0], ref) for ref in self.refs]
        if self.institutions:
            return [institution_interest(urn) for urn in self.institutions]
        return [f"origin/{origin}" for origin in self.origins] or ["all"]

    def concerned(self, notice: Notice, about: Sequence[About]) -> list[About]:
        """What of a notice concerns this subscription; nothing, if it lies before it."""
        asked = notice.kind in self.kinds or (notice.many and "credential.revoked" in self.kinds)
        if not asked or notice.known_at < self.created or (self.origins and notice.origin not in self.origins):
            return []
        return [
            one
            for one in about
            if (not self.refs or one.ref in self.refs) and (not self.institutions or one.institution in self.institutions)
        ]


def ref_interest(origin: str, ref: str) -> str:
    """The heading of one credential."""
    return f"ref/{origin}/{ref}"


def institution_interest(urn: str) -> str:
    """The heading of one institution."""
    return f"institution/{urn}"


def headings(origin: str, about: Sequence[About]) -> list[str]:
    """Every heading under which subscriptions may be concerned."""
    refs = [ref_interest(origin, one.ref) for one in about if one.ref]
    institutions = {institution_interest(one.institution) for one in about if one.institution}
    return ["all", f"origin/{origin}", *sorted(institutions), *refs]


def notice_of(event: Event, source: Source) -> Notice:
    """What is told of an event."""
    members = event.model_dump(mode="json", include=set(TOLD[type(event)]), exclude_none=True)
    data = {"origin": source.origin, "epoch": source.epoch, "sequence": source.seq, **members}
    kind = event.kind.rpartition(".")[0]
    return Notice(kind, source.origin, source.hash, rfc3339(source.at), source.known_at.timestamp(), data)


def payload(notice: Notice, about: Sequence[About]) -> str:
    """The webhook's body (Standard Webhooks, "Payload structure"): type, timestamp, data."""
    data = dict(notice.data)
    institutions = {one.institution for one in about if one.institution}
    if len(institutions) == 1:
        data["institution"] = institutions.pop()
    if notice.many:
        data["refs"] = [one.ref for one in about if one.ref]
    return orjson.dumps({"type": notice.kind, "timestamp": notice.at, "data": data}).decode()


def once(subscription: str, notice: Notice) -> str:
    """The name of telling this to that subscription: unique, so that it is told once."""
    return digest(f"{subscription}/{notice.hash}/{notice.part}".encode())


def delivery_id(told: str, known_at: float) -> str:
    """The stable id of a delivery: when we heard, so that ids sort by it, and `once`. Without a full stop, as the scheme of
    the signature asks.
    """
    return f"{first_id(known_at)}{told[:24]}"


def first_id(moment: float) -> str:
    """What every delivery id of something heard at that moment (seconds since 1970) begins with."""
    return f"msg_{int(moment * 1000):012x}"


def next_attempt(delivery: str, failures: int, now: float, retry_after: int | None) -> float | None:
    """When a delivery that failed `failures` times is tried again, in seconds since 1970; None: no more."""
    if failures > len(DELAYS):
        return None
    spread = int.from_bytes(digest(f"{delivery}/{failures}".encode())[:4].encode()) / 2**32
    delay = DELAYS[failures - 1] * (1 + JITTER * spread)
    return now + max(delay, min(retry_after or 0, LONGEST_WAIT))

"""A fact: one event about credentials, the place its origin gave it, and when we came to know it.

- Facts only ever accumulate.
- A fact names one credential, or a key: `by_credential` spreads an event of many refs into one narrow fact a ref, and
  `key_cutoff` reads the predicate out of an event that speaks of a key.
- Two facts with one (stream, epoch, sequence, hash) are the same fact, however and whenever they reached us.
- `at` is when the origin's registry put it in order; `known_at` is our own time of learning it. Stored to the millisecond.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypedDict

from shared.clock import rfc3339
from shared.errors import Misconfigured
from shared.events.entry import Entry
from shared.events.registrations import CredentialRegistered
from shared.events.status import (
    CredentialReinstated,
    CredentialRevoked,
    CredentialsRevoked,
    CredentialSuspended,
    PublicReason,
)

StatusEvent = CredentialRegistered | CredentialSuspended | CredentialReinstated | CredentialRevoked | CredentialsRevoked
"""The events that make up a credential's status."""

STATUS_EVENTS: tuple[type[StatusEvent], ...] = (
    CredentialRegistered,
    CredentialSuspended,
    CredentialReinstated,
    CredentialRevoked,
    CredentialsRevoked,
)
"""The same, as a tuple for subscriptions and `isinstance`."""

_VALIDATORS = {event.kind: event.__pydantic_validator__ for event in STATUS_EVENTS}


class FactUnreadable(Misconfigured):
    """A stored fact is not one this software wrote."""

    title = "A stored fact cannot be read."


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One event about one credential (or, for a key's credentials, about a key), in its place."""

    event: StatusEvent
    epoch: int
    seq: int
    hash: str
    """The entry's hash: SHA-256 in base64url."""
    known_at: datetime
    trust_seq: int
    """How far the origin's trust chain had come when this was sequenced; 0 where the entry did not say."""
    at: datetime
    """When the origin's registry sequenced it (the envelope's `iat`)."""

    @property
    def effective(self) -> datetime:
        """From when on it counts, for a question about the past: as its event says, or since it was sequenced."""
        return self.at if isinstance(self.event, CredentialRegistered) else self.event.effective


class FactDocument(TypedDict):
    """A fact as it is stored: plain JSON values."""

    kind: str
    event: dict[str, Any]
    epoch: int
    seq: int
    hash: str
    known_at: str
    trust_seq: int
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCutoff:
    """A key's credentials are revoked beyond a registration: those registered up to `stand_to` (0: none) stand."""

    kid: str
    stand_to: int
    effective: datetime
    hash: str
    reason: PublicReason
    known_at: datetime


def from_entry(entry: Entry, event: StatusEvent, known_at: datetime) -> Fact:
    """The fact that a verified entry states; `event` is its payload, read."""
    place = entry.envelope
    return Fact(
        event=event,
        epoch=place.epoch,
        seq=place.seq,
        hash=entry.hash,
        known_at=known_at,
        trust_seq=place.after.get("trust", 0),
        at=place.issued_at,
    )


def by_credential(fact: Fact) -> list[tuple[str, Fact]]:
    """The fact under each credential it names: itself, or for a list of refs one narrow fact a ref, in the same place."""
    event = fact.event
    if not isinstance(event, CredentialsRevoked):
        return [(event.ref, fact)]
    return [(ref, replace(fact, event=event.model_copy(update={"refs": (ref,), "key": None}))) for ref in event.refs]


def key_cutoff(fact: Fact) -> KeyCutoff | None:
    """What the fact says of a key's credentials, or None when it speaks of no key."""
    event = fact.event
    if not isinstance(event, CredentialsRevoked) or event.key is None:
        return None
    return KeyCutoff(
        kid=event.key,
        stand_to=event.registrations_stand_to or 0,
        effective=event.effective,
        hash=fact.hash,
        reason=event.reason,
        known_at=fact.known_at,
    )


def to_document(fact: Fact) -> FactDocument:
    """The fact as plain JSON values, to be stored."""
    return {
        "kind": fact.event.kind,
        "event": fact.event.model_dump(mode="json", exclude_none=True),
        "epoch": fact.epoch,
        "seq": fact.seq,
        "hash": fact.hash,
        "known_at": rfc3339(fact.known_at),
        "trust_seq": fact.trust_seq,
        "at": rfc3339(fact.at),
    }


def from_document(document: Mapping[str, Any]) -> Fact:
    """A stored fact; members it does not know are left alone. Raises `FactUnreadable`."""
    try:
        # not strict: stored instants and tuples are plain JSON here, and the event was judged strictly when it arrived
        event = _VALIDATORS[document["kind"]].validate_python(document["event"], strict=False)
        return Fact(
            event=event,
            epoch=document["epoch"],
            seq=document["seq"],
            hash=document["hash"],
            known_at=datetime.fromisoformat(document["known_at"]),
            trust_seq=document["trust_seq"],
            at=datetime.fromisoformat(document["at"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise FactUnreadable("Rebuild this replica from the log; the log holds what was signed.") from error

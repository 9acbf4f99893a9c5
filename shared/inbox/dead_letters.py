"""What could not be applied, kept with its reason: dead letters, quarantine and parked events.

- *invalid* and *untrusted* records are kept as the bytes that came, at most `MOST_OF_AN_ORIGIN`; beyond that they are
  counted.
- A *parked* event is authentic and not understood. While it is parked, verdicts on its subject are indeterminate.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict

import pybase64

from shared.bus.port import Headers, Record
from shared.clock import rfc3339
from shared.events.entry import Entry
from shared.ids import new_event_id
from shared.inbox.admission import Refused
from shared.store.port import Collection, Document, Index, Reader, Transaction

DEAD = Collection("dead", (Index(("origin", "reason")), Index(("kid",))))
"""Records that were not let in, by a new id: a `StoredDeadLetter` each."""

PARKED = Collection("parked", (Index(("origin", "subject")),))
"""Authentic entries that were not understood, by their archive key: a `ParkedRow` each."""

COLLECTIONS = (DEAD, PARKED)

MOST_OF_AN_ORIGIN = 1_000
"""How many records one origin may leave behind here; a forger must not fill the disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDeadLetter:
    """A record that was not let in, as it came, and why."""

    id: str
    record: Record
    family: str
    """`invalid` or `untrusted` (`shared.inbox.admission.Refused`)."""
    reason: str
    detail: str
    origin: str
    kid: str | None
    at: datetime

    @classmethod
    def from_row(cls, row: Document) -> StoredDeadLetter:
        """A document of `DEAD`."""
        body = row.body
        headers: Headers = tuple((name, pybase64.b64decode(value)) for name, value in body["headers"])
        return cls(
            id=row.key,
            record=Record(body["topic"], body["offset"], body["key"], pybase64.b64decode(body["value"]), headers),
            family=body["family"],
            reason=body["reason"],
            detail=body["detail"],
            origin=body["origin"],
            kid=body["kid"],
            at=datetime.fromisoformat(body["at"]),
        )

    def to_row(self) -> dict[str, Any]:
        """The body of its document; bytes are written in base64."""
        record = self.record
        return {
            "topic": record.topic,
            "offset": record.offset,
            "key": record.key,
            "value": pybase64.b64encode(record.value).decode(),
            "headers": [[name, pybase64.b64encode(value).decode()] for name, value in record.headers],
            "family": self.family,
            "reason": self.reason,
            "detail": self.detail,
            "origin": self.origin,
            "kid": self.kid,
            "at": rfc3339(self.at),
        }


class ParkedRow(TypedDict):
    """A parked entry: whose it is, what it is about, its kind, why it was parked, when, and the signed bytes."""

    origin: str
    subject: str
    kind: str
    why: str
    at: str
    jws: str


async def store_dead_letter(tx: Transaction, refused: Refused, at: datetime) -> bool:
    """Keep a refused record; returns False when its origin's share is used up and it was only counted."""
    if await tx.count(DEAD, {"origin": refused.origin}) >= MOST_OF_AN_ORIGIN:
        return False
    letter = StoredDeadLetter(
        id=new_event_id(),
        record=refused.record,
        family=refused.family,
        reason=refused.reason,
        detail=refused.detail,
        origin=refused.origin,
        kid=refused.kid or None,
        at=at,
    )
    await tx.insert(DEAD, letter.id, letter.to_row())
    return True


async def park(tx: Transaction, key: str, entry: Entry, why: str, at: datetime) -> None:
    """Keep an authentic entry that this software cannot apply; a repeat changes nothing."""
    if await tx.get(PARKED, key) is None:
        signed = entry.envelope
        row = ParkedRow(
            origin=signed.origin,
            subject=signed.sub,
            kind=signed.kind,
            why=why,
            at=rfc3339(at),
            jws=entry.compact.decode(),
        )
        await tx.insert(PARKED, key, row)


async def parked_on(store: Reader, origin: str, subjects: tuple[str, ...]) -> bool:
    """Whether anything of that origin is parked on one of these subjects."""
    for subject in subjects:
        if await store.count(PARKED, {"origin": origin, "subject": subject}):
            return True
    return False

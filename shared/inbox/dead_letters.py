"""What could not be applied, kept with its reason: dead letters, quarantine and parked events.

- *invalid* and *untrusted* records are kept as the bytes that came, at most `CAP` an origin; beyond that they are counted.
- A *parked* event is authentic and not understood. While it is parked, verdicts on its subject are indeterminate.
"""

from __future__ import annotations

from typing import Any

import pybase64

from shared.bus.port import Headers, Record
from shared.events.entry import Entry
from shared.ids import new_event_id
from shared.inbox.admission import Refused
from shared.store.port import Collection, Document, Index, Reader, Transaction

DEAD = Collection("dead", (Index(("origin", "reason")), Index(("kid",))))
"""Records that were not let in: `{topic, offset, key, value, headers, family, reason, detail, origin, kid, at}`."""

PARKED = Collection("parked", (Index(("origin", "subject")),))
"""Authentic entries that were not understood, by their archive key: `{origin, subject, kind, jws, why, at}`."""

COLLECTIONS = (DEAD, PARKED)

CAP = 1_000
"""How many records one origin may leave behind here; a forger must not fill the disk."""


async def bury(tx: Transaction, refused: Refused, at: str) -> bool:
    """Keep a refused record; returns False when its origin's share is used up and it was only counted."""
    if await tx.count(DEAD, {"origin": refused.origin}) >= CAP:
        return False
    body = {
        **_packed(refused.record),
        "family": refused.family,
        "reason": refused.reason,
        "detail": refused.detail,
        "origin": refused.origin,
        "kid": refused.kid or None,
        "at": at,
    }
    await tx.insert(DEAD, new_event_id(), body)
    return True


def exhume(row: Document) -> Record:
    """The record as it came, for another try."""
    body = row.body
    headers: Headers = tuple((name, pybase64.b64decode(value)) for name, value in body["headers"])
    return Record(body["topic"], body["offset"], body["key"], pybase64.b64decode(body["value"]), headers)


async def park(tx: Transaction, key: str, entry: Entry, why: str, at: str) -> None:
    """Keep an authentic entry that this software cannot apply; a repeat changes nothing."""
    if await tx.get(PARKED, key) is None:
        envelope = entry.envelope
        body = {"origin": envelope.origin, "subject": envelope.sub, "kind": envelope.kind, "why": why, "at": at}
        await tx.insert(PARKED, key, {**body, "jws": entry.compact.decode()})


async def parked_on(store: Reader, origin: str, subjects: tuple[str, ...]) -> bool:
    """Whether anything of that origin is parked on one of these subjects."""
    for subject in subjects:
        if await store.count(PARKED, {"origin": origin, "subject": subject}):
            return True
    return False


def _packed(record: Record) -> dict[str, Any]:
    headers = [[name, pybase64.b64encode(value).decode()] for name, value in record.headers]
    value = pybase64.b64encode(record.value).decode()
    return {"topic": record.topic, "offset": record.offset, "key": record.key, "value": value, "headers": headers}


def stamp(row: Document) -> dict[str, Any]:
    """A dead letter's description without its bytes."""
    shown = ("topic", "offset", "family", "reason", "detail", "origin", "kid", "at")
    return {"id": row.key, **{name: row.body[name] for name in shown}}

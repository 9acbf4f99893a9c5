"""How operations, the keys they cut off and each administrator's hour are stored."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from services.registry.revocations.domain import ALONE, WINDOW, Operation, OperationNotFound
from shared.clock import rfc3339
from shared.events.base import REGISTRATIONS
from shared.events.chain import Position
from shared.events.entry import parse
from shared.events.registrations import CredentialRegistered
from shared.ids import new_event_id, topic_name
from shared.inbox.admission import understand
from shared.log.archive import HEADS, position_of, read_on
from shared.store.port import PAGE, Collection, Document, Index, Reader, Transaction

OPERATIONS = Collection("revocations", (Index(("state",)),))
"""By operation id: the members of `Operation`; its version is the document's."""

CUTOFFS = Collection("key_cutoffs")
"""By key id: `{operation}`, of those that revoked the key's credentials the one that lets the fewest registrations stand;
nothing it signs is registered any more.
"""

HOURS = Collection("revocation_hours")
"""By `<pseudonym of the administrator>/<time>/<id>`: `{count}`, what one of them revoked alone."""

COLLECTIONS = (OPERATIONS, CUTOFFS, HOURS)


async def get(reader: Reader, operation: str, tenant: str | None) -> Operation:
    """The operation of that id within what `tenant` may see (None: all); raises `OperationNotFound`."""
    row = await reader.get(OPERATIONS, operation)
    if row is None or tenant not in (None, row.body["institution"]):
        raise OperationNotFound("Use the id that was answered when the revocation was asked for.")
    return _operation(row)


async def save(tx: Transaction, operation: Operation) -> None:
    """Keep an operation, new or changed."""
    await tx.put(OPERATIONS, operation.id, _body(operation), expect=operation.version)


async def applying(reader: Reader) -> list[Operation]:
    """The operations that are said abroad and not yet carried through here."""
    return [_operation(row) for row in await reader.scan(OPERATIONS, where={"state": "applying"})]


async def cutoff(reader: Reader, kid: str) -> Document | None:
    """That the credentials of this key are revoked, or None."""
    return await reader.get(CUTOFFS, kid)


async def stands_to(reader: Reader, kid: str) -> int | None:
    """Up to which registration what a key signed stands, now that the rest is revoked; None: nothing was revoked so."""
    row = await cutoff(reader, kid)
    return (await get(reader, row.body["operation"], None)).stand_to if row else None


async def cut_off(tx: Transaction, kid: str, operation: Operation) -> None:
    """Keep that the credentials of this key are revoked; of several operations the one that lets the fewest stand."""
    row, agreed = await cutoff(tx, kid), await stands_to(tx, kid)
    if agreed is None or operation.stand_to < agreed:
        await tx.put(CUTOFFS, kid, {"operation": operation.id}, expect=row.version if row else 0)


async def revoked_alone(tx: Transaction, who: str, now: datetime) -> int:
    """How many credentials this administrator revoked alone within the hour; it is not counted far beyond the allowance."""
    rows = await tx.scan(HOURS, prefix=f"{who}/", after=_hour_key(who, now - WINDOW), limit=ALONE + 1)
    return sum(row.body["count"] for row in rows)


async def count_alone(tx: Transaction, who: str, now: datetime, count: int) -> None:
    """Keep that this administrator revoked so many more alone; what has left the window is forgotten."""
    for row in await tx.scan(HOURS, prefix=f"{who}/", limit=ALONE + 1):
        if row.key < _hour_key(who, now - WINDOW):
            await tx.delete(HOURS, row.key)
    await tx.insert(HOURS, f"{_hour_key(who, now)}/{new_event_id()}", {"count": count})


async def registrations_head(reader: Reader, node: str) -> int:
    """The last sequence of this node's registrations."""
    return position_of(await reader.get(HEADS, topic_name(node, REGISTRATIONS.name))).seq


async def standing(reader: Reader, node: str, kid: str, stand_to: int) -> frozenset[str]:
    """The refs that a key's registrations up to a sequence name, read from this node's own log, a page at a time."""
    topic, reached, found = topic_name(node, REGISTRATIONS.name), Position(), set[str]()
    while reached.seq < stand_to:
        rows = await read_on(reader, topic, reached.seq, min(PAGE, stand_to - reached.seq), reached.epoch)
        for entry in (parse(row.body["jws"]) for row in rows):
            reached = reached.advanced_by(entry)
            event = understand(entry)
            if isinstance(event, CredentialRegistered) and event.kid == kid:
                found.add(event.ref)
        if not rows:
            break
        await asyncio.sleep(0)  # others want to be answered while a long log is read
    return frozenset(found)


def _hour_key(who: str, moment: datetime) -> str:
    return f"{who}/{moment.astimezone(UTC):%Y%m%dT%H%M%S%f}"


def _body(operation: Operation) -> dict[str, Any]:
    return {
        "asked_by": operation.asked_by,
        "asked": rfc3339(operation.asked),
        "reason": operation.reason,
        "effective": rfc3339(operation.effective),
        "institution": operation.institution,
        "refs": list(operation.refs),
        "key": operation.key,
        "stand_to": operation.stand_to,
        "state": operation.state,
        "confirmed_by": operation.confirmed_by,
        "applied": operation.applied,
        "cursor": operation.cursor,
        "replaced_by": operation.replaced_by,
    }


def _operation(row: Document) -> Operation:
    body = row.body
    return Operation(
        row.key,
        body["asked_by"],
        datetime.fromisoformat(body["asked"]),
        body["reason"],
        datetime.fromisoformat(body["effective"]),
        body["institution"],
        tuple(body["refs"]),
        body["key"],
        body["stand_to"],
        body["state"],
        body["confirmed_by"],
        body["applied"],
        body["cursor"],
        row.version,
        body.get("replaced_by"),
    )

"""How operations are stored, and what is read of the registrations that one of them lets stand."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TypedDict, cast

from services.registry.revocations.domain import Operation, OperationNotFound, OperationState
from shared.clock import rfc3339
from shared.events.base import REGISTRATIONS
from shared.events.chain import Position
from shared.events.entry import parse
from shared.events.registrations import CredentialRegistered
from shared.events.status import PublicReason
from shared.ids import topic_name
from shared.inbox.admission import understand
from shared.log.archive import HEADS, position_of, read_on
from shared.store.port import PAGE, Collection, Document, Index, Reader, Transaction

OPERATIONS = Collection("revocations", (Index(("state",)),))
"""By operation id: an `OperationRow`; the version of the operation is the document's."""

COLLECTIONS = (OPERATIONS,)


class OperationRow(TypedDict):
    """An operation as it is stored: the members of `Operation`, times as RFC 3339."""

    asked_by: str
    asked: str
    reason: PublicReason
    effective: str
    institution: str | None
    refs: list[str]
    key: str | None
    stand_to: int
    state: OperationState
    confirmed_by: str | None
    applied: int
    cursor: str
    replaced_by: str | None


async def get(reader: Reader, operation: str, tenant: str | None) -> Operation:
    """The operation of that id within what `tenant` may see (None: all); raises `OperationNotFound`."""
    row = await reader.get(OPERATIONS, operation)
    if row is None or tenant not in (None, row.body["institution"]):
        raise OperationNotFound("Use the id that was answered when the revocation was asked for.")
    return _from_row(row)


async def save(tx: Transaction, operation: Operation) -> None:
    """Keep an operation, new or changed."""
    await tx.put(OPERATIONS, operation.id, _to_row(operation), expect=operation.version)


async def applying(reader: Reader) -> list[Operation]:
    """The operations whose event is emitted and that are not yet carried through here."""
    return [_from_row(row) for row in await reader.scan(OPERATIONS, where={"state": "applying"})]


async def registrations_head(reader: Reader, node: str) -> int:
    """The last sequence of this node's registrations."""
    return position_of(await reader.get(HEADS, topic_name(node, REGISTRATIONS.name))).seq


async def refs_that_stand(reader: Reader, node: str, kid: str, stand_to: int) -> frozenset[str]:
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
        await asyncio.sleep(0)  # other requests go on while a long log is read
    return frozenset(found)


def _to_row(operation: Operation) -> OperationRow:
    return OperationRow(
        asked_by=operation.asked_by,
        asked=rfc3339(operation.asked),
        reason=operation.reason,
        effective=rfc3339(operation.effective),
        institution=operation.institution,
        refs=list(operation.refs),
        key=operation.key,
        stand_to=operation.stand_to,
        state=operation.state,
        confirmed_by=operation.confirmed_by,
        applied=operation.applied,
        cursor=operation.cursor,
        replaced_by=operation.replaced_by,
    )


def _from_row(document: Document) -> Operation:
    row = cast("OperationRow", document.body)
    return Operation(
        id=document.key,
        asked_by=row["asked_by"],
        asked=datetime.fromisoformat(row["asked"]),
        reason=row["reason"],
        effective=datetime.fromisoformat(row["effective"]),
        institution=row["institution"],
        refs=tuple(row["refs"]),
        key=row["key"],
        stand_to=row["stand_to"],
        state=row["state"],
        confirmed_by=row["confirmed_by"],
        applied=row["applied"],
        cursor=row["cursor"],
        replaced_by=row["replaced_by"],
        version=document.version,
    )

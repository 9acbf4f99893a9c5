"""How credentials, refusals and the ends of suspensions are stored."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from services.registry.credentials.domain import UNKNOWN_REF, Credential, CredentialNotFound, Status
from shared.clock import rfc3339
from shared.events.issuance import CredentialIssued
from shared.store.port import Collection, Document, Index, Reader, Scalar, Transaction

CREDENTIALS = Collection(
    "credentials",
    (Index(("kid", "status")), Index(("status_list", "status_index"), unique=True), Index(("status_list", "status"))),
)
"""By ref: the members of `Credential`; its version is the document's."""

REFUSALS = Collection("refusals")
"""By `<ref>/<entry hash>`: an issuance that was not registered, `{institution, credential_type, reason, at}`."""

SUSPENSION_ENDS = Collection("suspension_ends")
"""By `<time>/<ref>`: when a suspension ends by itself; in the order in which they fall due."""

COLLECTIONS = (CREDENTIALS, REFUSALS, SUSPENSION_ENDS)

STANDING: tuple[Status, ...] = ("active", "suspended")
"""The statuses of a credential that is not revoked."""


async def find(reader: Reader, ref: str, tenant: str | None = None) -> Credential | None:
    """The credential of that ref within what `tenant` may see (None: all), or None."""
    row = await reader.get(CREDENTIALS, ref)
    if row is None or tenant not in (None, row.body["institution"]):
        return None
    return _credential(row)


async def get(reader: Reader, ref: str, tenant: str | None) -> Credential:
    """As `find`; raises `CredentialNotFound`, the same whether it is not there or not yours."""
    found = await find(reader, ref, tenant)
    if found is None:
        raise CredentialNotFound(UNKNOWN_REF)
    return found


async def add(tx: Transaction, credential: Credential) -> None:
    """Enter a new credential; raises `DuplicateKey` when its ref or its place in the status list is taken."""
    await tx.insert(CREDENTIALS, credential.ref, _body(credential))


async def is_taken(reader: Reader, status_list: str, index: int) -> bool:
    """Whether a credential has that place in a status list."""
    place: dict[str, Scalar] = {"status_list": status_list, "status_index": index}
    return bool(await reader.scan(CREDENTIALS, where=place, limit=1))


async def change(tx: Transaction, before: Credential, after: Credential) -> Credential:
    """Keep a changed credential, and when its suspension ends; returns it in its new version."""
    if before.until is not None:
        await tx.delete(SUSPENSION_ENDS, _due_key(before.until, before.ref))
    if after.until is not None:
        await tx.insert(SUSPENSION_ENDS, _due_key(after.until, after.ref), {})
    version = await tx.put(CREDENTIALS, before.ref, _body(after), expect=before.version)
    return replace(after, version=version)


async def by_key(reader: Reader, kid: str, after: str, limit: int) -> list[Credential]:
    """Credentials that a key signed, whatever their status, a page in order of their refs."""
    return [_credential(row) for row in await reader.scan(CREDENTIALS, where={"kid": kid}, after=after, limit=limit)]


async def unrevoked_by_key(reader: Reader, kid: str) -> int:
    """How many credentials of a key are not revoked."""
    return sum([await reader.count(CREDENTIALS, {"kid": kid, "status": status}) for status in STANDING])


async def due(reader: Reader, now: datetime, limit: int) -> list[str]:
    """Refs of the credentials whose suspension has ended by `now`, the longest due first."""
    rows = await reader.scan(SUSPENSION_ENDS, limit=limit)
    return [row.key.partition("/")[2] for row in rows if row.key <= _due_key(now, "~")]


async def refuse(tx: Transaction, issued: CredentialIssued, entry_hash: str, reason: str, now: datetime) -> None:
    """Keep why an issuance was not registered; a repeat changes nothing."""
    body = {
        "institution": issued.institution,
        "credential_type": issued.credential_type,
        "reason": reason,
        "at": rfc3339(now),
    }
    key = f"{issued.ref}/{entry_hash}"
    if await tx.get(REFUSALS, key) is None:
        await tx.insert(REFUSALS, key, body)


async def refusal(reader: Reader, ref: str, tenant: str | None) -> Document | None:
    """The refusal of a ref that was never registered, within what `tenant` may see."""
    for row in await reader.scan(REFUSALS, prefix=f"{ref}/"):
        if tenant in (None, row.body["institution"]):
            return row
    return None


def _due_key(until: datetime, ref: str) -> str:
    """In whole milliseconds, as the time is stored, so that it is found again."""
    return f"{until.astimezone(UTC):%Y%m%dT%H%M%S}{until.microsecond // 1000:03d}/{ref}"


def _body(held: Credential) -> dict[str, Any]:
    return {
        "institution": held.institution,
        "kid": held.kid,
        "credential_type": held.credential_type,
        "commitments": dict(held.commitments),
        "status_list": held.status_list,
        "status_index": held.status_index,
        "registered": rfc3339(held.registered),
        "replaces": held.replaces,
        "status": held.status,
        "reason": held.reason,
        "effective": rfc3339(held.effective) if held.effective else None,
        "until": rfc3339(held.until) if held.until else None,
        "replaced_by": held.replaced_by,
    }


def _credential(row: Document) -> Credential:
    body = row.body
    return Credential(
        row.key,
        body["institution"],
        body["kid"],
        body["credential_type"],
        body["commitments"],
        body["status_list"],
        body["status_index"],
        datetime.fromisoformat(body["registered"]),
        body["replaces"],
        body["status"],
        body["reason"],
        _moment(body["effective"]),
        _moment(body["until"]),
        body["replaced_by"],
        row.version,
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None

"""How credentials, refusals and the ends of suspensions are stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypedDict, cast

from services.registry.credentials.domain import ADVICE_ON_REF, Credential, CredentialNotFound, CredentialStatus
from shared.clock import rfc3339
from shared.events.issuance import CredentialIssued
from shared.events.status import PublicReason
from shared.store.port import Collection, Document, Index, Reader, Scalar, Transaction

CREDENTIALS = Collection(
    "credentials",
    (Index(("kid", "status")), Index(("status_list", "status_index"), unique=True), Index(("status_list", "status"))),
)
"""By ref: a `CredentialRow`; the version of the credential is the document's."""

REFUSALS = Collection("refusals")
"""By `<ref>/<entry hash>`: an issuance that was not registered, `{institution, credential_type, reason, at}`."""

SUSPENSION_ENDS = Collection("suspension_ends")
"""By `<time>/<ref>`, in the order of the times: `{}`, a suspension that ends by itself then."""

COLLECTIONS = (CREDENTIALS, REFUSALS, SUSPENSION_ENDS)


class CredentialRow(TypedDict):
    """A credential as it is stored: the members of `Credential`, times as RFC 3339."""

    institution: str
    kid: str
    credential_type: str
    commitments: Mapping[str, str]
    status_list: str | None
    status_index: int | None
    registered: str
    replaces: str | None
    status: CredentialStatus
    reason: PublicReason | None
    effective: str | None
    until: str | None
    replaced_by: str | None


UNREVOKED: tuple[CredentialStatus, ...] = ("active", "suspended")
"""The statuses of a credential that is not revoked."""


async def find(reader: Reader, ref: str, tenant: str | None = None) -> Credential | None:
    """The credential of that ref within what `tenant` may see (None: all), or None."""
    row = await reader.get(CREDENTIALS, ref)
    if row is None or tenant not in (None, row.body["institution"]):
        return None
    return _from_row(row)


async def get(reader: Reader, ref: str, tenant: str | None) -> Credential:
    """As `find`; raises `CredentialNotFound`, the same whether it is not there or not yours."""
    found = await find(reader, ref, tenant)
    if found is None:
        raise CredentialNotFound(ADVICE_ON_REF)
    return found


async def add(tx: Transaction, credential: Credential) -> None:
    """Enter a new credential; raises `DuplicateKey` when its ref or its index in the status list is taken."""
    await tx.insert(CREDENTIALS, credential.ref, _to_row(credential))


async def is_taken(reader: Reader, status_list: str, index: int) -> bool:
    """Whether a credential has that index in a status list."""
    where: dict[str, Scalar] = {"status_list": status_list, "status_index": index}
    return bool(await reader.scan(CREDENTIALS, where=where, limit=1))


async def change(tx: Transaction, before: Credential, after: Credential) -> Credential:
    """Keep a changed credential, and when its suspension ends; returns it in its new version."""
    if before.until is not None:
        await tx.delete(SUSPENSION_ENDS, _end_key(before.until, before.ref))
    if after.until is not None:
        await tx.insert(SUSPENSION_ENDS, _end_key(after.until, after.ref), {})
    version = await tx.put(CREDENTIALS, before.ref, _to_row(after), expect=before.version)
    return replace(after, version=version)


async def by_key(reader: Reader, kid: str, after: str, limit: int) -> list[Credential]:
    """Credentials that a key signed, whatever their status, a page in order of their refs."""
    return [_from_row(row) for row in await reader.scan(CREDENTIALS, where={"kid": kid}, after=after, limit=limit)]


async def unrevoked_by_key(reader: Reader, kid: str) -> int:
    """How many credentials of a key are not revoked."""
    return sum([await reader.count(CREDENTIALS, {"kid": kid, "status": status}) for status in UNREVOKED])


async def due(reader: Reader, now: datetime, limit: int) -> list[str]:
    """Refs of the credentials whose suspension has ended by `now`, the longest due first."""
    rows = await reader.scan(SUSPENSION_ENDS, limit=limit)
    return [row.key.partition("/")[2] for row in rows if row.key <= _end_key(now, "~")]


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


def _end_key(until: datetime, ref: str) -> str:
    """In whole milliseconds, as the time is stored, so that it is found again."""
    return f"{until.astimezone(UTC):%Y%m%dT%H%M%S}{until.microsecond // 1000:03d}/{ref}"


def _to_row(credential: Credential) -> CredentialRow:
    return CredentialRow(
        institution=credential.institution,
        kid=credential.kid,
        credential_type=credential.credential_type,
        commitments=dict(credential.commitments),
        status_list=credential.status_list,
        status_index=credential.status_index,
        registered=rfc3339(credential.registered),
        replaces=credential.replaces,
        status=credential.status,
        reason=credential.reason,
        effective=rfc3339(credential.effective) if credential.effective else None,
        until=rfc3339(credential.until) if credential.until else None,
        replaced_by=credential.replaced_by,
    )


def _from_row(document: Document) -> Credential:
    row = cast("CredentialRow", document.body)
    return Credential(
        ref=document.key,
        institution=row["institution"],
        kid=row["kid"],
        credential_type=row["credential_type"],
        commitments=row["commitments"],
        status_list=row["status_list"],
        status_index=row["status_index"],
        registered=datetime.fromisoformat(row["registered"]),
        replaces=row["replaces"],
        status=row["status"],
        reason=row["reason"],
        effective=_instant(row["effective"]),
        until=_instant(row["until"]),
        replaced_by=row["replaced_by"],
        version=document.version,
    )


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None

"""How institutions, accreditations and keys are stored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict, cast

from services.registry.trust.domain import (
    Accreditation,
    AccreditationNotFound,
    InstitutionKeyKnown,
    InstitutionNotFound,
    KeyNotFound,
    KeyStatus,
    RegisteredKey,
    instant,
)
from shared.events.trust import InstitutionAccredited
from shared.store.port import Collection, Document, DuplicateKey, Index, Reader, Transaction

INSTITUTIONS = Collection("institutions")
"""By slug: `{name, country, identifiers}` as the newest accreditation gave them."""

ACCREDITATIONS = Collection("accreditations")
"""By `<slug>/<accreditation>`: `{event, withdrawn}`, the event as the JSON that was emitted."""

INSTITUTION_KEYS = Collection("institution_keys", (Index(("kid",), unique=True),))
"""By `<slug>/<kid>`: a `KeyRow`; one key is one institution's."""

ANNOUNCED = Collection("announced_keys")
"""By key id: the service keys of this node whose certificates its trust stream carries; `{retired: true}` where the stream
carries their end too.
"""

COLLECTIONS = (INSTITUTIONS, ACCREDITATIONS, INSTITUTION_KEYS, ANNOUNCED)


class KeyRow(TypedDict):
    """An institution's key as it is stored: the members of `RegisteredKey`."""

    institution: str
    kid: str
    jwk: Mapping[str, Any]
    status: KeyStatus
    stand_to: int


async def institution(reader: Reader, slug: str) -> Document:
    """The institution of that name; raises `InstitutionNotFound`."""
    found = await reader.get(INSTITUTIONS, slug)
    if found is None:
        raise InstitutionNotFound("Accredit it first, or check its name against /institutions.")
    return found


async def institutions(reader: Reader, after: str, limit: int) -> list[Document]:
    """Institutions in order of their names."""
    return await reader.scan(INSTITUTIONS, after=after, limit=limit)


async def enter_institution(tx: Transaction, accredited: InstitutionAccredited) -> None:
    """Keep what an accreditation says of the institution itself."""
    body = {"name": accredited.name, "country": accredited.country, "identifiers": accredited.identifiers}
    row = await tx.get(INSTITUTIONS, accredited.institution)
    await tx.put(INSTITUTIONS, accredited.institution, body, expect=row.version if row else 0)


async def accreditations(reader: Reader, slug: str) -> list[Accreditation]:
    """All accreditations of an institution, withdrawn ones included."""
    return [_accreditation(row) for row in await reader.scan(ACCREDITATIONS, prefix=f"{slug}/")]


async def accreditation(reader: Reader, slug: str, ref: str) -> Accreditation:
    """One accreditation; raises `AccreditationNotFound`."""
    row = await reader.get(ACCREDITATIONS, f"{slug}/{ref}")
    if row is None:
        raise AccreditationNotFound("Check its id against the institution's page.")
    return _accreditation(row)


async def save_accreditation(tx: Transaction, accreditation: Accreditation) -> None:
    """Keep an accreditation, new or changed."""
    event = accreditation.event
    body = {"event": event.value().decode(), "withdrawn": instant(accreditation.withdrawn)}
    await tx.put(ACCREDITATIONS, f"{event.institution}/{event.accreditation}", body, expect=accreditation.version)


async def keys(reader: Reader, slug: str) -> list[RegisteredKey]:
    """All keys of an institution, retired ones included."""
    return [_key(row) for row in await reader.scan(INSTITUTION_KEYS, prefix=f"{slug}/")]


async def find_key(reader: Reader, slug: str, kid: str) -> RegisteredKey | None:
    """That institution's key of that id, or None."""
    row = await reader.get(INSTITUTION_KEYS, f"{slug}/{kid}")
    return _key(row) if row else None


async def key(reader: Reader, slug: str, kid: str) -> RegisteredKey:
    """That institution's key of that id; raises `KeyNotFound`."""
    found = await find_key(reader, slug, kid)
    if found is None:
        raise KeyNotFound("Check its id against the institution's page.")
    return found


async def key_of_anyone(reader: Reader, kid: str, tenant: str | None) -> RegisteredKey:
    """The key of that id, of any institution that `tenant` may see (None: all); raises `KeyNotFound`."""
    rows = await reader.scan(INSTITUTION_KEYS, where={"kid": kid}, limit=1)
    if not rows or tenant not in (None, rows[0].body["institution"]):
        raise KeyNotFound("Check its id against the institution's page.")
    return _key(rows[0])


async def save_key(tx: Transaction, key: RegisteredKey) -> None:
    """Keep a key, new or changed; raises `InstitutionKeyKnown` when a new one is on record already, here or elsewhere."""
    row = KeyRow(institution=key.institution, kid=key.kid, jwk=dict(key.jwk), status=key.status, stand_to=key.stand_to)
    name = f"{key.institution}/{key.kid}"
    if key.version:
        await tx.put(INSTITUTION_KEYS, name, row, expect=key.version)
        return
    try:
        await tx.insert(INSTITUTION_KEYS, name, row)
    except DuplicateKey:
        raise InstitutionKeyKnown("Make a new key for this institution.") from None


async def announce(tx: Transaction, kid: str) -> bool:
    """Note that a service key's certificate is being emitted; False when it was emitted before."""
    if await tx.get(ANNOUNCED, kid) is not None:
        return False
    await tx.insert(ANNOUNCED, kid, {})
    return True


async def retire(tx: Transaction, kid: str) -> bool:
    """Note that a service key's end is being emitted; False when it was emitted before, or the key never was."""
    row = await tx.get(ANNOUNCED, kid)
    if row is None or row.body.get("retired"):
        return False
    await tx.put(ANNOUNCED, kid, {"retired": True}, expect=row.version)
    return True


def _accreditation(document: Document) -> Accreditation:
    withdrawn = document.body["withdrawn"]
    event = InstitutionAccredited.model_validate_json(document.body["event"])
    return Accreditation(event, datetime.fromisoformat(withdrawn) if withdrawn else None, document.version)


def _key(document: Document) -> RegisteredKey:
    row = cast("KeyRow", document.body)
    return RegisteredKey(
        institution=row["institution"],
        kid=row["kid"],
        jwk=row["jwk"],
        status=row["status"],
        stand_to=row["stand_to"],
        version=document.version,
    )

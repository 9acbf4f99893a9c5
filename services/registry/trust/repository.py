"""How institutions, accreditations and keys are stored."""

from __future__ import annotations

from datetime import datetime

from services.registry.trust.domain import (
    Accreditation,
    AccreditationNotFound,
    InstitutionKey,
    InstitutionKeyKnown,
    InstitutionNotFound,
    KeyNotFound,
    instant,
)
from shared.events.trust import InstitutionAccredited
from shared.store.port import Collection, Document, DuplicateKey, Index, Reader, Transaction

INSTITUTIONS = Collection("institutions")
"""By slug: `{name, country, identifiers}` as the newest accreditation gave them."""

ACCREDITATIONS = Collection("accreditations")
"""By `<slug>/<accreditation>`: `{event, withdrawn}`, the event as the JSON that was said."""

INSTITUTION_KEYS = Collection("institution_keys", (Index(("kid",), unique=True),))
"""By `<slug>/<kid>`: `{institution, kid, jwk, status, stand_to}`; one key is one institution's."""

ANNOUNCED = Collection("announced_keys")
"""By key id: the service keys of this node whose certificate its trust stream carries; `{retired: true}` where that says
also that they sign no more.
"""

COLLECTIONS = (INSTITUTIONS, ACCREDITATIONS, INSTITUTION_KEYS, ANNOUNCED)


async def institution(reader: Reader, slug: str) -> Document:
    """The institution of that name; raises `InstitutionNotFound`."""
    found = await reader.get(INSTITUTIONS, slug)
    if found is None:
        raise InstitutionNotFound("Accredit it first, or check its name against /institutions.")
    return found


async def institutions(reader: Reader, after: str, limit: int) -> list[Document]:
    """Institutions in order of their names."""
    return await reader.scan(INSTITUTIONS, after=after, limit=limit)


async def enter_institution(tx: Transaction, said: InstitutionAccredited) -> None:
    """Keep what an accreditation says of the institution itself."""
    body = {"name": said.name, "country": said.country, "identifiers": said.identifiers}
    held = await tx.get(INSTITUTIONS, said.institution)
    await tx.put(INSTITUTIONS, said.institution, body, expect=held.version if held else 0)


async def accreditations(reader: Reader, slug: str) -> list[Accreditation]:
    """All accreditations of an institution, withdrawn ones included."""
    return [_accreditation(row) for row in await reader.scan(ACCREDITATIONS, prefix=f"{slug}/")]


async def accreditation(reader: Reader, slug: str, ref: str) -> Accreditation:
    """One accreditation; raises `AccreditationNotFound`."""
    row = await reader.get(ACCREDITATIONS, f"{slug}/{ref}")
    if row is None:
        raise AccreditationNotFound("Check its id against the institution's page.")
    return _accreditation(row)


async def save_accreditation(tx: Transaction, held: Accreditation) -> None:
    """Keep an accreditation, new or changed."""
    said = held.event
    body = {"event": said.value().decode(), "withdrawn": instant(held.withdrawn)}
    await tx.put(ACCREDITATIONS, f"{said.institution}/{said.accreditation}", body, expect=held.version)


async def keys(reader: Reader, slug: str) -> list[InstitutionKey]:
    """All keys of an institution, retired ones included."""
    return [_key(row) for row in await reader.scan(INSTITUTION_KEYS, prefix=f"{slug}/")]


async def find_key(reader: Reader, slug: str, kid: str) -> InstitutionKey | None:
    """That institution's key of that id, or None."""
    row = await reader.get(INSTITUTION_KEYS, f"{slug}/{kid}")
    return _key(row) if row else None


async def key(reader: Reader, slug: str, kid: str) -> InstitutionKey:
    """That institution's key of that id; raises `KeyNotFound`."""
    found = await find_key(reader, slug, kid)
    if found is None:
        raise KeyNotFound("Check its id against the institution's page.")
    return found


async def key_of_anyone(reader: Reader, kid: str, tenant: str | None) -> InstitutionKey:
    """The key of that id, whosever it is within what `tenant` may see (None: all); raises `KeyNotFound`."""
    rows = await reader.scan(INSTITUTION_KEYS, where={"kid": kid}, limit=1)
    if not rows or tenant not in (None, rows[0].body["institution"]):
        raise KeyNotFound("Check its id against the institution's page.")
    return _key(rows[0])


async def save_key(tx: Transaction, held: InstitutionKey) -> None:
    """Keep a key, new or changed; raises `InstitutionKeyKnown` when a new one is on record already, here or elsewhere."""
    body = {
        "institution": held.institution,
        "kid": held.kid,
        "jwk": dict(held.jwk),
        "status": held.status,
        "stand_to": held.stand_to,
    }
    place = f"{held.institution}/{held.kid}"
    if held.version:
        await tx.put(INSTITUTION_KEYS, place, body, expect=held.version)
        return
    try:
        await tx.insert(INSTITUTION_KEYS, place, body)
    except DuplicateKey:
        raise InstitutionKeyKnown("Make a new key for this institution.") from None


async def announce(tx: Transaction, kid: str) -> bool:
    """Note that a service key's certificate is being said; False when it was said before."""
    if await tx.get(ANNOUNCED, kid) is not None:
        return False
    await tx.insert(ANNOUNCED, kid, {})
    return True


async def retire(tx: Transaction, kid: str) -> bool:
    """Note that a service key's end is being said; False when it was said before, or the key never was."""
    row = await tx.get(ANNOUNCED, kid)
    if row is None or row.body.get("retired"):
        return False
    await tx.put(ANNOUNCED, kid, {"retired": True}, expect=row.version)
    return True


def _accreditation(row: Document) -> Accreditation:
    withdrawn = row.body["withdrawn"]
    said = InstitutionAccredited.model_validate_json(row.body["event"])
    return Accreditation(said, datetime.fromisoformat(withdrawn) if withdrawn else None, row.version)


def _key(row: Document) -> InstitutionKey:
    body = row.body
    return InstitutionKey(body["institution"], body["kid"], body["jwk"], body["status"], body["stand_to"], row.version)

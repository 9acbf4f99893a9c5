"""How offers are stored: this node's as they are published, others' as they are heard. A withdrawn one keeps its name."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from services.registry.catalogue.domain import MOST_OFFERS, CatalogueFull, Listed
from shared.clock import rfc3339
from shared.credential.offer import Offer
from shared.store.port import Collection, Document, Index, Reader, Transaction
from shared.store.walk import every

OFFERS = Collection("offers", (Index(("origin",)),))
"""By `<node>/<institution>/<offer>`: `{origin, version, published, change, document}`; no document: withdrawn."""

CHANGES = Collection("offer_changes")
"""By the number of the change: `{offer}`; of each offer its last change only. An index reads on from the last it knows."""

COUNTER = Collection("offer_counter")
"""One document; its version is the number of the last change."""

COLLECTIONS = (OFFERS, CHANGES, COUNTER)


async def find(reader: Reader, key: str) -> Document | None:
    """The row of an offer, withdrawn ones included."""
    return await reader.get(OFFERS, key)


async def of_institution(reader: Reader, node: str, institution: str) -> list[Document]:
    """The rows of an institution's offers."""
    return [row async for row in every(reader, OFFERS, prefix=f"{node}/{institution}/")]


async def keep(tx: Transaction, key: str, version: int, document: Mapping[str, Any] | None, at: datetime) -> None:
    """Keep what an offer is now; None: withdrawn. Raises `CatalogueFull` where its node has named too many."""
    held, origin = await find(tx, key), key.partition("/")[0]
    if held is None and await tx.count(OFFERS, {"origin": origin}) >= MOST_OFFERS:
        raise CatalogueFull("Publish a new version of an offer that was withdrawn, under its old name.")
    if held is not None:
        await tx.delete(CHANGES, _number(held.body["change"]))
    counter = await tx.get(COUNTER, "changes")
    change = await tx.put(COUNTER, "changes", {}, expect=counter.version if counter else 0)
    body = {"origin": origin, "version": version, "published": rfc3339(at), "change": change, "document": document}
    await tx.put(OFFERS, key, body, expect=held.version if held else 0)
    await tx.insert(CHANGES, _number(change), {"offer": key})


async def last_change(reader: Reader) -> int:
    """The number of the last change, 0 before the first."""
    counter = await reader.get(COUNTER, "changes")
    return counter.version if counter else 0


async def changes(reader: Reader, after: int) -> list[Document]:
    """The next changes after one."""
    return await reader.scan(CHANGES, after=_number(after) if after else "")


def listed(row: Document | None) -> Listed | None:
    """A row as the catalogue lists it; None where there is nothing to list, or nothing that this software can read."""
    if row is None or row.body["document"] is None:
        return None
    try:
        offer = Offer.published(row.body["document"])
    except ValidationError:
        return None
    return Listed.of(row.key, row.body["version"], datetime.fromisoformat(row.body["published"]), offer)


def _number(change: int) -> str:
    return f"{change:015d}"

"""How offers are stored: this node's as they are published, others' as they are received. A withdrawn one keeps its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict, cast

from pydantic import ValidationError

from services.registry.catalogue.domain import MAX_OFFERS, CatalogueFull, ListedOffer
from shared.clock import rfc3339
from shared.credential.offer import Offer
from shared.store.port import Collection, Document, Index, Reader, Transaction
from shared.store.walk import every

OFFERS = Collection("offers", (Index(("origin",)),))
"""By `<node>/<institution>/<offer>`: an `OfferRow`."""

CHANGES = Collection("offer_changes")
"""By the number of the change: `{offer}`; of each offer its last change only. An index reads on from the last it knows."""

COUNTER = Collection("offer_counter")
"""One document; its version is the number of the last change."""

COLLECTIONS = (OFFERS, CHANGES, COUNTER)


class OfferRow(TypedDict):
    """An offer as it is stored, with the time of its publication as RFC 3339."""

    origin: str
    version: int
    published: str
    change: int
    document: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOffer:
    """An offer under its key `<node>/<institution>/<offer>`, withdrawn ones included."""

    key: str
    version: int
    """Which version of the offer it is."""
    published: datetime
    change: int
    """The number of its last change."""
    document: Mapping[str, Any] | None
    """The offer as it was published; None once it is withdrawn."""
    row_version: int
    """That of the stored document."""

    @classmethod
    def from_row(cls, document: Document) -> StoredOffer:
        """The offer out of its stored document."""
        row = cast("OfferRow", document.body)
        return cls(
            key=document.key,
            version=row["version"],
            published=datetime.fromisoformat(row["published"]),
            change=row["change"],
            document=row["document"],
            row_version=document.version,
        )

    def listed(self) -> ListedOffer | None:
        """The offer as the catalogue lists it; None where it is withdrawn, or where this software cannot read it."""
        if self.document is None:
            return None
        try:
            offer = Offer.published(self.document)
        except ValidationError:
            return None
        return ListedOffer.of(self.key, self.version, self.published, offer)


async def find(reader: Reader, key: str) -> StoredOffer | None:
    """The offer of that key, also where it is withdrawn."""
    row = await reader.get(OFFERS, key)
    return StoredOffer.from_row(row) if row else None


async def find_listed(reader: Reader, key: str) -> ListedOffer | None:
    """The offer of that key as the catalogue lists it, or None."""
    stored = await find(reader, key)
    return stored.listed() if stored else None


async def of_institution(reader: Reader, node: str, institution: str) -> list[StoredOffer]:
    """An institution's offers, withdrawn ones included."""
    return [StoredOffer.from_row(row) async for row in every(reader, OFFERS, prefix=f"{node}/{institution}/")]


async def keep(tx: Transaction, key: str, version: int, document: Mapping[str, Any] | None, at: datetime) -> None:
    """Keep what an offer is now; None: withdrawn. Raises `CatalogueFull` where its node has named too many."""
    before, origin = await find(tx, key), key.partition("/")[0]
    if before is None and await tx.count(OFFERS, {"origin": origin}) >= MAX_OFFERS:
        raise CatalogueFull("Publish a new version of an offer that was withdrawn, under its old name.")
    if before is not None:
        await tx.delete(CHANGES, _number(before.change))
    counter = await tx.get(COUNTER, "changes")
    change = await tx.put(COUNTER, "changes", {}, expect=counter.version if counter else 0)
    row = OfferRow(origin=origin, version=version, published=rfc3339(at), change=change, document=document)
    await tx.put(OFFERS, key, row, expect=before.row_version if before else 0)
    await tx.insert(CHANGES, _number(change), {"offer": key})


async def last_change(reader: Reader) -> int:
    """The number of the last change, 0 before the first."""
    counter = await reader.get(COUNTER, "changes")
    return counter.version if counter else 0


async def changes(reader: Reader, after: int) -> list[Document]:
    """The next changes after one."""
    return await reader.scan(CHANGES, after=_number(after) if after else "")


def _number(change: int) -> str:
    return f"{change:015d}"

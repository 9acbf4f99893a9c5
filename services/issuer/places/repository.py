"""How it is stored which places of the status lists are taken."""

from __future__ import annotations

from collections.abc import Iterable

from services.issuer.places.domain import StatusPlace
from shared.store.port import Collection, Reader, Transaction
from shared.store.walk import every

STATUS_INDEXES = Collection("status_indexes")
"""By `<list>/<index>`: `{ref}`, of the credential that has the place."""

COLLECTIONS = (STATUS_INDEXES,)


async def take_place(tx: Transaction, place: StatusPlace, ref: str) -> None:
    """Take a place for a credential; raises `DuplicateKey` when it is taken."""
    await tx.insert(STATUS_INDEXES, place.key, {"ref": ref})


async def take_places(tx: Transaction, places: Iterable[tuple[StatusPlace, str]]) -> None:
    """Take all these places, each for the credential of its ref; raises `DuplicateKey` when any is taken."""
    await tx.insert_many(STATUS_INDEXES, [(place.key, {"ref": ref}) for place, ref in places])


async def taken_places(reader: Reader, list_name: str) -> set[int]:
    """The indexes in a status list that are taken."""
    return {int(row.key.partition("/")[2]) async for row in every(reader, STATUS_INDEXES, prefix=f"{list_name}/")}

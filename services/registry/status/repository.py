"""What is stored of a status list: that it is there, how long it is, and a version that moves with its bits.

The bits themselves are the credentials' states and are read from them.
"""

from __future__ import annotations

from services.registry.credentials.domain import Status
from services.registry.credentials.repository import CREDENTIALS
from services.registry.status.domain import length_for
from shared.store.port import Collection, Document, Reader, Transaction
from shared.store.walk import every

STATUS_LISTS = Collection("status_lists")
"""By name: `{length}`; its version rises with each change of a bit."""

COLLECTIONS = (STATUS_LISTS,)


async def enter(tx: Transaction, name: str, index: int) -> bool:
    """Make room for an index, and the list where it is new; False when no list is that long."""
    held = await tx.get(STATUS_LISTS, name)
    length = length_for(index, held.body["length"] if held else 0)
    if length is None:
        return False
    if held is None or held.body["length"] != length:
        await tx.put(STATUS_LISTS, name, {"length": length}, expect=held.version if held else 0)
    return True


async def touch(tx: Transaction, name: str) -> None:
    """Say that a bit of this list changes in this transaction."""
    held = await tx.get(STATUS_LISTS, name)
    if held is not None:
        await tx.put(STATUS_LISTS, name, held.body, expect=held.version)


async def find(reader: Reader, name: str) -> Document | None:
    """The list of that name, or None."""
    return await reader.get(STATUS_LISTS, name)


async def indexes(reader: Reader, name: str, status: Status) -> list[int]:
    """The places in the list of all credentials of that status."""
    rows = every(reader, CREDENTIALS, where={"status_list": name, "status": status})
    return [row.body["status_index"] async for row in rows]

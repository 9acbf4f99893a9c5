"""What is stored of a status list: that it is there, how long it is, and a version that moves with its bits.

The bits themselves are the credentials' statuses; `services.registry.status` reads and publishes them. A list has at least
131,072 entries and grows by doubling, so that its length does not tell how many credentials there are.
"""

from __future__ import annotations

from shared.status.bitstring import MIN_ENTRIES
from shared.store.port import Collection, Document, Reader, Transaction

STATUS_LISTS = Collection("status_lists")
"""By name: `{length}`; its version rises with each change of a bit."""

COLLECTIONS = (STATUS_LISTS,)

MAX_ENTRIES = 1 << 20
"""The longest list: 128 KB of bits. An issuer begins a new one long before."""


def length_for(index: int, length: int) -> int | None:
    """How long a list of `length` entries must be to hold `index`; None when that is beyond any list."""
    if index >= MAX_ENTRIES:
        return None
    longer = max(length, MIN_ENTRIES)
    while longer <= index:
        longer *= 2
    return longer


async def enter(tx: Transaction, name: str, index: int) -> bool:
    """Make room for an index, and the list where it is new; False when no list is that long."""
    row = await tx.get(STATUS_LISTS, name)
    length = length_for(index, row.body["length"] if row else 0)
    if length is None:
        return False
    if row is None or row.body["length"] != length:
        await tx.put(STATUS_LISTS, name, {"length": length}, expect=row.version if row else 0)
    return True


async def touch(tx: Transaction, name: str) -> None:
    """Note that a bit of this list changes in this transaction."""
    row = await tx.get(STATUS_LISTS, name)
    if row is not None:
        await tx.put(STATUS_LISTS, name, row.body, expect=row.version)


async def find(reader: Reader, name: str) -> Document | None:
    """The list of that name, or None."""
    return await reader.get(STATUS_LISTS, name)

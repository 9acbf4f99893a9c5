"""Keys whose credentials are revoked all at once: nothing such a key signs is registered any more."""

from __future__ import annotations

from shared.store.port import Collection, Document, Reader, Transaction

CUTOFFS = Collection("key_cutoffs")
"""By key id: `{operation, stand_to}`. Of the operations that revoked the key's credentials it is the one that lets the
fewest registrations stand, and `stand_to` is the last of these.
"""


async def cutoff(reader: Reader, kid: str) -> Document | None:
    """The row that says that the credentials of this key are revoked, or None."""
    return await reader.get(CUTOFFS, kid)


async def kept_up_to(reader: Reader, kid: str) -> int | None:
    """The last registration by this key that stands, now that the rest is revoked; None: nothing was revoked so."""
    row = await cutoff(reader, kid)
    return row.body["stand_to"] if row else None


async def cut_off(tx: Transaction, kid: str, operation: str, stand_to: int) -> None:
    """Keep that an operation revokes this key's credentials; of several the one that lets the fewest stand."""
    row = await cutoff(tx, kid)
    if row is None or stand_to < row.body["stand_to"]:
        await tx.put(CUTOFFS, kid, {"operation": operation, "stand_to": stand_to}, expect=row.version if row else 0)

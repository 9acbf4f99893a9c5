"""A lease with a fencing token: at most one holder acts, and a holder that lost it is found out when it commits.

The clock only decides when somebody else may try. What keeps a zombie out is the token, compared inside the transaction
that would have done harm.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from shared.clock import MAX_SKEW
from shared.errors import Conflict
from shared.store.port import Collection, Store, Transaction, VersionConflict

LEASES = Collection("leases")
"""Per lease: `{holder, token, until}`; the token rises with each change of holder."""

TERM = timedelta(seconds=2)
"""How long a lease lasts without being renewed; a standby takes over after that. Short, since the token keeps harm out."""


class LeaseLost(Conflict):
    """Another process holds the lease now; what was being done is thrown away."""

    title = "Another process has taken over this work."


async def acquire(store: Store, name: str, holder: str, now: datetime) -> int | None:
    """Take or renew a lease; returns the fencing token, or None while somebody else holds it."""

    async def work(tx: Transaction) -> int | None:
        held = await tx.get(LEASES, name)
        until = (now + TERM).timestamp()
        if held is None:
            await tx.insert(LEASES, name, {"holder": holder, "token": 1, "until": until})
            return 1
        mine = held.body["holder"] == holder
        if not mine and now < datetime.fromtimestamp(held.body["until"], UTC) <= now + TERM + MAX_SKEW:
            return None  # a lease that lasts longer was written by a clock that was wrong
        token = int(held.body["token"]) + (not mine)
        await tx.put(LEASES, name, {"holder": holder, "token": token, "until": until}, expect=held.version)
        return token

    try:
        return await store.transact(work)
    except VersionConflict:
        return None


async def fence(tx: Transaction, name: str, token: int) -> None:
    """Refuse to go on in this transaction unless `token` is still the lease's: `LeaseLost`."""
    held = await tx.get(LEASES, name)
    if held is None or held.body["token"] != token:
        raise LeaseLost("Nothing was kept; this process stands by until the lease is free again.")


async def release(store: Store, name: str, token: int) -> None:
    """Give a lease back, so that a standby need not wait for its end."""

    async def work(tx: Transaction) -> None:
        held = await tx.get(LEASES, name)
        if held and held.body["token"] == token:
            await tx.put(LEASES, name, {**held.body, "until": 0.0}, expect=held.version)

    await store.transact(work)

"""Transactions whose owner will not end them: a process was killed, or gave up, between its writes and its commit.

MongoDB keeps such a transaction open for up to a minute (`transactionLifetimeLimitSeconds`), and with it the guard, so that
no other could write. A writer that is kept waiting by one ends it. That is safe also where its owner lives and was only
slow: a transaction that was ended cannot commit, and its owner runs it again.
"""

from __future__ import annotations

from typing import Any

from pymongo.errors import PyMongoError

IDLE_SECONDS = 1.0
"""How long nothing may have been heard of a transaction. Between two commands of ours lie milliseconds."""

_PREFIX = "testamur "


def application(database: str) -> str:
    """The name under which the clients of one service's database are known to the server (at most 128 bytes)."""
    return _PREFIX + database


async def end_idle(client: Any, database: str) -> None:
    """End the idle transactions of this database's clients; what cannot be found or ended is left to the server."""
    idle = {
        "appName": application(database),
        "type": "idleSession",
        "transaction.timeInactiveMicros": {"$gte": int(IDLE_SECONDS * 1_000_000)},
    }
    # A user may see and end its own sessions without further rights.
    pipeline = [{"$currentOp": {"allUsers": False, "idleSessions": True}}, {"$match": idle}]
    try:
        found = await client["admin"].command("aggregate", 1, pipeline=pipeline, cursor={})
        sessions = [{"id": one["lsid"]["id"]} for one in found["cursor"]["firstBatch"]]
        if sessions:
            await client["admin"].command("killSessions", sessions)
    except PyMongoError:
        return

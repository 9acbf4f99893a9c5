"""How it is stored what each administrator ended alone.

Each service hands in its own collection. Its rows go by `<pseudonym>/<time>/<id>`: `{count}`. A row that has left the window
is deleted by the next count of the same person.
"""

from __future__ import annotations

from datetime import UTC, datetime

from shared.ids import new_event_id
from shared.store.port import Collection, Transaction
from shared.two_persons.domain import SINGLE_PERSON_LIMIT, WINDOW


async def ended_alone(tx: Transaction, counts: Collection, person: str, now: datetime) -> int:
    """How many credentials this administrator ended alone within the window. Far beyond the limit it is not counted on."""
    since = _time_key(person, now - WINDOW)
    rows = await tx.scan(counts, prefix=f"{person}/", after=since, limit=SINGLE_PERSON_LIMIT + 1)
    return sum(row.body["count"] for row in rows)


async def count_alone(tx: Transaction, counts: Collection, person: str, now: datetime, count: int) -> None:
    """Keep that this administrator ended `count` more alone, and delete what has left the window."""
    since = _time_key(person, now - WINDOW)
    for row in await tx.scan(counts, prefix=f"{person}/", limit=SINGLE_PERSON_LIMIT + 1):
        if row.key < since:
            await tx.delete(counts, row.key)
    await tx.insert(counts, f"{_time_key(person, now)}/{new_event_id()}", {"count": count})


def _time_key(person: str, moment: datetime) -> str:
    return f"{person}/{moment.astimezone(UTC):%Y%m%dT%H%M%S%f}"

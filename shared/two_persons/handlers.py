"""Spending what one administrator may end alone, in the transaction that ends it.

What is lost if the process dies here: nothing. The count becomes durable together with what was ended, or not at all.
"""

from __future__ import annotations

from shared.log.outbox import Unit
from shared.store.port import Collection
from shared.two_persons.domain import SINGLE_PERSON_LIMIT
from shared.two_persons.repository import count_alone, ended_alone


async def spend(unit: Unit, counts: Collection, person: str, count: int) -> bool:
    """Count `count` credentials as ended by this administrator (their pseudonym) alone; False, and nothing is counted, where
    that is beyond the limit. `counts` is the service's own collection, as `shared.two_persons.repository` says.
    """
    if count > SINGLE_PERSON_LIMIT or await ended_alone(unit.tx, counts, person, unit.now) + count > SINGLE_PERSON_LIMIT:
        return False
    if count:
        await count_alone(unit.tx, counts, person, unit.now, count)
    return True

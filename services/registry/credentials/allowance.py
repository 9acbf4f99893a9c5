"""What one administrator may revoke alone (protocol, section 7): where it is counted, and what is advised beyond it."""

from __future__ import annotations

from shared.events.issuance import actor_pseudonym
from shared.log.outbox import Unit
from shared.store.port import Collection
from shared.two_persons.domain import SINGLE_PERSON_LIMIT, SecondPersonNeeded
from shared.two_persons.handlers import spend
from shared.web.auth.authorities import Caller

REVOKED_ALONE = Collection("revocation_hours")
"""By `<pseudonym of the administrator>/<time>/<id>`: `{count}`, what one of them revoked alone."""


async def charge(unit: Unit, caller: Caller, count: int) -> None:
    """Count revocations against what the caller may do alone; raises `SecondPersonNeeded` beyond that."""
    if not await spend(unit, REVOKED_ALONE, actor_pseudonym(caller.actor), count):
        raise SecondPersonNeeded(
            f"Beyond {SINGLE_PERSON_LIMIT} an hour, ask by POST /revocations and have another administrator confirm."
        )

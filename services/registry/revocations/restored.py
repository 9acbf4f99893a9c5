"""What a mass revocation of this registry did, done again where its store was set back (ADR 17).

The operation is there again under its id. Who had asked for it, and who confirmed it, was in the old store alone.
"""

from __future__ import annotations

from dataclasses import replace

from services.registry.credentials import repository as credentials
from services.registry.revocations import repository
from services.registry.revocations.domain import Operation, OperationNotFound
from services.registry.revocations.handlers import revoke_named
from shared.events.status import CredentialsRevoked
from shared.inbox.received import Received
from shared.log.outbox import Unit

UNKNOWN = "restored from the log"
"""Stands where the name of whoever asked would stand."""


async def restore_revoked(unit: Unit, received: Received[CredentialsRevoked]) -> None:
    """The refs that it names are revoked, or its key is cut off and its credentials follow page by page."""
    said = received.event
    operation = await _operation(unit, said)
    if said.key is not None:
        await repository.cut_off(unit.tx, said.key, operation)
        return await repository.save(unit.tx, replace(operation, state="applying"))
    found = [await credentials.find(unit.tx, ref) for ref in said.refs]
    done = await revoke_named(unit, operation, [held for held in found if held is not None])
    return await repository.save(unit.tx, replace(operation, state="done", applied=operation.applied + len(done)))


async def _operation(unit: Unit, said: CredentialsRevoked) -> Operation:
    """The operation, which may have waited for its second person when the backup was made."""
    try:
        return await repository.get(unit.tx, said.operation, None)
    except OperationNotFound:
        stands = said.registrations_stand_to or 0
        return Operation(
            said.operation,
            UNKNOWN,
            unit.now,
            said.reason,
            said.effective,
            None,
            said.refs,
            said.key,
            stands,
            "done",
            UNKNOWN,
        )

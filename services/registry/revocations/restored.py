"""What a mass revocation of this registry did, done again where its store was set back (ADR 17).

The operation is there again under its id. Who asked for it and who confirmed it is lost: the log does not say it.
"""

from __future__ import annotations

from dataclasses import replace

from services.registry.credentials import repository as credentials
from services.registry.revocations import repository
from services.registry.revocations.domain import Operation, OperationNotFound
from services.registry.revocations.handlers import revoke_named
from services.registry.trust.cutoffs import cut_off
from shared.events.status import CredentialsRevoked
from shared.inbox.received import Received
from shared.log.outbox import Unit

RESTORED = "restored from the log"
"""Stands in a restored operation for the persons who asked and confirmed."""


async def restore_revoked(unit: Unit, received: Received[CredentialsRevoked]) -> None:
    """The refs that it names are revoked, or its key is cut off and its credentials follow page by page."""
    event = received.event
    operation = await _operation(unit, event)
    if event.key is not None:
        await cut_off(unit.tx, event.key, operation.id, operation.stand_to)
        return await repository.save(unit.tx, replace(operation, state="applying"))
    found = [await credentials.find(unit.tx, ref) for ref in event.refs]
    done = await revoke_named(unit, operation, [credential for credential in found if credential is not None])
    return await repository.save(unit.tx, replace(operation, state="done", applied=operation.applied + len(done)))


async def _operation(unit: Unit, event: CredentialsRevoked) -> Operation:
    """The operation, which may have waited for its second person when the backup was made."""
    try:
        return await repository.get(unit.tx, event.operation, None)
    except OperationNotFound:
        return Operation(
            id=event.operation,
            asked_by=RESTORED,
            asked=unit.now,
            reason=event.reason,
            effective=event.effective,
            refs=event.refs,
            key=event.key,
            stand_to=event.registrations_stand_to or 0,
            state="done",
            confirmed_by=RESTORED,
        )

"""What this registry's own events did to its credentials, done again where its store was set back (ADR 17).

Nothing is emitted and nothing is checked again: it was checked when it was emitted. What is there already stays as it is.
"""

from __future__ import annotations

from services.registry.credentials import domain, repository, status_lists
from shared.events.registrations import CredentialRegistered
from shared.events.status import CredentialReinstated, CredentialRevoked, CredentialSuspended
from shared.inbox.received import Received
from shared.log.outbox import Unit


async def restore_registered(unit: Unit, received: Received[CredentialRegistered]) -> None:
    """A credential is in the register again; its index in the status list follows with its issuance."""
    event = received.event
    if await repository.find(unit.tx, event.ref) is None:
        await repository.add(unit.tx, domain.registered_before(event, received.entry.envelope.issued_at))


async def restore_changed(
    unit: Unit, received: Received[CredentialSuspended | CredentialReinstated | CredentialRevoked]
) -> None:
    """A credential is suspended, reinstated or revoked as it was."""
    event = received.event
    before = await repository.find(unit.tx, event.ref)
    after = domain.changed_before(before, event) if before else None
    if before is None or after is None or after == before:
        return
    await repository.change(unit.tx, before, after)
    if before.status_list is not None:
        await status_lists.touch(unit.tx, before.status_list)

"""What this registry's own events did to its credentials, done again where its store was set back (ADR 17).

Nothing is said by it and nothing is checked: it was, when it was said. What is there already stays as it is.
"""

from __future__ import annotations

from services.registry.credentials import domain, repository
from services.registry.status import repository as lists
from shared.events.registrations import CredentialRegistered
from shared.events.status import CredentialReinstated, CredentialRevoked, CredentialSuspended
from shared.inbox.received import Received
from shared.log.outbox import Unit


async def restore_registered(unit: Unit, received: Received[CredentialRegistered]) -> None:
    """A credential is in the register again; its place in the status list follows with its issuance."""
    said = received.event
    if await repository.find(unit.tx, said.ref) is None:
        await repository.add(unit.tx, domain.registered_before(said, received.entry.envelope.issued_at))


async def restore_changed(
    unit: Unit, received: Received[CredentialSuspended | CredentialReinstated | CredentialRevoked]
) -> None:
    """A credential is suspended, reinstated or revoked as it was."""
    said = received.event
    before = await repository.find(unit.tx, said.ref)
    after = domain.changed_before(before, said) if before else None
    if before is None or after is None or after == before:
        return
    await repository.change(unit.tx, before, after)
    if before.status_list is not None:
        await lists.touch(unit.tx, before.status_list)

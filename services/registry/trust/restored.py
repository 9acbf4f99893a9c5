"""What this registry's own events did to its institutions, done again where its store was set back (ADR 17).

Nothing is said by it and nothing is checked: it was, when it was said. What is there already stays as it is.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from services.registry.trust import repository
from services.registry.trust.domain import Accreditation, AccreditationNotFound, InstitutionKey
from shared.events.trust import (
    AccreditationWithdrawn,
    InstitutionAccredited,
    InstitutionKeyAdded,
    InstitutionKeyRetired,
    ServiceKeyAdded,
)
from shared.inbox.received import Received
from shared.log.outbox import Unit


async def restore_accredited(unit: Unit, received: Received[InstitutionAccredited]) -> None:
    """An institution is accredited again, as it was."""
    said = received.event
    await repository.enter_institution(unit.tx, said)
    try:
        await repository.accreditation(unit.tx, said.institution, said.accreditation)
    except AccreditationNotFound:
        await repository.save_accreditation(unit.tx, Accreditation(said))


async def restore_withdrawn(unit: Unit, received: Received[AccreditationWithdrawn]) -> None:
    """An accreditation is withdrawn again, since when it was."""
    said = received.event
    with suppress(AccreditationNotFound):
        held = await repository.accreditation(unit.tx, said.institution, said.accreditation)
        if held.withdrawn is None:
            await repository.save_accreditation(unit.tx, replace(held, withdrawn=said.effective))


async def restore_key(unit: Unit, received: Received[InstitutionKeyAdded | InstitutionKeyRetired]) -> None:
    """A key of an institution is on record again, or retired again."""
    said = received.event
    held = await repository.find_key(unit.tx, said.institution, said.kid)
    if isinstance(said, InstitutionKeyAdded):
        if held is None:
            await repository.save_key(unit.tx, InstitutionKey(said.institution, said.kid, said.jwk))
    elif held is not None and held.status != "compromised":
        retired = replace(held, status=said.reason, stand_to=said.registrations_stand_to or 0)
        await repository.save_key(unit.tx, retired)


async def restore_announced(unit: Unit, received: Received[ServiceKeyAdded]) -> None:
    """That a service key's certificate was said."""
    await repository.announce(unit.tx, received.event.kid)

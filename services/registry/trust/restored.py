"""What this registry's own events did to its institutions, done again where its store was set back (ADR 17).

Nothing is emitted and nothing is checked again: it was checked when it was emitted. What is there already stays as it is.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from services.registry.trust import repository
from services.registry.trust.domain import Accreditation, AccreditationNotFound, RegisteredKey
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
    event = received.event
    await repository.enter_institution(unit.tx, event)
    try:
        await repository.accreditation(unit.tx, event.institution, event.accreditation)
    except AccreditationNotFound:
        await repository.save_accreditation(unit.tx, Accreditation(event))


async def restore_withdrawn(unit: Unit, received: Received[AccreditationWithdrawn]) -> None:
    """An accreditation is withdrawn again, since when it was."""
    event = received.event
    with suppress(AccreditationNotFound):
        accreditation = await repository.accreditation(unit.tx, event.institution, event.accreditation)
        if accreditation.withdrawn is None:
            await repository.save_accreditation(unit.tx, replace(accreditation, withdrawn=event.effective))


async def restore_key(unit: Unit, received: Received[InstitutionKeyAdded | InstitutionKeyRetired]) -> None:
    """A key of an institution is on record again, or retired again."""
    event = received.event
    key = await repository.find_key(unit.tx, event.institution, event.kid)
    if isinstance(event, InstitutionKeyAdded):
        if key is None:
            await repository.save_key(unit.tx, RegisteredKey(event.institution, event.kid, event.jwk))
    elif key is not None and key.status != "compromised":
        retired = replace(key, status=event.reason, stand_to=event.registrations_stand_to or 0)
        await repository.save_key(unit.tx, retired)


async def restore_announced(unit: Unit, received: Received[ServiceKeyAdded]) -> None:
    """A service key's certificate counts as emitted again."""
    await repository.announce(unit.tx, received.event.kid)

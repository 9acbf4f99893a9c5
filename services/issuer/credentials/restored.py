"""What is restored of a credential that was issued after the backup to which this issuer was set back (ADR 17).

The issuer's own log says that it was issued, with which commitments and in which place of a status list, and what it
replaces; these are noted again. What it said of its learner was in the old store alone. Only the learner still has it.
"""

from __future__ import annotations

from contextlib import suppress

from services.issuer.credentials import repository
from services.issuer.credentials.domain import CredentialUnknown
from services.issuer.places.domain import StatusPlace
from services.issuer.places.repository import take_place
from shared.clock import rfc3339
from shared.events.issuance import CredentialIssued
from shared.inbox.received import Received
from shared.log.outbox import Unit
from shared.store.port import DuplicateKey
from shared.telemetry import get_logger

_log = get_logger("issuer")


async def restore_issued(unit: Unit, received: Received[CredentialIssued]) -> None:
    """Take its place again, note that its contents are lost, and see to it that a cohort does not issue it a second time."""
    event = received.event
    if await unit.tx.get(repository.CREDENTIALS, event.ref) is not None:
        return
    with suppress(DuplicateKey):
        await take_place(unit.tx, StatusPlace(event.status_list, event.status_index), event.ref)
    if event.replaces is not None:
        with suppress(DuplicateKey):
            await repository.take_replacement(unit.tx, event.replaces, event.ref)
    with suppress(CredentialUnknown):  # unless a cohort was accepted with it, and not issued as far as this store knows
        await repository.erase_early(unit.tx, event.ref, unit.now, None)
    with suppress(DuplicateKey):
        lost = {"institution": event.institution, "commitments": event.commitments, "issued": rfc3339(event.issued)}
        await unit.tx.insert(repository.LOST_CREDENTIALS, event.ref, lost)
    await unit.audit("credential.lost", event.ref, institution=event.institution)
    _log.warning("the contents of a credential were lost with the old store", ref=event.ref, institution=event.institution)

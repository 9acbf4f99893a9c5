"""What can be had back of a credential that was issued after the backup to which this issuer was set back (ADR 17).

Its own log says that it was issued, with which commitments and in which place; the place is taken again, and so is that it
replaces another. What it said of its learner was in the old store alone: the learner has it, and nobody here.
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
    """Take its place again, name it as lost, and see that what was accepted for it is not issued a second time."""
    said = received.event
    if await unit.tx.get(repository.CREDENTIALS, said.ref) is not None:
        return
    with suppress(DuplicateKey):
        await take_place(unit.tx, StatusPlace(said.status_list, said.status_index), said.ref)
    if said.replaces is not None:
        with suppress(DuplicateKey):
            await repository.take_replacement(unit.tx, said.replaces, said.ref)
    with suppress(CredentialUnknown):  # unless a cohort was accepted with it, and not issued as far as this store knows
        await repository.erase_early(unit.tx, said.ref, unit.now, None)
    with suppress(DuplicateKey):
        lost = {"institution": said.institution, "commitments": said.commitments, "issued": rfc3339(said.issued)}
        await unit.tx.insert(repository.LOST, said.ref, lost)
    await unit.audit("credential.lost", said.ref, institution=said.institution)
    _log.warning("the contents of a credential were lost with the old store", ref=said.ref, institution=said.institution)

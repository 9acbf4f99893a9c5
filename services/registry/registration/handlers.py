"""What is done when a credential was issued: it is registered, or it is kept why not.

What is lost if the process dies here: nothing. The issuance is received anew, and a repeat changes nothing.
"""

from __future__ import annotations

from dataclasses import replace

from services.registry.credentials import domain, repository, status_lists
from services.registry.credentials.domain import Credential
from services.registry.revocations.handlers import supersede
from services.registry.trust import repository as trust
from services.registry.trust.cutoffs import cutoff
from services.registry.trust.domain import not_covered
from shared.events.issuance import CredentialIssued
from shared.inbox.received import Received
from shared.log.outbox import Unit
from shared.store.port import DuplicateKey
from shared.trust.scope import RequiredScope


async def on_credential_issued(unit: Unit, received: Received[CredentialIssued]) -> None:
    """Register what this node's issuer signed, or keep why not.

    A correction takes the place of the old credential in the same transaction. Where the person who asked for it has ended
    ten this hour already, the old one holds until a second person confirms.
    """
    issued = received.event
    before = await repository.find(unit.tx, issued.ref)
    if before is not None and domain.is_repeat(before, issued):
        if before.status_list is None:
            await _give_status_index(unit, before, issued)
        return
    replaced = await repository.find(unit.tx, issued.replaces, issued.institution) if issued.replaces else None
    reason = "ref-taken" if before is not None else await _reason_to_refuse(unit, issued, replaced)
    reason = reason or await _register(unit, issued, replaced)
    if reason is not None:
        await repository.refuse(unit.tx, issued, received.hash, reason, unit.now)
        await unit.audit("credential.refuse", issued.ref, reason=reason)


async def _reason_to_refuse(unit: Unit, issued: CredentialIssued, replaced: Credential | None) -> str | None:
    """Why this credential may not be registered now, as a slug, or None."""
    wanted = RequiredScope(issued.credential_type, issued.eqf, issued.isced_f)
    uncovered = not_covered(await trust.accreditations(unit.tx, issued.institution), wanted, unit.now)
    if uncovered is not None:
        return uncovered
    key = await trust.find_key(unit.tx, issued.institution, issued.kid)
    if key is None or key.status != "active":
        return "key-not-active"
    if await cutoff(unit.tx, issued.kid) is not None:
        return "key-revoked"
    return "replaced-already" if replaced is not None and replaced.replaced_by is not None else None


async def _register(unit: Unit, issued: CredentialIssued, replaced: Credential | None) -> str | None:
    """Register, and let it supersede what it replaces; gives the reason when its index in the status list is not free."""
    if not await status_lists.enter(unit.tx, issued.status_list, issued.status_index):
        return "status-index-out-of-range"
    credential, registered = domain.register(issued, replaced, unit.now)
    try:
        await repository.add(unit.tx, credential)
    except DuplicateKey:
        return "status-index-taken"
    await unit.emit(registered)
    await unit.audit("credential.register", issued.ref)
    if replaced is not None and replaced.status != "revoked":
        await supersede(unit, issued, replaced)
    return None


async def _give_status_index(unit: Unit, before: Credential, issued: CredentialIssued) -> None:
    """A credential that was restored from this registry's own log gets its index in the status list from its issuance."""
    if await repository.is_taken(unit.tx, issued.status_list, issued.status_index):
        return
    if not await status_lists.enter(unit.tx, issued.status_list, issued.status_index):
        return
    after = replace(before, status_list=issued.status_list, status_index=issued.status_index)
    await repository.change(unit.tx, before, after)
    await status_lists.touch(unit.tx, issued.status_list)

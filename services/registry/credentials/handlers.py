"""What is done about credentials: one function a command, one for the event heard, one for what falls due."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from services.registry.credentials import domain, repository
from services.registry.credentials.commands import CredentialView, RevokeCredential, SuspendCredential, view
from services.registry.credentials.domain import Credential
from services.registry.revocations.handlers import spend, supersede
from services.registry.revocations.repository import cutoff
from services.registry.status import repository as lists
from services.registry.trust import repository as trust
from services.registry.trust.domain import not_covered
from shared.events.base import Event
from shared.events.issuance import CredentialIssued
from shared.inbox.received import Received
from shared.log.outbox import Outbox, Unit
from shared.store.port import DuplicateKey, Reader
from shared.trust.scope import Wanted
from shared.web.auth.authorities import Caller
from shared.web.conditional import require_match

DUE_PAGE = 100
"""Suspensions that one transaction ends: it stays short, and none waits behind a long one."""


async def on_credential_issued(unit: Unit, received: Received[CredentialIssued]) -> None:
    """Register what this node's issuer signed, or keep why not. A correction takes the place of the old in one go,
    unless whoever asked for it has ended ten this hour: then the old one holds until a second person confirms.
    """
    issued = received.event
    held = await repository.find(unit.tx, issued.ref)
    if held is not None and domain.is_repeat(held, issued):
        if held.status_list is None:
            await _give_place(unit, held, issued)
        return
    replaced = await repository.find(unit.tx, issued.replaces, issued.institution) if issued.replaces else None
    reason = "ref-taken" if held is not None else await _reason_to_refuse(unit, issued, replaced)
    reason = reason or await _register(unit, issued, replaced)
    if reason is not None:
        await repository.refuse(unit.tx, issued, received.hash, reason, unit.now)
        await unit.audit("credential.refuse", issued.ref, reason=reason)


async def revoke_credential(
    unit: Unit, caller: Caller, ref: str, command: RevokeCredential, expected: int | None
) -> CredentialView:
    """End a credential for ever; counts towards what one administrator may revoke alone."""
    before = await _held(unit, caller, ref, expected)
    after, event = domain.revoke(before, command.reason, unit.now, command.effective)
    await spend(unit, caller, 1)
    return await _changed(unit, before, after, event, "credential.revoke")


async def suspend_credential(
    unit: Unit, caller: Caller, ref: str, command: SuspendCredential, expected: int | None
) -> CredentialView:
    """Let a credential not hold for now."""
    before = await _held(unit, caller, ref, expected)
    after, event = domain.suspend(before, command.reason, command.until, unit.now)
    return await _changed(unit, before, after, event, "credential.suspend")


async def reinstate_credential(unit: Unit, caller: Caller, ref: str, expected: int | None) -> CredentialView:
    """Let a suspended credential hold again."""
    before = await _held(unit, caller, ref, expected)
    after, event = domain.reinstate(before, unit.now)
    return await _changed(unit, before, after, event, "credential.reinstate")


async def reinstate_due(outbox: Outbox) -> int:
    """End the suspensions whose time has come, the longest due first; returns how many, at most a page.

    What is lost if the process dies here: nothing. What is due stays due until the transaction that ends it.
    """
    if not await repository.due(outbox.store, outbox.clock.now(), 1):
        return 0

    async def work(unit: Unit) -> int:
        refs = await repository.due(unit.tx, unit.now, DUE_PAGE)
        for ref in refs:
            before = await repository.get(unit.tx, ref, None)
            after, event = domain.reinstate(before, unit.now)
            await _changed(unit, before, after, event, "credential.reinstate")
        return len(refs)

    return await outbox.transact(work, actor="registry")


async def show_credential(reader: Reader, ref: str, tenant: str | None) -> CredentialView:
    """A credential, or why it was refused, within what `tenant` may see (None: all); raises `CredentialNotFound`."""
    held = await repository.find(reader, ref, tenant)
    if held is not None:
        return view(held)
    refused = await repository.refusal(reader, ref, tenant)
    if refused is None:
        raise domain.CredentialNotFound(domain.UNKNOWN_REF)
    return CredentialView(
        ref=ref,
        status="refused",
        version=0,
        institution=refused.body["institution"],
        credential_type=refused.body["credential_type"],
        registered=None,
        effective=datetime.fromisoformat(refused.body["at"]),
        reason=refused.body["reason"],
        until=None,
        replaces=None,
        replaced_by=None,
    )


async def _reason_to_refuse(unit: Unit, issued: CredentialIssued, replaced: Credential | None) -> str | None:
    """Why this credential may not be registered now, as a slug, or None."""
    wanted = Wanted(issued.credential_type, issued.eqf, issued.isced_f)
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
    """Register, and let it supersede what it replaces; gives the reason when it has no free place in its status list."""
    if not await lists.enter(unit.tx, issued.status_list, issued.status_index):
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


async def _give_place(unit: Unit, held: Credential, issued: CredentialIssued) -> None:
    """A credential that came back from the own log gets its place in the status list back from its issuance."""
    if await repository.is_taken(unit.tx, issued.status_list, issued.status_index):
        return
    if not await lists.enter(unit.tx, issued.status_list, issued.status_index):
        return
    placed = replace(held, status_list=issued.status_list, status_index=issued.status_index)
    await repository.change(unit.tx, held, placed)
    await lists.touch(unit.tx, issued.status_list)


async def _held(unit: Unit, caller: Caller, ref: str, expected: int | None) -> Credential:
    held = await repository.get(unit.tx, ref, caller.institution)
    require_match(expected, held.version)
    return held


async def _changed(unit: Unit, before: Credential, after: Credential, event: Event, action: str) -> CredentialView:
    """Keep, say and record one change of status."""
    kept = await repository.change(unit.tx, before, after)
    if before.status_list is not None:
        await lists.touch(unit.tx, before.status_list)
    await unit.emit(event)
    await unit.audit(action, before.ref, version=before.version)
    return view(kept)

"""What is done about registered credentials: one function a command, and one for the suspensions that fall due."""

from __future__ import annotations

from datetime import datetime

from services.registry.credentials import domain, repository, status_lists
from services.registry.credentials.allowance import charge
from services.registry.credentials.commands import RegisteredCredentialView, RevokeCredential, SuspendCredential, view
from services.registry.credentials.domain import Credential
from shared.events.base import Event
from shared.log.outbox import Outbox, Unit
from shared.store.port import Reader
from shared.web.auth.authorities import Caller
from shared.web.conditional import require_match

DUE_PAGE = 100
"""Suspensions that one transaction ends: it stays short, and none waits behind a long one."""


async def revoke_credential(
    unit: Unit, caller: Caller, ref: str, command: RevokeCredential, expected: int | None
) -> RegisteredCredentialView:
    """End a credential for ever; counts towards what one administrator may revoke alone."""
    before = await _at_version(unit, caller, ref, expected)
    after, event = domain.revoke(before, command.reason, unit.now, command.effective)
    await charge(unit, caller, 1)
    return await _keep_change(unit, before, after, event, "credential.revoke")


async def suspend_credential(
    unit: Unit, caller: Caller, ref: str, command: SuspendCredential, expected: int | None
) -> RegisteredCredentialView:
    """Let a credential not hold for now."""
    before = await _at_version(unit, caller, ref, expected)
    after, event = domain.suspend(before, command.reason, command.until, unit.now)
    return await _keep_change(unit, before, after, event, "credential.suspend")


async def reinstate_credential(unit: Unit, caller: Caller, ref: str, expected: int | None) -> RegisteredCredentialView:
    """Let a suspended credential hold again."""
    before = await _at_version(unit, caller, ref, expected)
    after, event = domain.reinstate(before, unit.now)
    return await _keep_change(unit, before, after, event, "credential.reinstate")


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
            await _keep_change(unit, before, after, event, "credential.reinstate")
        return len(refs)

    return await outbox.transact(work, actor="registry")


async def show_credential(reader: Reader, ref: str, tenant: str | None) -> RegisteredCredentialView:
    """A credential, or why it was refused, within what `tenant` may see (None: all); raises `CredentialNotFound`."""
    credential = await repository.find(reader, ref, tenant)
    if credential is not None:
        return view(credential)
    refused = await repository.refusal(reader, ref, tenant)
    if refused is None:
        raise domain.CredentialNotFound(domain.ADVICE_ON_REF)
    return RegisteredCredentialView(
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


async def _at_version(unit: Unit, caller: Caller, ref: str, expected: int | None) -> Credential:
    """The credential, as the caller may see it and in the version that the caller expects (None: in any)."""
    credential = await repository.get(unit.tx, ref, caller.institution)
    require_match(expected, credential.version)
    return credential


async def _keep_change(
    unit: Unit, before: Credential, after: Credential, event: Event, action: str
) -> RegisteredCredentialView:
    """Store one change of status, emit its event and write its audit row."""
    changed = await repository.change(unit.tx, before, after)
    if before.status_list is not None:
        await status_lists.touch(unit.tx, before.status_list)
    await unit.emit(event)
    await unit.audit(action, before.ref, version=before.version)
    return view(changed)

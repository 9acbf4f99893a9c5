"""What is done to revoke many credentials: at once where one person may do that, otherwise once a second one confirms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from services.registry.credentials import repository as credentials
from services.registry.credentials import status_lists
from services.registry.credentials.allowance import REVOKED_ALONE
from services.registry.credentials.domain import Credential, check_effective, revoke, revoked
from services.registry.revocations import domain, repository
from services.registry.revocations.commands import OperationView, RevokeCredentials, view
from services.registry.revocations.domain import Operation
from services.registry.trust.cutoffs import cut_off
from services.registry.trust.repository import key_of_anyone
from shared.events.issuance import CredentialIssued, actor_pseudonym
from shared.ids import new_ref
from shared.log.outbox import Outbox, Unit
from shared.store.port import Reader
from shared.two_persons.domain import UNKNOWN_PERSON
from shared.two_persons.handlers import spend
from shared.web.auth.authorities import Caller

APPLY_PAGE = 500
"""Credentials that one transaction revokes when a key's are revoked; other work goes on between two pages."""


async def supersede(unit: Unit, issued: CredentialIssued, replaced: Credential) -> None:
    """End what a correction replaces: at once where the person who corrected may end it alone, otherwise once a second
    person confirms.
    """
    person = issued.asked_by or UNKNOWN_PERSON
    operation = Operation(
        id=issued.ref,
        asked_by=person,
        asked=unit.now,
        reason="superseded",
        effective=unit.now,
        institution=issued.institution,
        refs=(replaced.ref,),
        replaced_by=issued.ref,
    )
    if await spend(unit, REVOKED_ALONE, person, 1):
        await _supersede(unit, operation)
    else:
        await repository.save(unit.tx, operation)
        await unit.audit("credentials.revoke.ask", operation.id, count=1)


async def request_revocation(unit: Unit, caller: Caller, command: RevokeCredentials, node: str) -> OperationView:
    """Revoke many: at once where one administrator may do that alone, otherwise once a second one confirms."""
    operation = Operation(
        id=new_ref(),
        asked_by=caller.actor,
        asked=unit.now,
        reason=command.reason,
        effective=check_effective(command.effective, unit.now),
        institution=caller.institution,
        refs=command.refs,
        key=command.key,
        stand_to=command.registrations_stand_to or 0,
    )
    count = await _check(unit, caller, operation, node)
    await unit.audit("credentials.revoke.ask", operation.id, count=count)
    if not await spend(unit, REVOKED_ALONE, actor_pseudonym(caller.actor), count):
        await repository.save(unit.tx, operation)
        return view(operation)
    return view(await _carry_out(unit, operation))


async def confirm_revocation(unit: Unit, caller: Caller, operation_id: str) -> OperationView:
    """A second administrator confirms what a first one asked for: now it is done."""
    asked = await repository.get(unit.tx, operation_id, caller.institution)
    operation = domain.confirm(asked, caller.actor, unit.now)
    await unit.audit("credentials.revoke.confirm", operation.id)
    return view(await _carry_out(unit, operation))


async def show_operation(reader: Reader, operation_id: str, tenant: str | None) -> OperationView:
    """An operation within what `tenant` may see; raises `OperationNotFound`."""
    return view(await repository.get(reader, operation_id, tenant))


async def apply_key_revocations(outbox: Outbox, node: str) -> int:
    """Revoke the credentials of keys that are cut off; returns how many were revoked.

    It takes several transactions, for a key may have signed any number of credentials. Each stores the ref that it has
    reached. What is lost if the process dies here: nothing. Other nodes go by the event, and the next start goes on from
    the stored ref.
    """
    total = 0
    for operation in await repository.applying(outbox.store):
        assert operation.key is not None
        exempt = await repository.refs_that_stand(outbox.store, node, operation.key, operation.stand_to)
        while operation.state == "applying":
            before = operation.applied
            operation = await _apply_page(outbox, operation.id, exempt)
            total += operation.applied - before
    return total


async def _apply_page(outbox: Outbox, operation_id: str, exempt: frozenset[str]) -> Operation:
    async def work(unit: Unit) -> Operation:
        operation = await repository.get(unit.tx, operation_id, None)
        page = await credentials.by_key(unit.tx, operation.key or "", operation.cursor, APPLY_PAGE)
        done = await revoke_named(unit, operation, [credential for credential in page if credential.ref not in exempt])
        after = replace(
            operation,
            applied=operation.applied + len(done),
            cursor=page[-1].ref if page else operation.cursor,
            state="done" if len(page) < APPLY_PAGE else "applying",
        )
        await repository.save(unit.tx, after)
        return after

    return await outbox.transact(work, actor="registry")


async def _check(unit: Unit, caller: Caller, operation: Operation, node: str) -> int:
    """How many credentials it would revoke; raises where it names what is not there or not the caller's."""
    if operation.key is not None:
        await key_of_anyone(unit.tx, operation.key, caller.institution)
        if operation.stand_to > await repository.registrations_head(unit.tx, node):
            raise domain.RegistrationsNotReached("Give a sequence that the registrations have reached.")
        return await credentials.unrevoked_by_key(unit.tx, operation.key)
    named = [await credentials.get(unit.tx, ref, caller.institution) for ref in operation.refs]
    count = sum(credential.status != "revoked" for credential in named)
    if not count:
        raise domain.NothingToRevoke("Nothing is left to do; a revocation cannot be taken back or changed.")
    return count


async def _carry_out(unit: Unit, operation: Operation) -> Operation:
    """Emit the event and do it: a list or a correction at once, a key's credentials page by page from here on."""
    if operation.key is not None:
        await cut_off(unit.tx, operation.key, operation.id, operation.stand_to)
        await unit.emit(domain.event(operation))
        after = replace(operation, state="applying")
    elif operation.replaced_by is not None:
        after = replace(operation, state="done", applied=await _supersede(unit, operation))
    else:
        named = [await credentials.get(unit.tx, ref, None) for ref in operation.refs]
        done = await revoke_named(unit, operation, named)
        if done:
            await unit.emit(domain.event(operation, done))
        after = replace(operation, state="done", applied=len(done))
    await repository.save(unit.tx, after)
    return after


async def _supersede(unit: Unit, operation: Operation) -> int:
    """Revoke the one credential that another replaces, in an event that names the new one; returns how many were revoked."""
    before = await credentials.get(unit.tx, operation.refs[0], None)
    if before.status == "revoked":
        return 0
    after, event = revoke(before, operation.reason, unit.now, operation.effective, operation.replaced_by)
    await credentials.change(unit.tx, before, after)
    if before.status_list is not None:
        await status_lists.touch(unit.tx, before.status_list)
    await unit.emit(event)
    await unit.audit("credential.supersede", before.ref, version=before.version)
    return 1


async def revoke_named(unit: Unit, operation: Operation, named: Iterable[Credential]) -> tuple[str, ...]:
    """Revoke those that are not revoked yet, as the operation's one event says; returns their refs."""
    unrevoked = [before for before in named if before.status != "revoked"]
    for before in unrevoked:
        await credentials.change(unit.tx, before, revoked(before, operation.reason, operation.effective))
    for name in {before.status_list for before in unrevoked if before.status_list is not None}:
        await status_lists.touch(unit.tx, name)
    return tuple(before.ref for before in unrevoked)

"""What is done about institutions: one function a command, each inside one unit of work."""

from __future__ import annotations

from services.registry.context import WithdrawUncovered
from services.registry.credentials.allowance import charge
from services.registry.credentials.repository import unrevoked_by_key
from services.registry.trust import domain, repository
from services.registry.trust.commands import (
    AccreditationView,
    AccreditInstitution,
    AddKey,
    InstitutionKeyView,
    InstitutionView,
    RetireKey,
)
from services.registry.trust.cutoffs import kept_up_to
from shared.errors import Invalid
from shared.events.trust import InstitutionAccredited, Scope
from shared.ids import new_ref
from shared.log.outbox import Unit
from shared.store.port import Reader
from shared.trust.nodes import Node
from shared.web.auth.authorities import Caller


class ValidityBackwards(Invalid):
    """422: it would end before it begins."""

    title = "The accreditation would end before it begins."


async def accredit_institution(unit: Unit, caller: Caller, command: AccreditInstitution, me: Node) -> InstitutionView:
    """Vouch for an institution; `me` is this node as the federation lists it."""
    _nation_only(caller)
    row = await unit.tx.get(repository.INSTITUTIONS, command.institution)
    domain.check_jurisdiction(command.country, me.covers(command.country), row.body["country"] if row else None)
    event = _event(unit, command)
    await repository.enter_institution(unit.tx, event)
    await repository.save_accreditation(unit.tx, domain.Accreditation(event))
    await unit.emit(event)
    await unit.audit("institution.accredit", event.institution, accreditation=event.accreditation)
    return await show_institution(unit.tx, event.institution)


async def withdraw_accreditation(
    unit: Unit,
    caller: Caller,
    institution: str,
    accreditation: str,
    *,
    node: str,
    withdraw_uncovered: WithdrawUncovered,
) -> InstitutionView:
    """End an accreditation now, and have the offers withdrawn for which the institution is accredited no longer."""
    _nation_only(caller)
    before = await repository.accreditation(unit.tx, institution, accreditation)
    after, event = domain.withdraw(before, unit.now)
    await repository.save_accreditation(unit.tx, after)
    await unit.emit(event)
    await unit.audit("accreditation.withdraw", institution, accreditation=accreditation)
    await withdraw_uncovered(unit, node, institution)
    return await show_institution(unit.tx, institution)


async def add_key(unit: Unit, caller: Caller, institution: str, command: AddKey) -> InstitutionView:
    """Enter a key of an institution."""
    _nation_only(caller)
    await repository.institution(unit.tx, institution)
    key, event = domain.add_key(institution, command.kid, command.jwk)
    await repository.save_key(unit.tx, key)
    await unit.emit(event)
    await unit.audit("institution-key.add", institution, kid=command.kid)
    return await show_institution(unit.tx, institution)


async def retire_key(unit: Unit, caller: Caller, institution: str, kid: str, command: RetireKey) -> InstitutionView:
    """End a key of an institution.

    What a compromised key signed no longer holds. So finding it compromised counts as revoking it all, unless a second
    person has confirmed that already by `POST /revocations`. No fewer registrations may stand then than were agreed there.
    """
    _nation_only(caller)
    key = await repository.key(unit.tx, institution, kid)
    retired, event = domain.retire(key, command.reason, command.registrations_stand_to)
    agreed = await kept_up_to(unit.tx, kid)
    if command.reason == "compromised" and (agreed is None or retired.stand_to < agreed):
        await charge(unit, caller, await unrevoked_by_key(unit.tx, kid))
    await repository.save_key(unit.tx, retired)
    await unit.emit(event)
    await unit.audit("institution-key.retire", institution, kid=kid, reason=command.reason)
    return await show_institution(unit.tx, institution)


async def show_institution(reader: Reader, slug: str) -> InstitutionView:
    """An institution with its accreditations and keys; raises `InstitutionNotFound`."""
    row = await repository.institution(reader, slug)
    accreditations = await repository.accreditations(reader, slug)
    keys = await repository.keys(reader, slug)
    return InstitutionView(
        institution=slug,
        name=row.body["name"],
        country=row.body["country"],
        identifiers=row.body["identifiers"],
        accreditations=tuple(_accreditation_view(one) for one in accreditations),
        keys=tuple(_key_view(one) for one in keys),
    )


def _event(unit: Unit, command: AccreditInstitution) -> InstitutionAccredited:
    # an entry has whole seconds: an accreditation must not look later than what was registered within its first second
    begins = (command.valid_from or unit.now).replace(microsecond=0)
    if command.valid_until is not None and command.valid_until <= begins:
        raise ValidityBackwards("Give a later valid_until, or leave it out.")
    scope = command.scope
    return InstitutionAccredited(
        institution=command.institution,
        accreditation=new_ref(),
        name=command.name,
        country=command.country,
        identifiers=command.identifiers,
        scope=Scope(credential_types=scope.credential_types, eqf_max=scope.eqf_max, isced_f=scope.isced_f),
        valid_from=begins,
        valid_until=command.valid_until,
    )


def _nation_only(caller: Caller) -> None:
    if caller.institution is not None:
        raise domain.NationOnly("Use a token that acts for all of the nation's institutions.")


def _accreditation_view(accreditation: domain.Accreditation) -> AccreditationView:
    event = accreditation.event
    return AccreditationView(
        accreditation=event.accreditation,
        credential_types=event.scope.credential_types,
        eqf_max=event.scope.eqf_max,
        isced_f=event.scope.isced_f,
        valid_from=event.valid_from,
        valid_until=event.valid_until,
        withdrawn=accreditation.withdrawn,
    )


def _key_view(key: domain.RegisteredKey) -> InstitutionKeyView:
    stand_to = key.stand_to if key.status == "compromised" else None
    return InstitutionKeyView(kid=key.kid, status=key.status, registrations_stand_to=stand_to)

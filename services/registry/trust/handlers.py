"""What is done about institutions: one function a command, each inside one unit of work."""

from __future__ import annotations

from services.registry.catalogue.handlers import withdraw_uncovered
from services.registry.credentials.repository import unrevoked_by_key
from services.registry.revocations import handlers as revocations
from services.registry.revocations.repository import stands_to
from services.registry.trust import domain, repository
from services.registry.trust.commands import (
    AccreditationView,
    AccreditInstitution,
    AddKey,
    InstitutionView,
    KeyView,
    RetireKey,
)
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
    held = await unit.tx.get(repository.INSTITUTIONS, command.institution)
    domain.check_jurisdiction(command.country, me.covers(command.country), held.body["country"] if held else None)
    said = _said(unit, command)
    await repository.enter_institution(unit.tx, said)
    await repository.save_accreditation(unit.tx, domain.Accreditation(said))
    await unit.emit(said)
    await unit.audit("institution.accredit", said.institution, accreditation=said.accreditation)
    return await show_institution(unit.tx, said.institution)


async def withdraw_accreditation(
    unit: Unit, caller: Caller, institution: str, accreditation: str, node: str
) -> InstitutionView:
    """End an accreditation now, and withdraw what the institution may offer no longer."""
    _nation_only(caller)
    held = await repository.accreditation(unit.tx, institution, accreditation)
    ended, event = domain.withdraw(held, unit.now)
    await repository.save_accreditation(unit.tx, ended)
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

    Finding a key compromised takes standing from what it signed: that counts as revoking it all, unless a second person has
    confirmed just that by `POST /revocations`: no fewer registrations may stand than were agreed there.
    """
    _nation_only(caller)
    held = await repository.key(unit.tx, institution, kid)
    retired, event = domain.retire(held, command.reason, command.registrations_stand_to)
    agreed = await stands_to(unit.tx, kid)
    if command.reason == "compromised" and (agreed is None or retired.stand_to < agreed):
        await revocations.spend(unit, caller, await unrevoked_by_key(unit.tx, kid))
    await repository.save_key(unit.tx, retired)
    await unit.emit(event)
    await unit.audit("institution-key.retire", institution, kid=kid, reason=command.reason)
    return await show_institution(unit.tx, institution)


async def show_institution(reader: Reader, slug: str) -> InstitutionView:
    """An institution with its accreditations and keys; raises `InstitutionNotFound`."""
    held = await repository.institution(reader, slug)
    accreditations = await repository.accreditations(reader, slug)
    keys = await repository.keys(reader, slug)
    return InstitutionView(
        institution=slug,
        name=held.body["name"],
        country=held.body["country"],
        identifiers=held.body["identifiers"],
        accreditations=tuple(_accreditation_view(one) for one in accreditations),
        keys=tuple(_key_view(one) for one in keys),
    )


def _said(unit: Unit, command: AccreditInstitution) -> InstitutionAccredited:
    # an entry's own time has whole seconds: what begins within one must not look later than what was registered in it
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


def _accreditation_view(held: domain.Accreditation) -> AccreditationView:
    said = held.event
    return AccreditationView(
        accreditation=said.accreditation,
        credential_types=said.scope.credential_types,
        eqf_max=said.scope.eqf_max,
        isced_f=said.scope.isced_f,
        valid_from=said.valid_from,
        valid_until=said.valid_until,
        withdrawn=held.withdrawn,
    )


def _key_view(held: domain.InstitutionKey) -> KeyView:
    stand_to = held.stand_to if held.status == "compromised" else None
    return KeyView(kid=held.kid, status=held.status, registrations_stand_to=stand_to)

"""The HTTP API of institutions, their accreditations and keys."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Request, Response

from services.registry.context import RegistryContext
from services.registry.trust import handlers, repository
from services.registry.trust.commands import AccreditInstitution, AddKey, InstitutionSummary, InstitutionView, RetireKey
from shared.errors import Unavailable
from shared.ids import REF, SLUG
from shared.store.port import Document
from shared.trust.nodes import Node
from shared.web.auth.bearer import Caller, requires
from shared.web.idempotency import KEYED
from shared.web.paging import Page, Paged, page
from shared.web.strict import router

routes = router("institutions")

InstitutionName = Annotated[str, Path(pattern=f"^{SLUG}$", description="The institution's name on this node.")]
AccreditationId = Annotated[str, Path(pattern=f"^{REF}$", description="The accreditation's id.")]
KeyName = Annotated[str, Path(pattern="^[A-Za-z0-9_-]{1,128}$", description="The key's id.")]
Accreditor = Annotated[Caller, requires("institutions:accredit")]
Reading = Annotated[Caller, requires("institutions:read")]


class NotListed(Unavailable):
    """503: the federation list does not name this node, so it speaks for no country."""

    title = "The federation list does not name this node."


@routes.post("/institutions", status_code=201, response_model=InstitutionView, dependencies=[KEYED])
async def accredit_institution(command: AccreditInstitution, request: Request, caller: Accreditor) -> Response:
    """Accredit an institution of this nation; one that is accredited already gets a further accreditation."""
    context = RegistryContext.of(request)
    me = _me(context)
    return await context.transactions.answer(
        request,
        caller,
        lambda unit: handlers.accredit_institution(unit, caller, command, me),
        status=201,
        headers=lambda made: {"Location": f"{request.scope.get('root_path', '')}/institutions/{made.institution}"},
        required=True,
    )


@routes.get("/institutions")
async def list_institutions(request: Request, response: Response, paging: Paged, _: Reading) -> Page[InstitutionSummary]:
    """The institutions that this nation has accredited, by name."""
    found = await repository.institutions(RegistryContext.of(request).store, paging.after, paging.fetch)
    return page(found, paging, _summary, request, response)


@routes.get("/institutions/{institution}")
async def show_institution(institution: InstitutionName, request: Request, _: Reading) -> InstitutionView:
    """An institution with its accreditations and keys."""
    return await handlers.show_institution(RegistryContext.of(request).store, institution)


@routes.post(
    "/institutions/{institution}/accreditations/{accreditation}/withdraw",
    response_model=InstitutionView,
    dependencies=[KEYED],
)
async def withdraw_accreditation(
    institution: InstitutionName, accreditation: AccreditationId, request: Request, caller: Accreditor
) -> Response:
    """Withdraw an accreditation from now on; what was registered before stands."""
    context = RegistryContext.of(request)
    return await context.transactions.answer(
        request,
        caller,
        lambda unit: handlers.withdraw_accreditation(
            unit,
            caller,
            institution,
            accreditation,
            node=context.node,
            withdraw_uncovered=context.withdraw_uncovered,
        ),
        required=True,
    )


@routes.post("/institutions/{institution}/keys", status_code=201, response_model=InstitutionView, dependencies=[KEYED])
async def add_key(institution: InstitutionName, command: AddKey, request: Request, caller: Accreditor) -> Response:
    """Enter a key that the institution signs with."""
    return await RegistryContext.of(request).transactions.answer(
        request,
        caller,
        lambda unit: handlers.add_key(unit, caller, institution, command),
        status=201,
        headers=lambda made: {"Location": f"{request.scope.get('root_path', '')}/institutions/{made.institution}"},
        required=True,
    )


@routes.post("/institutions/{institution}/keys/{kid}/retire", response_model=InstitutionView, dependencies=[KEYED])
async def retire_key(
    institution: InstitutionName, kid: KeyName, command: RetireKey, request: Request, caller: Accreditor
) -> Response:
    """Retire a key. What a compromised one signed no longer holds, which may need a second person: POST /revocations."""
    return await RegistryContext.of(request).transactions.answer(
        request,
        caller,
        lambda unit: handlers.retire_key(unit, caller, institution, kid, command),
        required=True,
    )


def _me(context: RegistryContext) -> Node:
    me = context.membership.node(context.node)
    if me is None:
        raise NotListed("Have the federation's anchors list it, and put the signed list in place.")
    return me


def _summary(row: Document) -> InstitutionSummary:
    return InstitutionSummary(institution=row.key, name=row.body["name"], country=row.body["country"])

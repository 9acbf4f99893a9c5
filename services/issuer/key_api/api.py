"""The HTTP API of institutions' keys. Command in, view out."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Annotated

from fastapi import Path, Request, Response

from services.issuer.context import IssuerContext, require_institution
from services.issuer.key_api import handlers
from services.issuer.key_api.commands import SigningKeyView
from shared.ids import SLUG
from shared.web.auth.bearer import Caller, requires
from shared.web.idempotency import KEYED
from shared.web.request_transaction import RequestTransaction
from shared.web.strict import router

routes = router("keys")

Accreditor = Annotated[Caller, requires("institutions:accredit")]
Opened = AbstractAsyncContextManager[RequestTransaction[SigningKeyView]]
InstitutionSlug = Annotated[str, Path(pattern=f"^{SLUG}$", description="An institution's short name.")]


@routes.post("/institutions/{slug}/keys", status_code=201, response_model=SigningKeyView, dependencies=[KEYED])
async def make_key(request: Request, caller: Accreditor, slug: InstitutionSlug) -> Response:
    """Make a signing key for an institution. Give its public half to the registry, which announces it; then it signs.

    A key that was made and is not announced yet is given again rather than a second one made.
    """
    require_institution(slug, caller.institution)
    context = IssuerContext.of(request)
    opened: Opened = context.transactions.open(request, caller, status=201, required=True)
    async with opened as transaction:
        if kept := await transaction.kept():
            return kept
        signer = await context.new_key(slug)
        return await transaction.answer(lambda unit: handlers.make_key(unit, slug, signer))

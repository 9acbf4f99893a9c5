"""The HTTP door to institutions' keys. Command in, view out."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Request, Response

from services.issuer.context import IssuerContext
from services.issuer.credentials.handlers import require_institution
from services.issuer.keys import handlers
from services.issuer.keys.commands import KeyView
from shared.ids import SLUG
from shared.web.auth.bearer import Caller, requires
from shared.web.idempotency import KEYED
from shared.web.strict import router

routes = router("keys")

Accreditor = Annotated[Caller, requires("institutions:accredit")]
InstitutionSlug = Annotated[str, Path(pattern=f"^{SLUG}$", description="An institution's short name.")]


@routes.post("/institutions/{slug}/keys", status_code=201, response_model=KeyView, dependencies=[KEYED])
async def make_key(request: Request, caller: Accreditor, slug: InstitutionSlug) -> Response:
    """Make a signing key for an institution. Give its public half to the registry, which announces it; then it signs.

    A key that was made and is not announced yet is given again rather than a second one made.
    """
    require_institution(slug, caller.institution)
    context = IssuerContext.of(request)
    signer = await context.new_key(slug)
    return await context.door.answer(
        request, caller, lambda unit: handlers.make_key(unit, slug, signer), status=201, required=True
    )

"""The HTTP door to stacks."""

from __future__ import annotations

from fastapi import Request, Response

from services.issuer.context import IssuerContext
from services.issuer.credentials.api import ERASED, Issuer, issued, refused, require_may_replace
from services.issuer.credentials.commands import CredentialView
from services.issuer.credentials.handlers import require_institution
from services.issuer.stacks import handlers
from services.issuer.stacks.commands import StackCredential
from shared.errors import TestamurError
from shared.web.idempotency import KEYED
from shared.web.strict import router

routes = router("stacks")


@routes.post("/credentials/stack", status_code=201, response_model=CredentialView, dependencies=[KEYED], responses=ERASED)
async def stack(request: Request, caller: Issuer, command: StackCredential) -> Response:
    """Issue a larger credential from parts, of any institutions and countries, after its offer's rule."""
    require_institution(command.institution, caller.institution)
    require_may_replace(caller, command.replaces)
    try:
        whole, parts = await handlers.stacked(IssuerContext.of(request), command)
    except TestamurError as error:
        return await refused(request, caller, error)
    return await issued(request, caller, whole, parts)

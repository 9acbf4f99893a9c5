"""The HTTP API of stacks. Command in, view out."""

from __future__ import annotations

from fastapi import Request, Response

from services.issuer.context import IssuerContext, require_institution
from services.issuer.credentials.api import ERASED_RESPONSE, Issuer, require_may_replace, transaction_of
from services.issuer.credentials.commands import IssuedCredentialView
from services.issuer.credentials.handlers import draft_and_issue
from services.issuer.stacks import handlers
from services.issuer.stacks.commands import StackCredential
from shared.web.idempotency import KEYED
from shared.web.strict import router

routes = router("stacks")


@routes.post(
    "/credentials/stack",
    status_code=201,
    response_model=IssuedCredentialView,
    dependencies=[KEYED],
    responses=ERASED_RESPONSE,
)
async def stack(request: Request, caller: Issuer, command: StackCredential) -> Response:
    """Issue a larger credential from parts, of any institutions and countries, after its offer's rule."""
    require_institution(command.institution, caller.institution)
    require_may_replace(caller, command.replaces)
    context = IssuerContext.of(request)
    async with transaction_of(request, caller) as transaction:
        if kept := await transaction.kept():
            return kept
        larger, parts = await handlers.stacked(context, command)
        return await draft_and_issue(context, transaction, larger, parts)

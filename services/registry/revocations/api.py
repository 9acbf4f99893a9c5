"""The HTTP API of mass revocations."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Request, Response

from services.registry.context import RegistryContext
from services.registry.revocations import handlers
from services.registry.revocations.commands import OperationView, RevokeCredentials
from shared.ids import REF
from shared.web.auth.bearer import Caller, requires
from shared.web.idempotency import KEYED
from shared.web.strict import router

routes = router("revocations")

OperationId = Annotated[str, Path(pattern=f"^{REF}$", description="The operation's id.")]
Revoker = Annotated[Caller, requires("credentials:revoke")]


@routes.post("/revocations", status_code=202, response_model=OperationView, dependencies=[KEYED])
async def request_revocation(command: RevokeCredentials, request: Request, caller: Revoker) -> Response:
    """Revoke a list of credentials or what a key signed; beyond ten an hour it waits for a second administrator."""
    context = RegistryContext.of(request)
    return await context.transactions.answer(
        request,
        caller,
        lambda unit: handlers.request_revocation(unit, caller, command, context.node),
        status=202,
        headers=lambda made: {"Location": f"{request.scope.get('root_path', '')}/revocations/{made.operation}"},
        required=True,
    )


@routes.post("/revocations/{operation}/confirm", response_model=OperationView, dependencies=[KEYED])
async def confirm_revocation(operation: OperationId, request: Request, caller: Revoker) -> Response:
    """Confirm what another administrator asked for. A correction that waits goes by the ref of the new credential."""
    return await RegistryContext.of(request).transactions.answer(
        request, caller, lambda unit: handlers.confirm_revocation(unit, caller, operation), required=True
    )


@routes.get("/revocations/{operation}")
async def show_operation(operation: OperationId, request: Request, caller: Revoker) -> OperationView:
    """A mass revocation, and how far it has come."""
    return await handlers.show_operation(RegistryContext.of(request).store, operation, caller.institution)

"""The HTTP door to single credentials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import Path, Request, Response

from services.registry.credentials import handlers
from services.registry.credentials.commands import CredentialView, RevokeCredential, SuspendCredential
from shared.ids import REF
from shared.web.auth.bearer import Caller, requires
from shared.web.conditional import etag, if_match
from shared.web.idempotency import KEYED
from shared.web.request_transaction import RequestTransactions
from shared.web.strict import router

routes = router("credentials")

CredentialRef = Annotated[str, Path(pattern=f"^{REF}$", description="The credential's ref.")]
Suspender = Annotated[Caller, requires("credentials:suspend")]


@routes.get("/credentials/{ref}")
async def show_credential(
    ref: CredentialRef, request: Request, response: Response, caller: Annotated[Caller, requires("credentials:read")]
) -> CredentialView:
    """What became of a credential; its `ETag` is what `If-Match` names when it is changed."""
    shown = await handlers.show_credential(request.app.state.engine.store, ref, caller.institution)
    response.headers.update(_tagged(shown))
    return shown


@routes.post("/credentials/{ref}/revoke", response_model=CredentialView, dependencies=[KEYED])
async def revoke_credential(
    ref: CredentialRef,
    command: RevokeCredential,
    request: Request,
    caller: Annotated[Caller, requires("credentials:revoke")],
) -> Response:
    """Revoke a credential for ever. The eleventh within an hour needs a second person: POST /revocations."""
    transactions: RequestTransactions = request.app.state.transactions
    expected = if_match(request)
    return await transactions.answer(
        request,
        caller,
        lambda unit: handlers.revoke_credential(unit, caller, ref, command, expected),
        headers=_tagged,
        required=True,
    )


@routes.post("/credentials/{ref}/suspend", response_model=CredentialView, dependencies=[KEYED])
async def suspend_credential(
    ref: CredentialRef, command: SuspendCredential, request: Request, caller: Suspender
) -> Response:
    """Suspend a credential, with an end or without; suspending again replaces the end."""
    transactions: RequestTransactions = request.app.state.transactions
    expected = if_match(request)
    return await transactions.answer(
        request,
        caller,
        lambda unit: handlers.suspend_credential(unit, caller, ref, command, expected),
        headers=_tagged,
        required=True,
    )


@routes.post("/credentials/{ref}/reinstate", response_model=CredentialView, dependencies=[KEYED])
async def reinstate_credential(ref: CredentialRef, request: Request, caller: Suspender) -> Response:
    """End a suspension now."""
    transactions: RequestTransactions = request.app.state.transactions
    expected = if_match(request)
    return await transactions.answer(
        request,
        caller,
        lambda unit: handlers.reinstate_credential(unit, caller, ref, expected),
        headers=_tagged,
        required=True,
    )


def _tagged(shown: CredentialView) -> Mapping[str, str]:
    return {"ETag": etag(shown.version)} if shown.version else {}

"""The HTTP API of single credentials."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated

from fastapi import Path, Request, Response

from services.registry.context import RegistryContext
from services.registry.credentials import handlers
from services.registry.credentials.commands import RegisteredCredentialView, RevokeCredential, SuspendCredential
from shared.ids import REF
from shared.log.outbox import Unit
from shared.web.auth.bearer import Caller, requires
from shared.web.conditional import etag, if_match
from shared.web.idempotency import KEYED
from shared.web.strict import router

routes = router("credentials")

CredentialRef = Annotated[str, Path(pattern=f"^{REF}$", description="The credential's ref.")]
Suspender = Annotated[Caller, requires("credentials:suspend")]


@routes.get("/credentials/{ref}")
async def show_credential(
    ref: CredentialRef, request: Request, response: Response, caller: Annotated[Caller, requires("credentials:read")]
) -> RegisteredCredentialView:
    """What became of a credential; its `ETag` is what `If-Match` names when it is changed."""
    credential = await handlers.show_credential(RegistryContext.of(request).store, ref, caller.institution)
    response.headers.update(_tagged(credential))
    return credential


@routes.post("/credentials/{ref}/revoke", response_model=RegisteredCredentialView, dependencies=[KEYED])
async def revoke_credential(
    ref: CredentialRef,
    command: RevokeCredential,
    request: Request,
    caller: Annotated[Caller, requires("credentials:revoke")],
) -> Response:
    """Revoke a credential for ever. The eleventh within an hour needs a second person: POST /revocations."""
    return await _change(
        request, caller, lambda unit, expected: handlers.revoke_credential(unit, caller, ref, command, expected)
    )


@routes.post("/credentials/{ref}/suspend", response_model=RegisteredCredentialView, dependencies=[KEYED])
async def suspend_credential(
    ref: CredentialRef, command: SuspendCredential, request: Request, caller: Suspender
) -> Response:
    """Suspend a credential, with an end or without; suspending again replaces the end."""
    return await _change(
        request, caller, lambda unit, expected: handlers.suspend_credential(unit, caller, ref, command, expected)
    )


@routes.post("/credentials/{ref}/reinstate", response_model=RegisteredCredentialView, dependencies=[KEYED])
async def reinstate_credential(ref: CredentialRef, request: Request, caller: Suspender) -> Response:
    """End a suspension now."""
    return await _change(request, caller, lambda unit, expected: handlers.reinstate_credential(unit, caller, ref, expected))


async def _change(
    request: Request, caller: Caller, change: Callable[[Unit, int | None], Awaitable[RegisteredCredentialView]]
) -> Response:
    """Answer a request that changes one credential; `change` is given the version that the caller expects."""
    expected = if_match(request)
    return await RegistryContext.of(request).transactions.answer(
        request,
        caller,
        lambda unit: change(unit, expected),
        headers=_tagged,
        required=True,
    )


def _tagged(credential: RegisteredCredentialView) -> Mapping[str, str]:
    return {"ETag": etag(credential.version)} if credential.version else {}

"""The HTTP API of credentials: issue, check, correct and read. Command in, view out."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Annotated

from fastapi import Depends, Path, Query, Request, Response

from services.issuer.context import IssuerContext, require_institution
from services.issuer.credentials import handlers
from services.issuer.credentials.commands import (
    AcceptedView,
    CheckCredential,
    CheckView,
    CorrectCredential,
    CredentialSummary,
    IssueCredential,
    IssuedCredentialView,
)
from services.issuer.credentials.repository import CREDENTIALS, StoredCredential
from services.issuer.credentials.vault import VAULT
from shared.formats import sd_jwt_vc
from shared.ids import REF, SLUG
from shared.web.auth.bearer import Caller, require_scope, requires
from shared.web.idempotency import KEYED
from shared.web.paging import Page, Paged, page
from shared.web.problems import problem_responses
from shared.web.ratelimit import metered
from shared.web.request_transaction import RequestTransaction
from shared.web.strict import router

routes = router("credentials")

Issuer = Annotated[Caller, requires("credentials:issue")]
Reader = Annotated[Caller, requires("credentials:read")]
Corrector = Annotated[Caller, requires("credentials:correct")]
Eraser = Annotated[Caller, requires("credentials:erase")]
CredentialRef = Annotated[str, Path(pattern=f"^{REF}$", description="A credential's reference.")]

ERASED_RESPONSE = problem_responses(410)
"""What the API documents say of a request whose answer was erased with its credential."""


@routes.post(
    "/credentials", status_code=201, response_model=IssuedCredentialView, dependencies=[KEYED], responses=ERASED_RESPONSE
)
async def issue(request: Request, caller: Issuer, command: IssueCredential) -> Response:
    """Issue a micro-credential. The answer holds the signed credential, to hand to its holder."""
    require_institution(command.institution, caller.institution)
    require_may_replace(caller, command.replaces)
    async with transaction_of(request, caller) as transaction:
        if kept := await transaction.kept():
            return kept
        return await handlers.draft_and_issue(IssuerContext.of(request), transaction, command)


@routes.post("/credentials/check")
async def check(request: Request, caller: Issuer, command: CheckCredential) -> CheckView:
    """Ask whether a micro-credential could be issued; what stops it is answered as it would be when issuing it."""
    require_institution(command.institution, caller.institution)
    return await handlers.check_credential(IssuerContext.of(request), command)


@routes.post(
    "/credentials/{ref}/correct",
    status_code=201,
    response_model=IssuedCredentialView,
    dependencies=[KEYED],
    responses=ERASED_RESPONSE,
)
async def correct(request: Request, caller: Corrector, ref: CredentialRef, command: CorrectCredential) -> Response:
    """Issue a corrected credential. The earlier one is revoked as superseded as soon as this one is registered; where that
    would be the eleventh that the caller ends within an hour, it waits for a second person, who confirms it at the registry
    (POST /revocations/{ref}/confirm) with the ref of the new one.
    """
    context = IssuerContext.of(request)
    async with transaction_of(request, caller) as transaction:
        if kept := await transaction.kept():
            return kept
        correction = await handlers.correction_of(context, ref, command, caller.institution)
        return await handlers.draft_and_issue(context, transaction, correction)


@routes.post("/credentials/{ref}/erase", response_model=CredentialSummary | AcceptedView, dependencies=[KEYED])
async def erase(request: Request, caller: Eraser, ref: CredentialRef) -> Response:
    """Erase what a credential says of its learner, for good. What its holder has still verifies."""
    context = IssuerContext.of(request)
    answer = await context.transactions.answer(
        request, caller, lambda unit: handlers.erase_credential(unit, context, ref, caller.institution), required=True
    )
    await context.store.scrub()
    return answer


@routes.get("/credentials")
async def list_credentials(
    request: Request,
    response: Response,
    caller: Reader,
    paging: Paged,
    institution: Annotated[str | None, Query(pattern=f"^{SLUG}$", description="Only this institution's.")] = None,
) -> Page[CredentialSummary]:
    """Credentials that were issued here, in the order of their references; nothing personal."""
    context = IssuerContext.of(request)
    if institution is not None:
        require_institution(institution, caller.institution)
    whose = institution or caller.institution
    where = {"institution": whose} if whose else None
    found = await context.store.scan(CREDENTIALS, where=where, after=paging.after, limit=paging.fetch)
    listed = [StoredCredential.from_row(row) for row in found[: paging.limit]]
    shown = {one.ref: await handlers.summary_of(context.store, context.node, one) for one in listed}
    return page(found, paging, lambda row: shown[row.key], request, response)


@routes.get("/vct/micro-credential", response_class=Response, dependencies=[Depends(metered)])
async def type_metadata() -> Response:
    """What the type of our `dc+sd-jwt` credentials is (SD-JWT VC type metadata); `vct#integrity` is its hash."""
    return Response(sd_jwt_vc.METADATA, media_type="application/json")


@routes.get("/credentials/{ref}")
async def read(request: Request, caller: Reader, ref: CredentialRef) -> IssuedCredentialView:
    """One credential with its signed form, and what became of it."""
    context = IssuerContext.of(request)
    return await handlers.read_credential(context.store, context.node, ref, caller.institution)


def require_may_replace(caller: Caller, replaced: str | None) -> None:
    """Raise `ScopeMissing` where the caller may issue and not correct: replacing a credential ends it."""
    if replaced is not None:
        require_scope(caller, "credentials:correct")


def transaction_of(
    request: Request, caller: Caller
) -> AbstractAsyncContextManager[RequestTransaction[IssuedCredentialView]]:
    """The transaction of a request that is answered with a new credential, under whose key the answer is kept."""
    root = request.scope.get("root_path", "")

    def located(made: IssuedCredentialView) -> Mapping[str, str]:
        return {"Location": f"{root}/credentials/{made.ref}"}

    transactions = IssuerContext.of(request).transactions
    return transactions.open(request, caller, status=201, headers=located, vault=VAULT, required=True)

"""The HTTP API: a question in, a report out. The answer is 200 whatever the verdict: that is what was asked for."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import Depends, Request, Response
from pydantic import ValidationError

from services.verifier import handlers
from services.verifier.commands import VerifyCredential
from services.verifier.context import VerifierContext
from services.verifier.domain import require_sealed
from services.verifier.views import PolicyView, ReportView, SealReportView
from shared.formats import europass
from shared.formats.registry import FORMATS
from shared.jose import strict_json
from shared.web.auth.bearer import Caller, requires
from shared.web.command import JsonBytes
from shared.web.problems import refusal
from shared.web.strict import require_media_type, router

TAG = {
    "name": "verification",
    "description": "Is this credential true? Answered from this node's replica, and not recorded.",
}

JSON = "application/json"

BARE = tuple(dict.fromkeys(one.MEDIA_TYPE for one in FORMATS.values()))
"""Media types of credentials that may be sent as they are."""

BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {"schema": VerifyCredential.model_json_schema()},
            **{
                kind: {"schema": {"type": "string", "description": "The credential itself, without further wishes."}}
                for kind in BARE
            },
        },
    }
}

SEALED: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {"schema": {"type": "object", "description": "The sealed file as it is, a JWS in JSON form (JAdES)."}}
            for kind in (JSON, europass.MEDIA_TYPE)
        },
    }
}

routes = router("verification")

Verifier = Annotated[Caller, requires("verify")]


@routes.post("/verifications", response_model=ReportView, openapi_extra=BODY)
async def verify_credential(request: Request, _: Verifier) -> Response:
    """Verify a credential: the verdict, and each of the eleven steps with its outcome and evidence."""
    context, question = VerifierContext.of(request), await _question(request)
    report = await handlers.verify_credential(context, question)
    signed = {"receipt": handlers.receipt_of(context, report)} if question.receipt else {}
    return Response(orjson.dumps({**report.to_dict(), **signed}), media_type=JSON)


@routes.post("/verifications/europass", response_model=SealReportView, openapi_extra=SEALED)
async def verify_sealed(request: Request, _: Verifier) -> Response:
    """Check a sealed Europass file: seal, certificate, timestamps, roles, completeness, coherence. Nothing is fetched."""
    require_media_type(request, JSON, europass.MEDIA_TYPE)
    report = await handlers.verify_sealed(VerifierContext.of(request), require_sealed((await request.body()).strip()))
    return Response(orjson.dumps(report.to_dict()), media_type=JSON)


@routes.get("/policy")
async def read_policy(_: Verifier, context: Annotated[VerifierContext, Depends(VerifierContext.of)]) -> PolicyView:
    """By which policy this node judges."""
    return PolicyView(**context.policy.document())


async def _question(request: Request) -> VerifyCredential:
    """The command, out of a JSON body or out of the bare credential."""
    kind, raw = require_media_type(request, JSON, *BARE), await request.body()
    try:
        if kind in BARE:
            return VerifyCredential(credential=raw.decode("ascii", "replace").strip())
        strict_json.loads(raw)
        return VerifyCredential.model_validate(JsonBytes(raw))
    except ValidationError as error:
        raise refusal([{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors(include_input=False)]) from None

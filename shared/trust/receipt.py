"""A receipt: what a node's verifier found of one credential, signed for those of the same node who rely on it.

- The header member `crt` holds the certificate of the key that signed it (as in `node_token`), so a reader needs only the
  federation list. The key's purpose must be `receipt`.
- Claims: `iss` and `aud` the node, `fed`, `iat`, `exp`, `jti` (RFC 7519), and what was found: `ref`, `institution`,
  `commitment`, `verdict`, `reason`, `as_of`. Nothing of the holder, and nothing of it is stored where it was made.
- It lives ten minutes: a credential that is revoked afterwards is found in step 9, when the stack is verified.
"""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime, timedelta
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import Invalid
from shared.ids import new_event_id
from shared.jose import gate
from shared.jose.purpose import RECEIPT, Purpose
from shared.jose.refusals import TokenRefused
from shared.jose.signers import Signer, sign
from shared.trust.certificates import CertificateRefused, read_certificate
from shared.trust.nodes import FederationList

LIFETIME = timedelta(minutes=10)
"""How long a receipt may live."""

MAX_RECEIPT_BYTES = 12_000
"""The longest receipt, its certificate included."""


class ReceiptRefused(Invalid):
    """422: not a receipt of this node's verifier, or its time is over."""

    title = "The receipt is not taken."


class ReceiptFinding(BaseModel):
    """What was found of one credential."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    ref: str
    institution: str
    """The issuer's URN."""
    commitment: str
    """SHA-256 of what was signed, base64url."""
    verdict: str
    reason: str | None = None
    as_of: dict[str, Any]
    """By which knowledge: `epoch`, `registrations`, `status` and `trust` of the origin."""


def mint(signer: Signer, certificate: str, found: ReceiptFinding, *, federation: str, node: str, now: datetime) -> str:
    """A receipt of that node's verifier, for the same node."""
    issued = int(now.timestamp())
    claims = {
        "iss": node,
        "aud": node,
        "fed": federation,
        "iat": issued,
        "exp": issued + int(LIFETIME.total_seconds()),
        "jti": new_event_id(),
        **found.model_dump(),
    }
    return sign({"typ": RECEIPT, "crt": certificate}, orjson.dumps(claims), signer).decode()


def check(
    raw: str | bytes, *, federation_list: FederationList, me: str, now: datetime, believed: Container[str]
) -> ReceiptFinding:
    """What the verifier of the node `me` found; `believed` are the certificates of those of its keys that were not stolen.
    Raises `ReceiptRefused`.
    """
    try:
        return _checked(raw, federation_list, me, now, believed)
    except (TokenRefused, CertificateRefused) as refused:
        raise ReceiptRefused(refused.detail) from None


def _checked(
    raw: str | bytes, federation_list: FederationList, me: str, now: datetime, believed: Container[str]
) -> ReceiptFinding:
    token = gate.read(raw, typ=RECEIPT, max_bytes=MAX_RECEIPT_BYTES)
    claims = gate.claims(token)
    node, certificate = federation_list.node(me), token.header.get("crt")
    if node is None or not isinstance(certificate, str):
        raise ReceiptRefused("It brings no certificate in `crt`. Ask this node's verifier for a receipt.")
    service = read_certificate(certificate, federation=federation_list.federation, node=node)
    if service.key.purpose is not Purpose.RECEIPT:
        raise ReceiptRefused("The certified key is not for receipts. Ask this node's verifier for a receipt.")
    if service.expires is not None and now >= service.expires:
        raise ReceiptRefused("The key's certificate has expired. Have the root certify a new key.")
    if certificate not in believed:
        raise ReceiptRefused("It was signed by a key that is not this node's any more. Ask for a new receipt.")
    gate.verify(token, service.key)
    gate.check_times(claims, now)
    _check_claims(claims, federation_list.federation, me)
    try:
        return ReceiptFinding.model_validate(claims)
    except ValidationError:
        raise ReceiptRefused("It says something else than a finding. Ask this node's verifier for a receipt.") from None


def _check_claims(claims: dict[str, Any], federation: str, me: str) -> None:
    if claims.get("fed") != federation or claims.get("iss") != me or claims.get("aud") != me:
        raise ReceiptRefused("It is of another node's verifier. Ask this node's own for a receipt.")
    issued, expires = claims.get("iat"), claims.get("exp")
    if not isinstance(issued, int) or not isinstance(expires, int) or expires - issued > LIFETIME.total_seconds():
        raise ReceiptRefused("It lives longer than ten minutes, or for ever. Ask this node's verifier for a receipt.")

"""How one node shows another who it is: a bearer token of at most five minutes (typ `testamur-node+jwt`).

- The header member `crt` holds the certificate of the key that signed it, so a reader needs only the federation list.
- Claims: `iss` the node, `aud` the one node it is for, `fed`, `iat`, `exp`, `jti` (RFC 7519); `exp` - `iat` <= 300 s.
- Only an active member is let in; the key's purpose must be `node-token` and its certificate not expired. Whether the key
  was stolen since is for the reader to look up by its `kid`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson

from shared.errors import Unauthenticated
from shared.ids import new_event_id
from shared.jose import gate
from shared.jose.purpose import NODE_TOKEN, Purpose
from shared.jose.refusals import TokenRefused
from shared.jose.signers import Signer, sign
from shared.trust.certificates import CertificateRefused, ServiceKey, read_certificate
from shared.trust.nodes import FederationList, Node

LIFETIME = timedelta(minutes=5)
"""How long a node token may live."""

MAX_TOKEN_BYTES = 12_000
"""The longest node token, its certificate included."""


class NodeTokenRefused(Unauthenticated):
    """The bearer did not show that it is an active member of the federation."""

    title = "A node token of an active member is needed."


class Shown(NamedTuple):
    """Who showed itself, and by which key."""

    node: str
    kid: str


def mint(
    signer: Signer,
    certificate: str,
    *,
    federation: str,
    node: str,
    audience: str,
    now: datetime,
    lifetime: timedelta = LIFETIME,
) -> str:
    """A token by which `node` shows itself to the node `audience`; `certificate` is that of the signer's key."""
    issued = int(now.timestamp())
    claims = {
        "iss": node,
        "aud": audience,
        "fed": federation,
        "iat": issued,
        "exp": issued + int(lifetime.total_seconds()),
        "jti": new_event_id(),
    }
    return sign({"typ": NODE_TOKEN, "crt": certificate}, orjson.dumps(claims), signer).decode()


def check(raw: str | bytes, *, federation_list: FederationList, me: str, now: datetime) -> Shown:
    """Which node shows itself to the node `me`; raises `NodeTokenRefused`."""
    try:
        token = gate.read(raw, typ=NODE_TOKEN, max_bytes=MAX_TOKEN_BYTES)
        claims = gate.claims(token)
        node = _member(federation_list, claims)
        service = read_certificate(_certificate(token), federation=federation_list.federation, node=node)
        _check_key(service, now)
        gate.verify(token, service.key)
        gate.check_times(claims, now)
    except (TokenRefused, CertificateRefused) as refused:
        raise NodeTokenRefused(refused.detail) from None
    _check_claims(claims, federation_list.federation, me)
    return Shown(node.name, service.key.kid)


def _member(federation_list: FederationList, claims: dict[str, Any]) -> Node:
    name = claims.get("iss")
    node = federation_list.node(name) if isinstance(name, str) else None
    if node is None or node.status != "active":
        raise NodeTokenRefused("The token is of no active member of this federation. Fetch the newest federation list.")
    return node


def _certificate(token: gate.Token) -> str:
    certificate = token.header.get("crt")
    if not isinstance(certificate, str):
        raise NodeTokenRefused("The token brings no certificate in `crt`. Mint it with the certificate of its key.")
    return certificate


def _check_key(service: ServiceKey, now: datetime) -> None:
    if service.key.purpose is not Purpose.NODE_TOKEN:
        raise NodeTokenRefused("The certified key is not for node tokens. Mint it with the node token key.")
    if service.expires is not None and now >= service.expires:
        raise NodeTokenRefused("The key's certificate has expired. Have the root certify a new key.")


def _check_claims(claims: dict[str, Any], federation: str, me: str) -> None:
    if claims.get("fed") != federation or claims.get("aud") != me:
        raise NodeTokenRefused("The token is for another node or federation. Mint one for this node.")
    issued, expires = claims.get("iat"), claims["exp"]
    if not isinstance(issued, int) or expires - issued > LIFETIME.total_seconds():
        raise NodeTokenRefused("The token lives longer than five minutes. Mint a shorter one.")

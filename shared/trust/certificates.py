"""A service key's certificate: what a node's offline root says of it (typ `testamur-key+jwt`). Pure.

- It names federation, node, service, the key's one purpose, and the part of the log the key may sign: streams, epoch,
  and the sequences from and to. Rotation is an event in the chain; an old certificate stays good for its range.
- It is read with the roots that the federation list gives for that node; another node's root can certify nothing here.
- `expires` bounds a key that signs things outside any chain, such as node tokens; a chain's keys are bounded by sequence.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from shared.clock import Instant, rfc3339
from shared.errors import Invalid
from shared.events.base import KeyId, Slug
from shared.events.checkpoints import StreamName
from shared.jose import gate, purpose
from shared.jose.keys import VerificationKey
from shared.jose.purpose import Purpose
from shared.jose.refusals import KeyRefused
from shared.jose.signers import Signer, sign
from shared.trust.nodes import Node, NodeName

MAX_CERTIFICATE_BYTES = 4_000
"""The longest certificate, as an event carries it."""

SERVICE_PURPOSES = frozenset(
    {Purpose.EVENT, Purpose.CHECKPOINT, Purpose.STATUS_LIST, Purpose.NODE_TOKEN, Purpose.ACCESS_TOKEN, Purpose.RECEIPT}
)
"""What a root may certify a key for: never another root, an anchor or an institution."""

_Sequence = Annotated[int, Field(ge=1, lt=2**53)]


class CertificateRefused(Invalid):
    """A certificate that is not this node's, or does not hold together."""

    title = "The service key's certificate is not taken."


class _Statement(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    federation: Slug = Field(alias="fed")
    node: NodeName
    service: Annotated[str, StringConstraints(pattern=r"^[a-z]{1,32}$")]
    purpose: Purpose
    kid: KeyId
    jwk: dict[str, str] = Field(max_length=8)
    epoch: _Sequence
    streams: tuple[StreamName, ...] = Field(default=(), max_length=32)
    from_seq: _Sequence = 1
    to_seq: _Sequence | None = None
    issued: Instant
    expires: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceKey:
    """A key of a node's service, and the part of the log it is good for."""

    node: str
    service: str
    key: VerificationKey
    streams: frozenset[str] = frozenset()
    epoch: int = 1
    from_seq: int = 1
    to_seq: int | None = None
    """The last sequence it is good for; None: no end was set."""
    expires: datetime | None = None

    def covers(self, stream: str, epoch: int, seq: int) -> bool:
        """Whether it may have signed the entry of that place."""
        until = self.to_seq is None or seq <= self.to_seq
        return stream in self.streams and epoch == self.epoch and self.from_seq <= seq and until


def certify(root: Signer, service_key: ServiceKey, *, federation: str, issued: datetime) -> str:
    """The root's statement of a service's public key, as a compact token; the key brings its purpose and `kid`."""
    key, expires = service_key.key, service_key.expires
    statement: dict[str, Any] = {
        "fed": federation,
        "node": service_key.node,
        "service": service_key.service,
        "purpose": key.purpose.value,
        "kid": key.kid,
        "jwk": key.jwk(),
        "epoch": service_key.epoch,
        "streams": sorted(service_key.streams),
        "from_seq": service_key.from_seq,
        "to_seq": service_key.to_seq,
        "issued": rfc3339(issued),
        "expires": rfc3339(expires) if expires else None,
    }
    return sign({"typ": purpose.KEY_CERTIFICATE}, orjson.dumps(statement), root).decode()


def read_certificate(raw: str | bytes, *, federation: str, node: Node) -> ServiceKey:
    """The service key behind a certificate of that node; raises a `TokenRefused` or `CertificateRefused`."""
    token = gate.check(
        raw,
        typ=purpose.KEY_CERTIFICATE,
        keys=lambda header: node.root_keys().get(header["kid"]),
        max_bytes=MAX_CERTIFICATE_BYTES,
    )
    gate.claims(token)  # strict JSON first: what two readers could understand differently is not read at all
    try:
        statement = _Statement.model_validate_json(token.payload)
    except ValidationError as error:
        members = ", ".join(sorted({str(fault["loc"][0]) for fault in error.errors()}))
        raise CertificateRefused(f"It is wrong in: {members}. Have the root sign a corrected one.") from None
    if statement.federation != federation or statement.node != node.name:
        raise CertificateRefused("It speaks of another node or federation. Use the certificate of this node.")
    if statement.purpose not in SERVICE_PURPOSES:
        raise CertificateRefused("A root certifies service keys only. Have it certify a service's own key.")
    return _service_key(statement)


def kid_in(certificate: str) -> str:
    """The id of the key that one's own certificate is of; the signature is not looked at."""
    token = gate.read(certificate, typ=purpose.KEY_CERTIFICATE, max_bytes=MAX_CERTIFICATE_BYTES)
    return str(gate.claims(token)["kid"])


def _service_key(statement: _Statement) -> ServiceKey:
    try:
        key = VerificationKey.from_jwk(statement.jwk, statement.purpose, statement.kid)
    except KeyRefused as refused:
        raise CertificateRefused(refused.detail) from None
    return ServiceKey(
        node=statement.node,
        service=statement.service,
        key=key,
        streams=frozenset(statement.streams),
        epoch=statement.epoch,
        from_seq=statement.from_seq,
        to_seq=statement.to_seq,
        expires=statement.expires,
    )

"""What a federation list says: the anchors, the nodes, and how a node joins, rests and leaves.

- A node's name is its namespace: every id is read inside the namespace of the node that signed it.
- A node speaks for its jurisdictions, ISO 3166-1 alpha-2 or a part of one (ISO 3166-2): Belgium runs three systems.
- A node that has left keeps its entry: its final epoch and heads, and who answers for it now. Nothing is ever deleted.
- Members that a newer list brings are ignored here and stay in the signed bytes.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from shared.clock import Instant
from shared.events.base import Digest, KeyId, Slug
from shared.events.checkpoints import Head, StreamName
from shared.ids import NODE_NAME
from shared.jose.keys import VerificationKey, thumbprint
from shared.jose.purpose import Purpose
from shared.jose.refusals import KeyRefused

NodeName = Annotated[str, StringConstraints(pattern=rf"^{NODE_NAME}$")]
Jurisdiction = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")]
Address = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]{1,500}$")]
Jwk = dict[str, str]


class _Listed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


def _check_key(jwk: Jwk, purpose: Purpose, kid: str | None = None) -> str:
    try:
        return VerificationKey.from_jwk(jwk, purpose, kid).kid
    except KeyRefused as refused:
        raise ValueError(refused.detail) from None


class Anchor(_Listed):
    """A key that signs federation lists."""

    kid: KeyId
    jwk: Jwk

    @model_validator(mode="after")
    def _is_a_key(self) -> Self:
        _check_key(self.jwk, Purpose.ANCHOR, self.kid)
        return self


class Left(_Listed):
    """Where a node's log ended when it left."""

    epoch: int = Field(ge=1, lt=2**53)
    heads: dict[StreamName, Head] = Field(max_length=32)


class Node(_Listed):
    """One installation, and what it may speak for."""

    name: NodeName
    jurisdictions: tuple[Jurisdiction, ...] = Field(min_length=1, max_length=20)
    roots: tuple[Jwk, ...] = Field(min_length=1, max_length=8)
    """Public halves of its offline root keys; each goes by its thumbprint (RFC 7638)."""
    url: Address
    status: Literal["active", "suspended", "left"] = "active"
    left: Left | None = None
    successor: NodeName | None = None

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if (self.status == "left") != (self.left is not None):
            raise ValueError("a node that has left says where its log ended, and no other does")
        for jwk in self.roots:
            _check_key(jwk, Purpose.ROOT)
        return self

    def covers(self, country: str) -> bool:
        """Whether the node speaks for that country (alpha-2) or for a part of it."""
        return country in self.jurisdictions or any(place[:2] == country for place in self.jurisdictions)

    def root_keys(self) -> dict[str, VerificationKey]:
        """Its root keys by thumbprint."""
        keys = (VerificationKey.from_jwk(jwk, Purpose.ROOT) for jwk in self.roots)
        return {key.kid: key for key in keys}


class EarlierList(_Listed):
    """A list that was replaced: its version, and the SHA-256 of its payload."""

    version: int = Field(ge=1, lt=2**53)
    digest: Digest


class FederationList(_Listed):
    """The whole list, as the anchors signed it."""

    federation: Slug
    version: int = Field(ge=1, lt=2**53)
    issued: Instant
    expires: Instant
    anchors: tuple[Anchor, ...] = Field(min_length=1, max_length=32)
    threshold: int = Field(default=1, ge=1, le=32)
    """How many anchors must sign a list."""
    nodes: tuple[Node, ...] = Field(default=(), max_length=500)
    history: tuple[EarlierList, ...] = Field(default=(), max_length=10_000)
    successors: tuple[Anchor, ...] = Field(default=(), max_length=32)
    """Further keys that may sign the next version."""

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.expires <= self.issued:
            raise ValueError("a list expires after it is issued")
        if self.threshold > len(self.anchors):
            raise ValueError("a list cannot ask for more anchors than it names")
        if len({thumbprint(anchor.jwk) for anchor in self.anchors}) != len(self.anchors):
            raise ValueError("one anchor key is listed twice")
        if len({node.name for node in self.nodes}) != len(self.nodes):
            raise ValueError("two nodes have one name")
        roots = [kid for node in self.nodes for kid in node.root_keys()]
        if len(set(roots)) != len(roots):
            raise ValueError("two nodes have one root key, or a node lists one twice")
        return self

    def node(self, name: str) -> Node | None:
        """The node of that name, whatever its status, or None."""
        return next((node for node in self.nodes if node.name == name), None)

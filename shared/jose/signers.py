"""Whoever signs for us: the port, a private key in memory, and sealing a payload into a token (RFC 7515, 5.1).

A signer has one purpose, and seals only the token types that go with it. What it gives back is the signature as JOSE
writes it, whatever the key's own home (memory, a file, a hardware module) produces.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import orjson
from jwcrypto.jwk import JWK

from shared.errors import Misconfigured
from shared.jose.algorithms import ALGORITHMS, PrivateKey
from shared.jose.keys import VerificationKey, public_jwk
from shared.jose.own_certificate import of_itself
from shared.jose.purpose import Purpose, may_sign
from shared.jose.token import MAX_HEADER_BYTES, MAX_KID, REFUSED_MEMBERS, Token, encode

_SET_BY_SEALING = REFUSED_MEMBERS | {"alg", "kid"}


class WrongKeyForToken(Misconfigured):
    """A signer was asked for a token type that its purpose does not allow."""

    title = "This key may not sign that."


class Signer(Protocol):
    """A private key that we may use and need not see."""

    @property
    def kid(self) -> str:
        """The key's id, which goes into every header."""
        ...

    @property
    def alg(self) -> str:
        """Its algorithm, as JOSE names it."""
        ...

    @property
    def purpose(self) -> Purpose:
        """The one thing it is for."""
        ...

    @property
    def public_jwk(self) -> dict[str, Any]:
        """The public half, to publish."""
        ...

    def sign(self, data: bytes) -> bytes:
        """The signature over `data` in JOSE's form."""
        ...

    def certificate(self, name: str, urn: str) -> str:
        """A certificate that the key makes of itself, in base64 (`own_certificate`)."""
        ...

    def verification_key(self) -> VerificationKey:
        """The record that verifies what this signs."""
        ...


class LocalSigner:
    """A private key in this process's memory. Its text form shows nothing secret."""

    __slots__ = ("_certificates", "_private", "_sign", "alg", "kid", "public_jwk", "purpose")

    def __init__(self, private: PrivateKey, purpose: Purpose, kid: str | None = None) -> None:
        self.public_jwk = public_jwk(private, kid=kid)
        self.kid: str = self.public_jwk["kid"]
        self.alg: str = self.public_jwk.get("alg", "")
        self.purpose = purpose
        self._private = private
        self._certificates: dict[tuple[str, str], str] = {}
        sign = ALGORITHMS[self.alg].sign if self.alg else None
        if sign is None or not 0 < len(self.kid) <= MAX_KID:
            raise Misconfigured("A signing key must be ES256, ES384 or EdDSA, with a `kid` of at most 256 characters.")
        self._sign = sign

    @classmethod
    def generate(cls, purpose: Purpose, alg: str = "ES256") -> LocalSigner:
        """A new key for an algorithm we sign with; raises `Misconfigured` for any other."""
        generate = ALGORITHMS[alg].generate if alg in ALGORITHMS else None
        if generate is None:
            raise Misconfigured("There is no making keys for that algorithm. Use ES256, ES384 or EdDSA.")
        return cls(generate(), purpose)

    @classmethod
    def from_private_jwk(cls, jwk: Mapping[str, Any], purpose: Purpose) -> LocalSigner:
        """A key from its private JWK (RFC 7517); raises `Misconfigured` when it is none."""
        try:
            return cls(JWK(**jwk).get_op_key("sign"), purpose, jwk.get("kid"))
        except Exception as error:
            raise Misconfigured("That is not a private signing key. Restore it from a backup, or make a new one.") from error

    def private_jwk(self) -> dict[str, Any]:
        """The private JWK, to be kept encrypted."""
        secret = JWK.from_pyca(self._private).export_private(as_dict=True)
        return {**secret, **self.public_jwk}

    def sign(self, data: bytes) -> bytes:
        """The signature over `data` in JOSE's form."""
        return self._sign(self._private, data)

    def certificate(self, name: str, urn: str) -> str:
        """A certificate that the key makes of itself, made once for a name."""
        if (name, urn) not in self._certificates:
            self._certificates[name, urn] = of_itself(self._private, name, urn)
        return self._certificates[name, urn]

    def verification_key(self) -> VerificationKey:
        """The record that verifies what this signs."""
        return VerificationKey.from_jwk(self.public_jwk, self.purpose, self.kid)

    def __repr__(self) -> str:
        return f"LocalSigner(kid={self.kid!r}, alg={self.alg!r}, purpose={self.purpose.value!r})"


def sign(header: Mapping[str, Any], payload: bytes, signer: Signer) -> bytes:
    """A compact token over `payload`. `header` holds `typ` and members of its own; `alg` and `kid` are the signer's."""
    return sign_token(header, payload, signer).compact


def sign_token(header: Mapping[str, Any], payload: bytes, signer: Signer) -> Token:
    """As `seal`, giving the token as if it had been read again. Raises `WrongKeyForToken`; a bad header is a ValueError."""
    typ = header["typ"]
    if not may_sign(signer.purpose, typ):
        raise WrongKeyForToken("Its purpose and the token's type do not go together. Use the key that was made for it.")
    if not _SET_BY_SEALING.isdisjoint(header):
        raise ValueError("alg and kid are the signer's; crit, b64 and zip are never used")
    full = {"typ": typ, "alg": signer.alg, "kid": signer.kid, **header}
    protected = orjson.dumps(full, option=orjson.OPT_STRICT_INTEGER)
    if len(protected) > MAX_HEADER_BYTES:
        raise ValueError("the header is longer than any reader takes")
    signing_input = b"%b.%b" % (encode(protected), encode(payload))
    return Token(full, payload, signing_input, signer.sign(signing_input))

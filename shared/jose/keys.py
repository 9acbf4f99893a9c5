"""Public keys as records of ours: what verifies, by which algorithm, for which purpose (JWK, RFC 7517; RFC 7518, 6).

- Only public parameters are read. A key that brings private or symmetric parameters is refused, for it has leaked.
- The point is on the curve that the algorithm wants; the parameters are in their one canonical spelling (RFC 7518, 6.2.1.2).
- `use` is `sig`, `key_ops` holds `verify` (RFC 7517, 4.2 and 4.3), `alg` agrees with the key; each only where given.
- RSA keys must be asked for, and meet the rules of `rsa_keys`.
- A key without a `kid` goes by its thumbprint (RFC 7638).
- In a set, keys for other things are left out (RFC 7517, 5); leaked ones, or one `kid` given twice, refuse the whole set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric import rsa
from jwcrypto.common import JWException
from jwcrypto.jwk import JWK

from shared.jose.algorithms import ALGORITHMS, PrivateKey, PublicKey
from shared.jose.purpose import Purpose
from shared.jose.refusals import KeyRefused
from shared.jose.rsa_keys import check_rsa
from shared.jose.token import MAX_KID

REQUIRED = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x"), "RSA": ("e", "kty", "n")}
"""By key type, the members that make the key, and so its thumbprint (RFC 7638, 3.2; RFC 8037, 2)."""
SECRET = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv", "seed"})
"""Members that no public key has."""
MAX_JWK_BYTES = 16 * 1024
"""The longest JWK we look at, written compactly."""
MAX_SET_KEYS = 256
"""The most keys we look at in one set."""
CACHED_KEYS = 4096
"""Loaded keys kept at hand; a key object costs a hundred times what finding it here does."""

_FOR_OTHER_THINGS = frozenset({"kty", "alg", "use", "key-ops"})


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """Our record of a public key. `alg` is what verifies with it, whatever a token says."""

    kid: str
    alg: str
    purpose: Purpose
    public: PublicKey

    @classmethod
    def from_jwk(
        cls, jwk: Mapping[str, Any], purpose: Purpose, kid: str | None = None, *, allow_rsa: bool = False
    ) -> VerificationKey:
        """Load a public JWK by the rules at the head of this module; raises `KeyRefused`. Default `kid`: the thumbprint."""
        if kid is not None and (type(kid) is not str or not 0 < len(kid) <= MAX_KID):
            raise KeyRefused("The key's `kid` is not 1 to 256 characters. Give it another.", reason="kid")
        return _load(_canonical(jwk), purpose, kid, allow_rsa)

    def jwk(self) -> dict[str, Any]:
        """The public JWK, with `kid`, `alg` and `use`."""
        return public_jwk(self.public, kid=self.kid, alg=self.alg)


def public_jwk(key: PublicKey | PrivateKey, *, kid: str | None = None, alg: str | None = None) -> dict[str, Any]:
    """The public JWK of a key, private or public, for signatures; `kid` defaults to the thumbprint."""
    public = key if isinstance(key, PublicKey) else key.public_key()
    exported = JWK.from_pyca(public).export_public(as_dict=True)
    members = {name: exported[name] for name in REQUIRED[exported["kty"]]}
    name = alg or _algorithm_of(members)
    return members | {"kid": kid or exported["kid"], "use": "sig"} | ({"alg": name} if name else {})


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """The SHA-256 thumbprint of a key (RFC 7638), base64url; private members do not count. Raises `KeyRefused`."""
    try:
        return str(JWK(**_required(jwk)).thumbprint())
    except JWException as error:
        raise KeyRefused(
            "The key's numbers do not make a key. Send the JWK as its owner made it.", reason="numbers"
        ) from error


def jwks(keys: Iterable[VerificationKey]) -> dict[str, Any]:
    """A JWK Set (RFC 7517, 5) to publish."""
    return {"keys": [key.jwk() for key in keys]}


def from_jwks(document: Mapping[str, Any], purpose: Purpose, *, allow_rsa: bool = False) -> dict[str, VerificationKey]:
    """The keys of a JWK Set that can verify here, by `kid`; raises `KeyRefused` where the set cannot be trusted as it is."""
    listed = document.get("keys")
    if type(listed) is not list or len(listed) > MAX_SET_KEYS or not all(type(jwk) is dict for jwk in listed):
        raise KeyRefused('The key set is not {"keys": [...]} of at most 256 keys. Publish a JWK Set.', reason="set")
    kids = [jwk["kid"] for jwk in listed if type(jwk.get("kid")) is str]
    if len(set(kids)) != len(kids):
        raise KeyRefused("The key set gives one `kid` to two keys. Give each key its own.", reason="duplicate-kid")
    found = (_from_set(jwk, purpose, allow_rsa) for jwk in listed)
    return {key.kid: key for key in found if key is not None}


def _from_set(jwk: dict[str, Any], purpose: Purpose, allow_rsa: bool) -> VerificationKey | None:
    try:
        return VerificationKey.from_jwk(jwk, purpose, jwk.get("kid"), allow_rsa=allow_rsa)
    except KeyRefused as refused:
        if refused.reason in _FOR_OTHER_THINGS:
            return None
        raise


def _canonical(jwk: Mapping[str, Any]) -> bytes:
    try:
        canonical = orjson.dumps(dict(jwk), option=orjson.OPT_SORT_KEYS)
    except (TypeError, ValueError) as error:
        raise KeyRefused("The key is not a JSON object. Send a JWK.", reason="form") from error
    if len(canonical) > MAX_JWK_BYTES:
        raise KeyRefused("The key is longer than is taken here. Send the bare JWK.", reason="form")
    return canonical


@lru_cache(maxsize=CACHED_KEYS)
def _load(canonical: bytes, purpose: Purpose, kid: str | None, allow_rsa: bool) -> VerificationKey:
    jwk = orjson.loads(canonical)
    if not SECRET.isdisjoint(jwk):
        raise KeyRefused("The key brings secret parts. Replace it, and send public keys only.", reason="secret")
    required = _required(jwk)
    _check_use(jwk)
    alg = _algorithm(jwk, required, allow_rsa)
    public = _public_key(required)
    return VerificationKey(kid or thumbprint(required), alg, purpose, public)


def _required(jwk: Mapping[str, Any]) -> dict[str, str]:
    kty = jwk.get("kty")
    if type(kty) is not str or kty not in REQUIRED:
        raise KeyRefused("The key is of a type that is not taken here. Use EC, OKP or RSA.", reason="kty")
    members = {name: jwk.get(name) for name in REQUIRED[kty]}
    if not all(type(value) is str for value in members.values()):
        raise KeyRefused("The key lacks a part that its type needs. Send the whole public JWK.", reason="form")
    return members  # type: ignore[return-value]


def _check_use(jwk: Mapping[str, Any]) -> None:
    if jwk.get("use", "sig") != "sig":
        raise KeyRefused("The key is not meant for signatures. Send one whose `use` is `sig`.", reason="use")
    operations = jwk.get("key_ops", ["verify"])
    if type(operations) is not list or "verify" not in operations:
        raise KeyRefused("The key is not meant to verify. Send one whose `key_ops` holds `verify`.", reason="key-ops")


def _algorithm(jwk: Mapping[str, Any], required: Mapping[str, str], allow_rsa: bool) -> str:
    """The one algorithm that this key may verify with, agreed between its type, its curve and its `alg`."""
    own = _algorithm_of(required)
    alg = jwk.get("alg", own)
    wanted = ("RS256", "PS256") if required["kty"] == "RSA" and allow_rsa else (own,)
    if type(alg) is not str or alg not in wanted:
        raise KeyRefused("The key's algorithm or curve is not taken here. Use ES256, ES384 or EdDSA.", reason="alg")
    return alg


def _algorithm_of(required: Mapping[str, str]) -> str | None:
    """What follows from type and curve alone; nothing for RSA, where two algorithms share a key type."""
    curve = (required["kty"], required.get("crv"))
    return next((item.name for item in ALGORITHMS.values() if item.crv and (item.kty, item.crv) == curve), None)


def _public_key(required: Mapping[str, str]) -> PublicKey:
    try:
        public: PublicKey = JWK(**required).get_op_key("verify")
        canonical = public_jwk(public)
    except Exception as error:
        raise KeyRefused(
            "The key's numbers do not make a key. Send the JWK as its owner made it.", reason="numbers"
        ) from error
    if any(canonical[name] != value for name, value in required.items()):
        raise KeyRefused("The key's numbers are not in canonical form. Send the JWK as its owner made it.", reason="numbers")
    if isinstance(public, rsa.RSAPublicKey):
        check_rsa(public)
    return public

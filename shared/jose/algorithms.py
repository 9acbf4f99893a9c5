"""The five signature algorithms we know, each as one record: key type, signature length, verify, sign.

- ES256, ES384 (RFC 7518, 3.4): r and s, each of exactly the curve's octets, side by side; SHA-256, SHA-384.
- EdDSA (RFC 8037, 3.1) on Ed25519 only: 64 octets.
- RS256, PS256 (RFC 7518, 3.3 and 3.5): as long as the modulus; PS256 with MGF1 and a salt as long as the hash.

`none`, every HMAC and every other algorithm are not here, and so cannot be chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey
PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

Verify = Callable[[Any, bytes, bytes], None]
"""`(public key, signature, data)`; raises when the signature does not hold."""
Sign = Callable[[Any, bytes], bytes]
"""`(private key, data)`; gives the signature as JOSE writes it."""
Generate = Callable[[], PrivateKey]


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One signature algorithm. `lengths` are the octets a signature may have before the key is known."""

    name: str
    kty: str
    crv: str | None
    lengths: range
    verify: Verify
    sign: Sign | None = None
    generate: Generate | None = None


def _ecdsa(name: str, crv: str, octets: int, curve: ec.EllipticCurve, digest: hashes.HashAlgorithm) -> Algorithm:
    scheme = ec.ECDSA(digest)  # built once: it costs as much as the encoding it drives
    number = int.from_bytes

    def verify(key: ec.EllipticCurvePublicKey, signature: bytes, data: bytes) -> None:
        if len(signature) != 2 * octets:
            raise InvalidSignature
        der = encode_dss_signature(number(signature[:octets], "big"), number(signature[octets:], "big"))
        key.verify(der, data, scheme)

    def sign(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(data, scheme))
        return r.to_bytes(octets, "big") + s.to_bytes(octets, "big")

    def generate() -> PrivateKey:
        return ec.generate_private_key(curve)

    return Algorithm(name, "EC", crv, range(2 * octets, 2 * octets + 1), verify, sign, generate)


def _eddsa() -> Algorithm:
    def verify(key: ed25519.Ed25519PublicKey, signature: bytes, data: bytes) -> None:
        key.verify(signature, data)

    def sign(key: ed25519.Ed25519PrivateKey, data: bytes) -> bytes:
        return key.sign(data)

    return Algorithm("EdDSA", "OKP", "Ed25519", range(64, 65), verify, sign, ed25519.Ed25519PrivateKey.generate)


def _rsa(name: str, scheme: padding.AsymmetricPadding) -> Algorithm:
    digest = hashes.SHA256()

    def verify(key: rsa.RSAPublicKey, signature: bytes, data: bytes) -> None:
        key.verify(signature, data, scheme, digest)  # which wants exactly the modulus's length (RFC 8017, 8.1.2 and 8.2.2)

    return Algorithm(name, "RSA", None, range(MIN_RSA_BITS // 8, MAX_RSA_BITS // 8 + 1), verify)


MIN_RSA_BITS = 2048
"""The smallest modulus (RFC 7518, 3.3)."""
MAX_RSA_BITS = 8192
"""The largest modulus: beyond it, verifying is a cheap way to keep us busy."""

ALGORITHMS: Mapping[str, Algorithm] = MappingProxyType(
    {
        algorithm.name: algorithm
        for algorithm in (
            _ecdsa("ES256", "P-256", 32, ec.SECP256R1(), hashes.SHA256()),
            _ecdsa("ES384", "P-384", 48, ec.SECP384R1(), hashes.SHA384()),
            _eddsa(),
            _rsa("RS256", padding.PKCS1v15()),
            _rsa("PS256", padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)),
        )
    }
)
"""By name. A token's `alg` is only compared with these; which one runs is said by our key record."""

"""Seals for demonstrations: a specimen authority made on the spot, a sealer, a sealed file. Not qualified, nor called so.

The form is JAdES as the Europass tools write it (ETSI TS 119 182-1; `b64` is false, RFC 7797): the bytes of the payload are
what is signed.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from shared.clock import rfc3339
from shared.jose.token import encode

RSA_BITS = 2048


@dataclass(frozen=True)
class SpecimenIdentity:
    """A key and its certificate."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        """The certificate's bytes."""
        return self.certificate.public_bytes(Encoding.DER)


def identity(name: str, country: str, issuer: SpecimenIdentity | None, begins: datetime, ends: datetime) -> SpecimenIdentity:
    """A new key with a certificate by `issuer`; None: an authority, by itself."""
    key = rsa.generate_private_key(65537, RSA_BITS)
    named = ((NameOID.COUNTRY_NAME, country), (NameOID.ORGANIZATION_NAME, name), (NameOID.COMMON_NAME, name))
    subject = x509.Name([x509.NameAttribute(member, value) for member, value in named])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(issuer.key if issuer else key, hashes.SHA256())
    )
    return SpecimenIdentity(key, made)


def seal(
    payload: str,
    by: SpecimenIdentity,
    at: datetime,
    *,
    header: dict[str, Any] | None = None,
    unsigned: list[str] | None = None,
) -> bytes:
    """A sealed file over a text, at a moment that the seal states itself; None in `header` leaves a member out."""
    members = {
        "alg": "RS256",
        "b64": False,
        "sigT": rfc3339(at.replace(microsecond=0)),
        "x5c": [base64.b64encode(by.der).decode()],
        "x5t#S256": encode(by.certificate.fingerprint(hashes.SHA256())).decode(),
        "crit": ["b64", "sigT"],
        **(header or {}),
    }
    protected = encode(orjson.dumps({name: value for name, value in members.items() if value is not None})).decode()
    signature = by.key.sign(f"{protected}.{payload}".encode(), padding.PKCS1v15(), hashes.SHA256())
    entry = {"protected": protected, "header": {"etsiU": unsigned or []}, "signature": encode(signature).decode()}
    return orjson.dumps({"payload": payload, "signatures": [entry]})

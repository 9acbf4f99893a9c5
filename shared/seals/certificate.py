"""What an X.509 certificate says of who sealed, and whether one certificate issued another (RFC 5280). None is trusted here.

- A chain is followed by signature from the sealing certificate up, through those that the file brings along; that it ends
  somewhere does not make it trusted. A trusted list does (`shared.seals.trusted_list`).
- Revocation is not asked for: that needs the network. The report says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import pybase64
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from shared.jose.refusals import KeyRefused
from shared.jose.rsa_keys import check_rsa

LARGEST_CERTIFICATE = 16 * 1024
"""Bytes of one certificate; those in use have two thousand."""

CERTIFICATES_KEPT = 512
"""How many certificates are kept as they were read: few sealers and authorities make many files."""

_QC_STATEMENTS = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.3")
_ESEAL_DER = bytes.fromhex("060704008e46010602")
"""0.4.0.1862.1.6.2: the certificate is for electronic seals (ETSI EN 319 412-5, 4.2.3)."""
_UNREADABLE = "A certificate in the seal cannot be read. Ask the holder for the original file."


class Certificate(NamedTuple):
    """One certificate as it was read; `subject` and `issuer` are names in RFC 4514 form."""

    subject: str
    organisation: str | None
    organisation_id: str | None
    country: str | None
    issuer: str
    issuer_country: str | None
    serial: str
    begins: datetime
    ends: datetime
    says_eseal: bool
    """It calls itself one for electronic seals; who issued it must be believed before that is."""
    thumbprint: bytes
    """SHA-256 of its DER form."""
    der: bytes

    def valid_at(self, moment: datetime) -> bool:
        """Whether the moment lies in its validity."""
        return self.begins <= moment <= self.ends


def read_certificate(encoded: str) -> Certificate:
    """A certificate from base64 of its DER form, as in `x5c` (RFC 7515, 4.1.6). Raises `KeyRefused`."""
    try:
        der = pybase64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise KeyRefused(_UNREADABLE, reason="certificate") from error
    return of_der(der)


@lru_cache(maxsize=CERTIFICATES_KEPT)
def of_der(der: bytes) -> Certificate:
    """A certificate from its DER form. Raises `KeyRefused`."""
    found = _load(der)
    try:
        return Certificate(
            subject=found.subject.rfc4514_string(),
            organisation=_name(found.subject, NameOID.ORGANIZATION_NAME) or _name(found.subject, NameOID.COMMON_NAME),
            organisation_id=_name(found.subject, NameOID.ORGANIZATION_IDENTIFIER),
            country=_name(found.subject, NameOID.COUNTRY_NAME),
            issuer=found.issuer.rfc4514_string(),
            issuer_country=_name(found.issuer, NameOID.COUNTRY_NAME),
            serial=f"{found.serial_number:x}",
            begins=found.not_valid_before_utc,
            ends=found.not_valid_after_utc,
            says_eseal=_says_eseal(found),
            thumbprint=hashlib.sha256(der).digest(),
            der=der,
        )
    except ValueError as error:
        raise KeyRefused(_UNREADABLE, reason="certificate") from error


@lru_cache(maxsize=CERTIFICATES_KEPT)
def public_key(certificate: Certificate) -> Any:
    """The key that it certifies: RSA that is sound, or ECDSA on P-256 or P-384. Raises `KeyRefused`."""
    try:
        key = _load(certificate.der).public_key()
    except Exception as error:
        raise KeyRefused(_UNREADABLE, reason="certificate") from error
    if isinstance(key, rsa.RSAPublicKey):
        check_rsa(key)
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in ("secp256r1", "secp384r1"):
        return key
    raise KeyRefused("The seal's key is of a kind that is not used for seals. Ask the sealer.", reason="key-type")


@lru_cache(maxsize=CERTIFICATES_KEPT)
def issued(issuer: bytes, certificate: bytes) -> bool:
    """Whether the key in `issuer` (DER) signed `certificate` (DER) and the names agree."""
    try:
        _load(certificate).verify_directly_issued_by(_load(issuer))
    except Exception:  # noqa: BLE001 - a false signature, a name that differs and a key that cannot sign are all a no
        return False
    return True


def path_from(leaf: Certificate, others: Sequence[Certificate]) -> tuple[Certificate, ...]:
    """The chain from `leaf` up, as far as `others` carry it: each was issued by the next."""
    path = [leaf]
    left = [other for other in others if other.der != leaf.der]
    while (above := next((other for other in left if issued(other.der, path[-1].der)), None)) is not None:
        path.append(above)
        left.remove(above)
    return tuple(path)


def _load(der: bytes) -> x509.Certificate:
    if len(der) > LARGEST_CERTIFICATE:
        raise KeyRefused("A certificate in the seal is too large. Ask the sealer.", reason="certificate-size")
    try:
        found = x509.load_der_x509_certificate(der)
        if found.public_bytes(Encoding.DER) != der:
            raise ValueError
    except Exception as error:
        raise KeyRefused(_UNREADABLE, reason="certificate") from error
    return found


def _name(name: x509.Name, kind: x509.ObjectIdentifier) -> str | None:
    found = name.get_attributes_for_oid(kind)
    return str(found[0].value) if found else None


def _says_eseal(certificate: x509.Certificate) -> bool:
    try:
        statements = certificate.extensions.get_extension_for_oid(_QC_STATEMENTS).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        return False
    return isinstance(statements, x509.UnrecognizedExtension) and _ESEAL_DER in statements.value

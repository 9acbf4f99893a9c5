"""RFC 3161 timestamp tokens, checked as far as a file alone allows.

Rules
- The token is CMS signed data with one signer, whose content is a `TSTInfo` (RFC 3161, 2.4.2); its imprint must be the hash
  of what is said to have been stamped, by SHA-256, SHA-384 or SHA-512.
- The signer's certificate lies in the token and is the one that the signed attributes name (RFC 5816, 2.2.1), has the
  extended key usage for timestamping (RFC 3161, 2.3), and was valid at the stamped time.
- The signature is over the signed attributes, which hold the hash of the content (RFC 5652, 5.4).
- Whose authority it is, the certificate says; that it may be believed, only a trusted list could.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import pybase64
from asn1crypto import cms, tsp
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from shared.jose.refusals import KeyRefused
from shared.seals import certificate as seal_certificate
from shared.seals.certificate import CERTIFICATES_KEPT, Certificate

LARGEST_TOKEN = 64 * 1024
"""Bytes of one token; those in use have three thousand."""

_SET = b"\x31"
"""The tag of a SET (X.690, 8.12): signed attributes are signed under it, whatever they are carried under (RFC 5652, 5.4)."""

_DIGESTS: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


class Timestamp(NamedTuple):
    """One timestamp: when, by whom; `fault` is None when it holds, else a stable word for what does not."""

    kind: str
    """`content`, `signature` or `archive`."""
    time: datetime | None
    authority: Certificate | None
    fault: str | None


def check(kind: str, encoded: str, stamped: bytes) -> Timestamp:
    """Check one token in base64 against the bytes that it is said to stamp. Never raises."""
    try:
        return _check(kind, pybase64.b64decode(encoded, validate=True), stamped)
    except _Fault as fault:
        return Timestamp(kind, fault.time, fault.authority, str(fault))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, OverflowError, KeyRefused):
        return Timestamp(kind, None, None, "timestamp-malformed")


class _Fault(Exception):
    def __init__(self, reason: str, time: datetime | None = None, authority: Certificate | None = None) -> None:
        super().__init__(reason)
        self.time, self.authority = time, authority


def _check(kind: str, der: bytes, stamped: bytes) -> Timestamp:
    if len(der) > LARGEST_TOKEN:
        raise _Fault("timestamp-malformed")
    outer = cms.ContentInfo.load(der, strict=True)
    if outer["content_type"].native != "signed_data":
        raise _Fault("timestamp-malformed")
    signed = outer["content"]
    content = bytes(signed["encap_content_info"]["content"])
    info = tsp.TSTInfo.load(content, strict=True)
    if signed["encap_content_info"]["content_type"].native != "tst_info" or len(signed["signer_infos"]) != 1:
        raise _Fault("timestamp-malformed")
    signer = signed["signer_infos"][0]
    over = _SET + signer["signed_attrs"].dump()[1:]  # taken before it is looked into: from then on it is written anew
    time: datetime = info["gen_time"].native.astimezone(UTC)
    authority = _authority(signed, signer)
    imprint = info["message_imprint"]
    if not _is_hash(imprint["hash_algorithm"]["algorithm"].native, imprint["hashed_message"].native, stamped):
        raise _Fault("timestamp-of-other-bytes", time, authority)
    if not _signature_holds(signer, authority, content, over):
        raise _Fault("timestamp-signature-invalid", time, authority)
    if not authority.valid_at(time) or not _may_stamp(authority):
        raise _Fault("timestamp-authority-unfit", time, authority)
    return Timestamp(kind, time, authority, None)


def _is_hash(algorithm: str, digest: bytes, data: bytes) -> bool:
    return algorithm in _DIGESTS and hashlib.new(algorithm, data).digest() == digest


def _authority(signed: Any, signer: Any) -> Certificate:
    """The signer's certificate: named by hash in the signed attributes, and by issuer and serial."""
    sid = signer["sid"].chosen
    named = sid["issuer"].dump(), sid["serial_number"].native
    hashed = _named_hash(signer)
    for choice in signed["certificates"]:
        der = choice.chosen.dump()
        if hashlib.new(hashed[0], der, usedforsecurity=False).digest() == hashed[1] and _issuer_and_serial(der) == named:
            return seal_certificate.of_der(der)
    raise _Fault("timestamp-authority-unknown")


def _named_hash(signer: Any) -> tuple[str, bytes]:
    """Algorithm and hash by which the signed attributes name the certificate: SHA-1 in the older of the two forms."""
    for attribute in signer["signed_attrs"]:
        if attribute["type"].native == "signing_certificate_v2":
            first = attribute["values"][0]["certs"][0]
            algorithm = first["hash_algorithm"]["algorithm"].native
            if algorithm not in _DIGESTS:
                break
            return algorithm, first["cert_hash"].native
        if attribute["type"].native == "signing_certificate":
            return "sha1", attribute["values"][0]["certs"][0]["cert_hash"].native
    raise _Fault("timestamp-authority-unknown")


@lru_cache(maxsize=CERTIFICATES_KEPT)
def _issuer_and_serial(der: bytes) -> tuple[bytes, int]:
    found = asn1_x509.Certificate.load(der)["tbs_certificate"]
    return found["issuer"].dump(), found["serial_number"].native


def _signature_holds(signer: Any, authority: Certificate, content: bytes, over: bytes) -> bool:
    attributes = {attribute["type"].native: attribute["values"] for attribute in signer["signed_attrs"]}
    digest = signer["digest_algorithm"]["algorithm"].native
    if attributes["content_type"][0].native != "tst_info":
        return False
    if not _is_hash(digest, attributes["message_digest"][0].native, content):
        return False
    key: Any = seal_certificate.public_key(authority)
    algorithm = signer["signature_algorithm"]
    bare = algorithm["algorithm"].native == "rsassa_pkcs1v15"  # names no hash of its own
    hashed = _DIGESTS.get(digest if bare else algorithm.hash_algo)
    try:
        _verify(key, signer["signature"].native, over, algorithm.signature_algo, hashed)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it does not hold
        return False
    return True


def _verify(key: Any, signature: bytes, over: bytes, scheme: str, hashed: hashes.HashAlgorithm | None) -> None:
    if hashed is None:
        raise ValueError
    if isinstance(key, rsa.RSAPublicKey) and scheme == "rsassa_pkcs1v15":
        key.verify(signature, over, padding.PKCS1v15(), hashed)
    elif isinstance(key, rsa.RSAPublicKey) and scheme == "rsassa_pss":
        key.verify(signature, over, padding.PSS(padding.MGF1(hashed), padding.PSS.DIGEST_LENGTH), hashed)
    elif isinstance(key, ec.EllipticCurvePublicKey) and scheme == "ecdsa":
        key.verify(signature, over, ec.ECDSA(hashed))
    else:
        raise ValueError


@lru_cache(maxsize=CERTIFICATES_KEPT)
def _may_stamp(authority: Certificate) -> bool:
    usage = asn1_x509.Certificate.load(authority.der).extended_key_usage_value
    return usage is not None and "time_stamping" in usage.native

"""A certificate that a key makes of itself, for formats that carry one in `x5c` (RFC 7515, 4.1.6; SD-JWT VC).

It shows that key and name were put together by whoever holds the key, and no more: nobody here believes it, and no reader
should without asking the node's log.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pybase64
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

BEGINS = datetime(2020, 1, 1, tzinfo=UTC)
ENDS = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""No end that is known of (RFC 5280, 4.1.2.5): how long a key is good, its node's log says."""


def of_itself(private: Any, name: str, urn: str) -> str:
    """The certificate in base64 of its DER form; `name` becomes the common name, `urn` the alternative name (a URI)."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    public = private.public_key()
    encoded = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(encoded)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public)
        .serial_number(int.from_bytes(digest.finalize()[:19], "big") | 1)
        .not_valid_before(BEGINS)
        .not_valid_after(ENDS)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(urn)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(private, None if isinstance(private, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    )
    return pybase64.b64encode(certificate.public_bytes(Encoding.DER)).decode()

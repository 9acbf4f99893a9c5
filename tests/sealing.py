"""Sealed Europass files and trusted lists of a test's own: an authority, a sealer, and a list that names the authority."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from shared.credential import draft, written
from shared.formats import elm_export
from tests.shared_data import ROOT

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2028, 1, 1, tzinfo=UTC)
QC = "http://uri.etsi.org/TrstSvc/Svctype/CA/QC"
STATUS = "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus"


@dataclass(frozen=True)
class Identity:
    """A key and its certificate."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)


@cache
def authority() -> Identity:
    return _make("Specimen CA", "EE", None)


@cache
def sealer(ends: datetime = END) -> Identity:
    return _make("Specimen University", "EE", authority(), ends)


def _make(name: str, country: str, issuer: Identity | None, ends: datetime = END) -> Identity:
    key = rsa.generate_private_key(65537, 2048)
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, country),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, name),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(BEGIN)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(issuer.key if issuer else key, hashes.SHA256())
    )
    return Identity(key, certificate)


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def seal(payload: str, by: Identity, *, header: dict[str, Any] | None = None, unsigned: list[str] | None = None) -> bytes:
    """A JAdES file over a text, in the form in which the Europass tools write it."""
    members = {
        "alg": "RS256",
        "b64": False,
        "sigT": "2026-11-01T10:00:00Z",
        "x5c": [base64.b64encode(by.der).decode()],
        "x5t#S256": encoded(by.certificate.fingerprint(hashes.SHA256())),
        "crit": ["b64", "sigT"],
        **(header or {}),
    }
    protected = encoded(json.dumps({name: value for name, value in members.items() if value is not None}).encode())
    signature = by.key.sign(f"{protected}.{payload}".encode(), padding.PKCS1v15(), hashes.SHA256())
    entry: dict[str, Any] = {"protected": protected, "header": {"etsiU": unsigned or []}, "signature": encoded(signature)}
    return json.dumps({"payload": payload, "signatures": [entry]}).encode()


def sealed_example() -> bytes:
    """The example credential, as an unsigned ELM document that the specimen university sealed."""
    award = draft.build(written.read((ROOT / "examples/data-literacy.yaml").read_bytes()), issued=BEGIN)
    document = elm_export.to_elm(award, "7d9f7e4c-9c3d-4a0a-8f1e-2b1d0a6f3c55", BEGIN)
    return seal(json.dumps(document, ensure_ascii=False), sealer())


def trusted_list(
    *services: tuple[Identity, str, str, datetime], next_update: datetime = BEGIN + timedelta(days=700), history: str = ""
) -> bytes:
    """A list of services: whose certificate, of which kind, in which state since when."""
    listed = "".join(
        f"""<TSPService><ServiceInformation><ServiceTypeIdentifier>{kind}</ServiceTypeIdentifier>
        <ServiceName><Name xml:lang="en">Seals</Name></ServiceName>
        <ServiceDigitalIdentity><DigitalId><X509Certificate>{base64.b64encode(identity.der).decode()}</X509Certificate></DigitalId>
        </ServiceDigitalIdentity><ServiceStatus>{STATUS}/{status}</ServiceStatus>
        <StatusStartingTime>{since.isoformat()}</StatusStartingTime></ServiceInformation>{history}</TSPService>"""
        for identity, kind, status, since in services
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
    <TrustServiceStatusList xmlns="http://uri.etsi.org/02231/v2#"><SchemeInformation>
    <TSLSequenceNumber>7</TSLSequenceNumber><SchemeTerritory>EE</SchemeTerritory>
    <ListIssueDateTime>{BEGIN.isoformat()}</ListIssueDateTime>
    <NextUpdate><dateTime>{next_update.isoformat()}</dateTime></NextUpdate></SchemeInformation>
    <TrustServiceProviderList><TrustServiceProvider>
    <TSPInformation><TSPName><Name xml:lang="en">Specimen Provider</Name></TSPName></TSPInformation>
    <TSPServices>{listed}</TSPServices></TrustServiceProvider></TrustServiceProviderList></TrustServiceStatusList>""".encode()

"""Sealed Europass files and trusted lists of a test's own: an authority, a sealer, and a list that names the authority."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from shared.credential import draft, written
from shared.formats.elm import export as elm_export
from shared.seals import specimen as specimen_seal
from shared.seals.specimen import SpecimenIdentity
from tests.shared_data import ROOT

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2028, 1, 1, tzinfo=UTC)
SEALED = datetime(2026, 11, 1, 10, tzinfo=UTC)
QC = "http://uri.etsi.org/TrstSvc/Svctype/CA/QC"
STATUS = "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus"


@cache
def authority() -> SpecimenIdentity:
    return specimen_seal.identity("Specimen CA", "EE", None, BEGIN, END)


@cache
def sealer(ends: datetime = END) -> SpecimenIdentity:
    return specimen_seal.identity("Specimen University", "EE", authority(), BEGIN, ends)


def seal(
    payload: str, by: SpecimenIdentity, *, header: dict[str, Any] | None = None, unsigned: list[str] | None = None
) -> bytes:
    """A sealed file over a text, sealed on the first of November."""
    return specimen_seal.seal(payload, by, SEALED, header=header, unsigned=unsigned)


def sealed_example() -> bytes:
    """The example credential, as an unsigned ELM document that the specimen university sealed."""
    award = draft.build(written.read((ROOT / "examples/data-literacy.yaml").read_bytes()), issued=BEGIN)
    document = elm_export.to_elm(award, "7d9f7e4c-9c3d-4a0a-8f1e-2b1d0a6f3c55", BEGIN)
    return seal(json.dumps(document, ensure_ascii=False), sealer())


def trusted_list(
    *services: tuple[SpecimenIdentity, str, str, datetime],
    next_update: datetime = BEGIN + timedelta(days=700),
    history: str = "",
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

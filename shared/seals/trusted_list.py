"""A European trusted list (ETSI TS 119 612), read from a file, and whether a certificate was issued by a service on it.

Rules
- XML without a document type, entities or anything fetched; at most 20 MB.
- A service is found by its certificates: the one that signed the certificate in question. Its status is the one that began
  last before the moment asked about, from its present state or its history; only `granted` counts (5.5.4).
- Kinds: `CA/QC` issues qualified certificates, `TSA/QTST` is a qualified timestamping authority (5.5.1).
- The file was put there by whoever runs this node: its own signature is not checked here, and reports say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pybase64
from defusedxml import DefusedXmlException
from defusedxml import ElementTree as SafeTree

from shared.errors import Malformed, TooLarge
from shared.seals import certificate as seal_certificate
from shared.seals.certificate import Certificate

LARGEST_BYTES = 20 * 1024 * 1024
"""Bytes of a list; the largest national ones have ten million."""

ISSUES_QUALIFIED = "http://uri.etsi.org/TrstSvc/Svctype/CA/QC"
STAMPS_QUALIFIED = "http://uri.etsi.org/TrstSvc/Svctype/TSA/QTST"
GRANTED = "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/granted"

_TSL = "{http://uri.etsi.org/02231/v2#}"
_ENGLISH = "{http://www.w3.org/XML/1998/namespace}lang"


class TrustedListUnreadable(Malformed):
    """400: the file is no trusted list."""

    title = "The trusted list cannot be read."


class ServiceState(NamedTuple):
    """From when a service had a status, and of which kind it was."""

    begins: datetime
    kind: str
    status: str


class ServiceEntry(NamedTuple):
    """One service: its name, its provider, its certificates (DER), its states from the latest to the earliest."""

    name: str
    provider: str
    territory: str
    certificates: tuple[bytes, ...]
    states: tuple[ServiceState, ...]

    def state_at(self, moment: datetime) -> ServiceState | None:
        """The state that had begun last at that moment."""
        return next((state for state in self.states if state.begins <= moment), None)

    def vouches_for(self, certificate: Certificate, kind: str) -> bool:
        """Whether it issued that certificate, or is it (a timestamping service is listed by its own)."""
        if kind == STAMPS_QUALIFIED and certificate.der in self.certificates:
            return True
        return any(seal_certificate.issued(own, certificate.der) for own in self.certificates)


class TrustedList(NamedTuple):
    """One list as it was read."""

    territory: str
    sequence: int
    issued: datetime
    next_update: datetime | None
    services: tuple[ServiceEntry, ...]


class ServiceMatch(NamedTuple):
    """What the lists say of a certificate: the service that vouches for it, and whether that was granted then."""

    service: ServiceEntry
    granted: bool
    expired: bool
    """The list should have been replaced by a newer one."""


def read(raw: bytes) -> TrustedList:
    """A list from its XML. Raises `TrustedListUnreadable` or `TooLarge`."""
    if len(raw) > LARGEST_BYTES:
        raise TooLarge(f"A trusted list has at most {LARGEST_BYTES // 1024 // 1024} MB here.")
    try:
        root = SafeTree.fromstring(raw, forbid_dtd=True)
        return _list(root)
    except (
        DefusedXmlException,
        SafeTree.ParseError,
        ValueError,
        ArithmeticError,
        AttributeError,
        TypeError,
        RecursionError,
    ) as error:
        raise TrustedListUnreadable(
            "Give the XML of a national trusted list (ETSI TS 119 612) as its scheme operator publishes it."
        ) from error


def find(
    lists: Iterable[TrustedList], certificate: Certificate, kind: str, moment: datetime, now: datetime
) -> ServiceMatch | None:
    """The service of that kind on any of the lists that vouches for a certificate, as of `moment`; a granted one first."""
    found = [
        ServiceMatch(service, state.status == GRANTED, one.next_update is not None and one.next_update < now)
        for one in lists
        for service in one.services
        if (state := service.state_at(moment)) and state.kind == kind and service.vouches_for(certificate, kind)
    ]
    return max(found, key=lambda listed: listed.granted, default=None)


def _list(root: Any) -> TrustedList:
    if root.tag != f"{_TSL}TrustServiceStatusList":
        raise ValueError
    scheme = root.find(f"{_TSL}SchemeInformation")
    territory = _text(scheme, "SchemeTerritory")
    update = scheme.find(f"{_TSL}NextUpdate/{_TSL}dateTime")
    return TrustedList(
        territory=territory,
        sequence=int(_text(scheme, "TSLSequenceNumber")),
        issued=_moment(_text(scheme, "ListIssueDateTime")),
        next_update=_moment(update.text.strip()) if update is not None else None,
        services=tuple(_services(root, territory)),
    )


def _services(root: Any, territory: str) -> Iterator[ServiceEntry]:
    for provider in root.iter(f"{_TSL}TrustServiceProvider"):
        called = _name(provider.find(f"{_TSL}TSPInformation/{_TSL}TSPName"))
        for service in provider.iter(f"{_TSL}TSPService"):
            present = service.find(f"{_TSL}ServiceInformation")
            past = service.iter(f"{_TSL}ServiceHistoryInstance")
            states = sorted((_state(one) for one in (present, *past)), key=lambda state: state.begins, reverse=True)
            certificates = {
                pybase64.b64decode("".join(one.text.split()), validate=True)
                for one in service.iter(f"{_TSL}X509Certificate")
            }
            name = _name(present.find(f"{_TSL}ServiceName"))
            yield ServiceEntry(name, called, territory, tuple(sorted(certificates)), tuple(states))


def _state(node: Any) -> ServiceState:
    begins = _moment(_text(node, "StatusStartingTime"))
    return ServiceState(begins, _text(node, "ServiceTypeIdentifier"), _text(node, "ServiceStatus"))


def _text(node: Any, name: str) -> str:
    return _said(node.find(f"{_TSL}{name}"))


def _name(node: Any) -> str:
    """A name in English, or the first there is."""
    names = list(node.iter(f"{_TSL}Name"))
    return _said(next((one for one in names if one.get(_ENGLISH) == "en"), names[0])) if names else ""


def _said(node: Any) -> str:
    if not node.text or not (text := str(node.text).strip()):
        raise ValueError
    return text


def _moment(written: str) -> datetime:
    found = datetime.fromisoformat(written)
    if found.tzinfo is None:
        raise ValueError
    return found.astimezone(UTC)

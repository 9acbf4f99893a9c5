"""Checks 1 to 5 of a sealed Europass credential: the seal, its certificate, who vouches for it, and when it was made.

(1) the seal is intact                (2) its certificate held then    (3) a trusted list vouches for it
(4) its certificate was not revoked   (5) timestamps
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from shared.clock import rfc3339
from shared.seals import trusted_list
from shared.seals.certificate import Certificate
from shared.seals.jades import Seal
from shared.seals.trusted_list import ISSUES_QUALIFIED, STAMPS_QUALIFIED, TrustedList
from shared.verification.verdict import Outcome, StepResult

_BROKEN = {
    "seal-broken": "The seal is false: this is not what was sealed. Ask the holder for the original.",
    "certificate-differs": "The certificate is not the one that the seal names. Ask the holder for the original.",
}
_NOT_VERIFIABLE = "The seal cannot be verified here, so nothing shows that it is intact."


CHECKS = (
    "read within limits",
    "the seal is intact",
    "its certificate held then",
    "a trusted list vouches for it",
    "its certificate was not revoked",
    "timestamps",
    "in its validity period",
    "who sealed, who issued, who awarded",
    "complete: the elements of Annex I",
    "coherent",
    "only what the European Learning Model has",
    "meets the official SHACL shapes",
)
"""The names of the checks, the same words everywhere."""


def passed(number: int, detail: str, evidence: Mapping[str, Any]) -> StepResult:
    """The check found what it looked for."""
    return _result(number, Outcome.PASSED, None, detail, evidence)


def failed(number: int, reason: str, detail: str, evidence: Mapping[str, Any]) -> StepResult:
    """The check found something against the file."""
    return _result(number, Outcome.FAILED, reason, detail, evidence)


def unknown(number: int, reason: str, detail: str, evidence: Mapping[str, Any]) -> StepResult:
    """The check could not find out."""
    return _result(number, Outcome.UNKNOWN, reason, detail, evidence)


def warning(number: int, reason: str, detail: str, evidence: Mapping[str, Any]) -> StepResult:
    """The check found something that is reported and changes nothing."""
    return _result(number, Outcome.WARNING, reason, detail, evidence)


def skipped(number: int, reason: str, detail: str, evidence: Mapping[str, Any]) -> StepResult:
    """The check was not made."""
    return _result(number, Outcome.SKIPPED, reason, detail, evidence)


def _result(number: int, outcome: Outcome, reason: str | None, detail: str, evidence: Mapping[str, Any]) -> StepResult:
    return StepResult(number=number, name=CHECKS[number], outcome=outcome, reason=reason, detail=detail, evidence=evidence)


def written(moment: datetime | None) -> str | None:
    """A moment as it stands in a report."""
    return rfc3339(moment) if moment else None


def proven_time(seal: Seal, lists: Sequence[TrustedList], now: datetime) -> datetime | None:
    """The earliest moment that a good timestamp by a listed authority proves; None without one."""
    times = (
        stamp.time
        for stamp in seal.timestamps
        if stamp.fault is None and stamp.time and stamp.time <= now
        if _is_qualified(stamp.authority, lists, stamp.time, now)
    )
    return min(times, default=None)


def check_seal(seal: Seal) -> StepResult:
    """Check 1."""
    evidence = {"algorithm": seal.algorithm, "claimed_time": written(seal.claimed_time)}
    if seal.fault in _BROKEN:
        return failed(1, seal.fault, _BROKEN[seal.fault], evidence)
    if seal.fault is not None:
        return unknown(1, seal.fault, _NOT_VERIFIABLE, evidence)
    return passed(1, "Nothing was changed since it was sealed.", evidence)


def check_certificate(seal: Seal, moment: datetime) -> StepResult:
    """Check 2, at the moment that is proven, or now."""
    certificate = seal.certificate
    if certificate is None:
        return unknown(2, "certificate-missing", "There is no certificate that says who sealed it.", {})
    evidence = _certificate(certificate) | {"chain": [link.subject for link in seal.chain], "at": rfc3339(moment)}
    if certificate.valid_at(moment):
        return passed(2, "It lay in its certificate's validity.", evidence)
    sentence = "Its certificate had ended, or not begun, by the moment that is proven."
    return unknown(2, "certificate-not-valid-then", sentence, evidence)


def check_trusted_list(seal: Seal, lists: Sequence[TrustedList], moment: datetime, now: datetime) -> StepResult:
    """Check 3."""
    if not lists:
        return unknown(3, "no-trusted-list", "No trusted list was given, so none vouches for the sealer.", {})
    evidence: dict[str, Any] = {"lists": [f"{one.territory} {one.sequence}" for one in lists]}
    evidence["list_signatures"] = "not checked: taken as they were given"
    found = seal.certificate and trusted_list.find(lists, seal.certificate, ISSUES_QUALIFIED, moment, now)
    if not found:
        return unknown(3, "not-listed", "No service on the given trusted lists issued its certificate.", evidence)
    service = found.service
    evidence |= {"service": service.name, "provider": service.provider, "territory": service.territory}
    if not found.granted:
        return unknown(3, "not-granted", "The service that issued its certificate was not granted then.", evidence)
    if found.expired:
        return unknown(3, "trusted-list-expired", "The trusted list is out of date. Give the newest.", evidence)
    return passed(3, f"Its certificate is from {service.provider}, on the list of {service.territory}.", evidence)


def check_revocation(seal: Seal) -> StepResult:
    """Check 4: what the file brings along about revocation is named and not believed."""
    sentence = "Whether its certificate was revoked was not asked: that needs its issuer's word."
    return unknown(4, "revocation-not-checked", sentence, {"brought_along_unchecked": list(seal.unchecked)})


def check_timestamps(seal: Seal, lists: Sequence[TrustedList], now: datetime) -> StepResult:
    """Check 5."""
    stamps = [
        {
            "kind": stamp.kind,
            "time": written(stamp.time),
            "authority": stamp.authority.subject if stamp.authority else None,
            "fault": stamp.fault,
            "qualified": bool(stamp.time and _is_qualified(stamp.authority, lists, stamp.time, now)),
        }
        for stamp in seal.timestamps
    ]
    evidence = {"timestamps": stamps}
    if any(stamp["fault"] for stamp in stamps):
        return warning(5, "timestamp-broken", "A timestamp does not hold.", evidence)
    if not any(stamp["qualified"] for stamp in stamps):
        words = "Its timestamps hold, by authorities that no given list names." if stamps else "It has no timestamp."
        return warning(5, "time-not-proven", words, evidence)
    return passed(5, "Its time is proven by a listed authority.", evidence)


def _is_qualified(authority: Certificate | None, lists: Sequence[TrustedList], moment: datetime, now: datetime) -> bool:
    found = authority and trusted_list.find(lists, authority, STAMPS_QUALIFIED, moment, now)
    return bool(found and found.granted)


def _certificate(certificate: Certificate) -> dict[str, Any]:
    return {
        "subject": certificate.subject,
        "organisation_id": certificate.organisation_id,
        "country": certificate.country,
        "issuer": certificate.issuer,
        "serial": certificate.serial,
        "from": rfc3339(certificate.begins),
        "until": rfc3339(certificate.ends),
        "says_it_is_for_seals": certificate.says_eseal,
    }

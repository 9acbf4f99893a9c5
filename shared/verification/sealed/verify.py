"""What can be said, offline, of a sealed Europass credential: twelve checks, and the verdict in the same three words.

(0) read within limits             (4) its certificate not revoked       (8) complete: the elements of Annex I
(1) the seal is intact             (5) timestamps                        (9) coherent
(2) its certificate held then      (6) in its validity period           (10) only what the European Learning Model has
(3) a trusted list vouches for it  (7) who sealed, issued, awarded      (11) the official shapes, where they are given

- THEN is the earliest moment that a good timestamp of a listed authority proves; without one, now. The sealer's own word for
  the time is shown and counts for nothing.
- A seal says that nothing was changed since; who may award is not in it. Without a trusted list, and as long as it was not
  asked whether the certificate was revoked, the answer is `indeterminate`: what is not known is never `valid`.
- A *failed* check is invalid, an *unknown* one indeterminate, a *warning* changes nothing, as in the eleven steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from shared.credential.coherence import DEFAULT_POLICY, CoherencePolicy
from shared.errors import TestamurError
from shared.formats import europass
from shared.formats.elm import shapes as elm_shapes
from shared.formats.europass import Party, Sealed
from shared.seals.trusted_list import TrustedList
from shared.verification.report import ALL_PASSED, step_document
from shared.verification.sealed.checks import (
    check_certificate,
    check_revocation,
    check_seal,
    check_timestamps,
    check_trusted_list,
    failed,
    passed,
    proven_time,
    skipped,
    unknown,
    warning,
    written,
)
from shared.verification.verdict import StepResult, Verdict, conclude


@dataclass(frozen=True, slots=True, kw_only=True)
class SealReport:
    """The answer about one file."""

    verdict: Verdict
    deciding: StepResult | None
    checks: tuple[StepResult, ...]
    sealed: Sealed | None

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values; of the learner it says nothing."""
        decided = self.deciding
        return {
            "verdict": self.verdict.value,
            "reason": decided.reason if decided else None,
            "detail": decided.detail if decided else ALL_PASSED,
            "format": europass.NAME,
            "titles": [dict(title) for title in self.sealed.titles] if self.sealed else [],
            "steps": [step_document(check) for check in self.checks],
        }


def verify_seal(
    raw: bytes,
    now: datetime,
    lists: Sequence[TrustedList] = (),
    policy: CoherencePolicy = DEFAULT_POLICY,
    shapes: Path | None = None,
) -> SealReport:
    """Everything that the file, the lists and the clock allow to be said. Never raises for what is in the file.

    `shapes` is a folder with the official SHACL shapes; raises `ShapesUnusable` where they cannot be run.
    """
    try:
        sealed = europass.read(raw)
    except TestamurError as error:
        unread = failed(0, "malformed", f"It could not be read. {error.detail}", {})
        return SealReport(verdict=Verdict.INVALID, deciding=unread, checks=(unread,), sealed=None)
    checks = (*_checks(sealed, now, lists, policy), _check_shapes(sealed, shapes))
    verdict, deciding = conclude(checks)
    return SealReport(verdict=verdict, deciding=deciding, checks=checks, sealed=sealed)


def _checks(sealed: Sealed, now: datetime, lists: Sequence[TrustedList], policy: CoherencePolicy) -> Iterator[StepResult]:
    seal = sealed.seal
    then = proven_time(seal, lists, now) or now
    yield passed(0, "It was read within limits.", {"format": europass.NAME})
    yield check_seal(seal)
    yield check_certificate(seal, then)
    yield check_trusted_list(seal, lists, then, now)
    yield check_revocation(seal)
    yield check_timestamps(seal, lists, now)
    yield _check_validity_period(sealed, now)
    yield _check_roles(sealed)
    yield _check_complete(sealed)
    yield _check_coherent(sealed, policy)
    yield _check_model(sealed)


def _check_validity_period(sealed: Sealed, now: datetime) -> StepResult:
    evidence = {"valid_from": written(sealed.valid_from), "valid_until": written(sealed.valid_until)}
    if sealed.valid_until and now >= sealed.valid_until:
        return failed(6, "expired", "Its validity period is over.", evidence)
    if sealed.valid_from and now < sealed.valid_from:
        return unknown(6, "not-yet-valid", "Its validity period has not begun. Try later.", evidence)
    return passed(6, "It is in its validity period.", evidence)


def _check_roles(sealed: Sealed) -> StepResult:
    certificate = sealed.seal.certificate
    evidence = {
        "sealer": certificate and {"name": certificate.organisation, "country": certificate.country},
        "issuer": _party(sealed.issuer),
        "awarding_bodies": [_party(body) for body in sealed.awarding_bodies],
    }
    bodies = [body for body in sealed.awarding_bodies if body.country]
    abroad = certificate is not None and any(body.country != certificate.country for body in bodies)
    others = any(body.names != sealed.issuer.names for body in sealed.awarding_bodies)
    if abroad or others:
        words = "The sealer, the issuer and the awarding body are not the same, or not of one country. Know each of them."
        return warning(7, "roles-differ", words, evidence)
    if certificate is None or not sealed.issuer.names or not sealed.awarding_bodies:
        return warning(7, "role-missing", "It does not say who sealed, issued and awarded it.", evidence)
    return passed(7, "Sealer, issuer and awarding body are named.", evidence)


def _check_complete(sealed: Sealed) -> StepResult:
    elements = europass.elements(sealed)
    if elements is None:
        words = "It does not award one learning achievement, so it is no micro-credential."
        return warning(8, "not-a-micro-credential", words, {})
    missing = [element.number for element in elements if element.mandatory and element.status == "missing"]
    evidence = {"missing": missing, "elements": [[one.number, one.name, one.status] for one in elements]}
    if missing:
        words = f"It lacks mandatory elements of a European micro-credential: {', '.join(map(str, missing))}."
        return warning(8, "incomplete", words, evidence)
    return passed(8, "All mandatory elements are there.", evidence)


def _check_coherent(sealed: Sealed, policy: CoherencePolicy) -> StepResult:
    faults = europass.incoherent(sealed, policy)
    if not faults:
        return passed(9, "What it says agrees with itself.", {})
    sentences = "; ".join(f"{fault.path}: {fault.message}" for fault in faults)
    return warning(9, "incoherent", f"{sentences}.", {"rules": [fault.rule for fault in faults]})


def _check_model(sealed: Sealed) -> StepResult:
    faults = europass.departures(sealed)
    if not faults:
        return passed(10, "It says nothing that the model has no place for.", {})
    sentences = "; ".join(f"{fault.path or '/'}: {fault.message}" for fault in faults[:5])
    return warning(10, "not-as-modelled", f"{sentences}.", {"faults": [list(fault) for fault in faults]})


def _check_shapes(sealed: Sealed, folder: Path | None) -> StepResult:
    if folder is None:
        words = "Not checked: no folder with the official shapes was given."
        return skipped(11, "no-shapes", words, {})
    found = elm_shapes.check(sealed.document, folder)
    evidence: dict[str, Any] = {"shapes": list(found.shapes)}
    if not found.faults:
        return passed(11, "It meets the official shapes.", evidence)
    sentences = "; ".join(f"{'.'.join(filter(None, fault[:2])) or '/'}: {fault.message}" for fault in found.faults[:5])
    return warning(11, "not-as-shaped", f"{sentences}.", evidence | {"faults": [list(fault) for fault in found.faults]})


def _party(party: Party) -> dict[str, Any]:
    return {"names": dict(party.names), "country": party.country, "identifiers": list(party.identifiers)}

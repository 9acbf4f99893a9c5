"""Steps 0 to 2: what was presented, looked at by itself.

(0) read within limits, recognise the format    (1) complete: the eleven mandatory elements
(2) coherent: hours per ECTS, levels, dates

Completeness and coherence are reported and change no verdict unless a policy hardens them: of seven finished samples of a
European micro-credential found in public, none is complete.
"""

from __future__ import annotations

from shared.credential import coherence, completeness
from shared.credential.parts import WithheldHolder
from shared.formats.port import ReadCredential
from shared.verification.presented import Presented
from shared.verification.verdict import StepResult, found, passed

_COMPLETE = passed(1, "All eleven mandatory elements are there.", {"missing": ()})
_COHERENT = passed(2, "What it says agrees with itself.", {"rules": ()})


def check_format(presented: Presented) -> StepResult:
    """Step 0."""
    if presented.refusal is not None:
        return found(0, presented.refusal, {"format": presented.format}, presented.detail)
    return passed(0, "It was read within limits.", {"format": presented.format})


def check_complete(credential: ReadCredential) -> StepResult:
    """Step 1 (Council Recommendation 2022/C 243/02, Annex I)."""
    missing = [element.number for element in completeness.missing_mandatory(credential.award)]
    if missing:
        return found(1, "incomplete", {"missing": missing}, f"Missing: {', '.join(map(str, missing))}.")
    if isinstance(credential.award.holder, WithheldHolder):
        return found(1, "name-not-shown", {"not_shown": [1]})
    return _COMPLETE


def check_coherent(credential: ReadCredential, policy: coherence.CoherencePolicy) -> StepResult:
    """Step 2."""
    faults = coherence.faults(credential.award, policy)
    if faults:
        sentences = "; ".join(f"{fault.path}: {fault.message}" for fault in faults)
        return found(2, "incoherent", {"rules": [fault.rule for fault in faults]}, f"{sentences}.")
    return _COHERENT

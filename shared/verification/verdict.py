"""The verdict, as data: which reason at which step gives which outcome, and what each outcome makes of the whole.

After ETSI EN 319 102-1: `valid`, `invalid`, `indeterminate`. `invalid` beats `indeterminate` beats `valid`.

- A step that *failed* found something against the credential. A step that is *unknown* could not find out: what we do not
  know is indeterminate, never valid. A *warning* is reported and changes nothing, unless a policy hardens it.
- The reason of a verdict is that of the first step that gives it. Reasons are stable words; details may be reworded.
- *Failed* is always invalid and *unknown* always indeterminate: a row names an outcome, and no row can soften it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from shared.trust.scope import REFUSALS


class Verdict(StrEnum):
    """The answer to "is this true?"."""

    VALID = "valid"
    INVALID = "invalid"
    INDETERMINATE = "indeterminate"


class Outcome(StrEnum):
    """What came of one step."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    WARNING = "warning"
    SKIPPED = "skipped"


STEPS = (
    "read within limits, format recognised",
    "complete: the eleven mandatory elements",
    "coherent: hours per ECTS, levels, dates",
    "the signature holds, by a key the issuer held",
    "the issuer was accredited for this, then, and by whom",
    "in its validity period",
    "not revoked or suspended, known as of when",
    "registered, with this commitment",
    "presented by its holder",
    "its parts hold too",
    "what it means here: EQF level, national level, ECTS",
)
"""The names of steps 0 to 10, the same words in API, command line, page and documentation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What one step found; `evidence` is small, plain, and holds nothing personal. `reason` is None when it passed."""

    number: int
    name: str
    outcome: Outcome
    reason: str | None
    detail: str
    evidence: Mapping[str, Any]


class VerdictRow(NamedTuple):
    """One reason at one step: the outcome, and the sentence that says it."""

    outcome: Outcome
    sentence: str


_UNKNOWN_NODE = VerdictRow(Outcome.UNKNOWN, "The node it comes from is not in the federation list held here.")
_PARKED = VerdictRow(Outcome.UNKNOWN, "A newer event about it is not understood here yet. Update this node.")
_CONTRADICTORY = VerdictRow(Outcome.UNKNOWN, "The log of its node contradicts itself. Wait for that node to recover it.")
_STALE = VerdictRow(Outcome.UNKNOWN, "What is known here of its node is too old to tell. Try later.")
_STALE_THEN = VerdictRow(Outcome.UNKNOWN, "Nothing kept here shows that what was known of its node then was recent enough.")
_NOT_AUTHENTIC = VerdictRow(Outcome.SKIPPED, "Not answered, since nothing shows that this is the registered credential.")

TABLE: Mapping[tuple[int, str], VerdictRow] = MappingProxyType(
    {
        (0, "malformed"): VerdictRow(Outcome.FAILED, "It could not be read."),
        (0, "unknown-format"): VerdictRow(Outcome.UNKNOWN, "It is in no format that this node reads."),
        (1, "incomplete"): VerdictRow(Outcome.WARNING, "It lacks mandatory elements of a European micro-credential."),
        (2, "incoherent"): VerdictRow(Outcome.WARNING, "What it says does not agree with itself."),
        (3, "unknown-nation"): _UNKNOWN_NODE,
        (3, "unknown-key"): VerdictRow(Outcome.UNKNOWN, "The key that is said to have signed it is not known here."),
        (3, "signature-invalid"): VerdictRow(
            Outcome.FAILED, "The signature is false: this is not what the issuer signed. Ask the holder for the original."
        ),
        (3, "key-compromised"): VerdictRow(Outcome.FAILED, "It was signed by a stolen key, and is not among what stands."),
        (3, "key-retired"): VerdictRow(Outcome.UNKNOWN, "The issuer's key was retired before it was registered."),
        (3, "key-not-yet-added"): VerdictRow(Outcome.UNKNOWN, "It was registered before the issuer's key was added."),
        (4, "unknown-nation"): _UNKNOWN_NODE,
        (4, "federation-list-expired"): VerdictRow(
            Outcome.UNKNOWN, "The federation list held here has expired. Fetch the newest one."
        ),
        (4, "federation-list-grace"): VerdictRow(
            Outcome.WARNING, "The federation list held here has just expired and still serves. Fetch the newest one."
        ),
        (4, "nation-suspended"): VerdictRow(Outcome.UNKNOWN, "The node it comes from is suspended from the federation."),
        (4, "nation-left"): VerdictRow(
            Outcome.UNKNOWN, "The node it comes from has left the federation. Ask its successor."
        ),
        (4, "trust-log-unknown"): VerdictRow(Outcome.UNKNOWN, "Nothing is known here yet of whom its node accredits."),
        (4, "trust-log-behind"): VerdictRow(
            Outcome.UNKNOWN, "Its node's accreditations are not known here up to when it was registered. Try later."
        ),
        (4, "identifier-contested"): VerdictRow(
            Outcome.UNKNOWN, "Another node says that the issuer's identifier is that of an institution of its own."
        ),
        (4, "parked"): _PARKED,
        (4, "contradictory-log"): _CONTRADICTORY,
        (4, "stale"): _STALE,
        (4, "stale-then"): _STALE_THEN,
        **{(4, reason): VerdictRow(Outcome.FAILED, sentence) for reason, sentence in REFUSALS.items()},
        (5, "expired"): VerdictRow(Outcome.FAILED, "Its validity period is over."),
        (5, "not-yet-valid"): VerdictRow(Outcome.UNKNOWN, "Its validity period has not begun. Try later."),
        (6, "unknown-nation"): _UNKNOWN_NODE,
        (6, "revoked"): VerdictRow(Outcome.FAILED, "It was revoked."),
        (6, "superseded"): VerdictRow(Outcome.FAILED, "It was superseded: ask the holder for the new one."),
        (6, "suspended"): VerdictRow(Outcome.UNKNOWN, "It is suspended for now. Try later."),
        (6, "contradictory-log"): _CONTRADICTORY,
        (6, "parked"): _PARKED,
        (6, "stale"): _STALE,
        (6, "stale-then"): _STALE_THEN,
        (6, "not-authentic"): _NOT_AUTHENTIC,
        (7, "unknown-nation"): _UNKNOWN_NODE,
        (7, "not-registered"): VerdictRow(Outcome.UNKNOWN, "It is not registered, as far as is known here."),
        (7, "format-not-registered"): VerdictRow(Outcome.UNKNOWN, "It is registered, but not in this format."),
        (7, "contradictory-log"): _CONTRADICTORY,
        (7, "commitment-mismatch"): VerdictRow(Outcome.FAILED, "Another credential is registered under its name."),
        (7, "registration-differs"): VerdictRow(Outcome.FAILED, "It is registered for another institution, key or type."),
        (7, "not-authentic"): _NOT_AUTHENTIC,
        (1, "name-not-shown"): VerdictRow(Outcome.WARNING, "Its holder did not show whose it is."),
        (8, "key-binding-invalid"): VerdictRow(
            Outcome.FAILED, "It was not presented by its holder, here and now. Ask the holder to present it again."
        ),
        (8, "key-binding-not-asked"): VerdictRow(
            Outcome.WARNING, "Its holder signed the presentation, and nothing was asked that would show for whom and when."
        ),
        (8, "holder-not-proven"): VerdictRow(Outcome.WARNING, "Nothing shows that it is the holder who presents it."),
        (9, "no-parts"): VerdictRow(Outcome.SKIPPED, "It has no parts."),
        (9, "not-authentic"): _NOT_AUTHENTIC,
        (9, "part-mismatch"): VerdictRow(
            Outcome.FAILED, "Another credential is registered under the name of one of its parts."
        ),
        (9, "part-affected"): VerdictRow(
            Outcome.WARNING,
            "It is affected: a part of it was revoked, superseded or suspended. Ask its issuer.",
        ),
        (9, "part-unknown"): VerdictRow(Outcome.WARNING, "Whether each of its parts holds is not known here. Try later."),
        (10, "level-unknown"): VerdictRow(Outcome.WARNING, "Its level cannot be placed here with certainty."),
    }
)
"""Every reason a step may give, by (step, reason)."""

_VERDICTS = {Outcome.FAILED: Verdict.INVALID, Outcome.UNKNOWN: Verdict.INDETERMINATE}
NOT_READ = "not-read"
"""The reason of every step after 0 when the credential could not be read."""


def passed(number: int, detail: str, evidence: Mapping[str, Any]) -> StepResult:
    """The step found what it looked for."""
    return StepResult(
        number=number, name=STEPS[number], outcome=Outcome.PASSED, reason=None, detail=detail, evidence=evidence
    )


def found(number: int, reason: str, evidence: Mapping[str, Any], more: str = "") -> StepResult:
    """The step found this reason; outcome and sentence are the table's, `more` is added to the sentence."""
    row = TABLE[number, reason]
    return StepResult(
        number=number,
        name=STEPS[number],
        outcome=row.outcome,
        reason=reason,
        detail=f"{row.sentence} {more}" if more else row.sentence,
        evidence=evidence,
    )


def not_read(number: int) -> StepResult:
    """The step had nothing to look at."""
    return StepResult(
        number=number,
        name=STEPS[number],
        outcome=Outcome.SKIPPED,
        reason=NOT_READ,
        detail="Nothing could be read, so this was not checked.",
        evidence={},
    )


def conclude(
    results: Iterable[StepResult], hardened: Mapping[int | str, Verdict] = MappingProxyType({})
) -> tuple[Verdict, StepResult | None]:
    """The verdict over all steps and the first step that gives it (None when valid).

    `hardened` says for a warning's reason or step number which verdict it gives; it reaches warnings only.
    """
    doubtful: StepResult | None = None
    for result in results:
        if result.reason is None:
            continue
        verdict = _VERDICTS.get(result.outcome)
        if verdict is None and hardened and result.outcome is Outcome.WARNING:
            verdict = hardened.get(result.reason) or hardened.get(result.number)
        if verdict is Verdict.INVALID:
            return verdict, result
        if verdict is Verdict.INDETERMINATE and doubtful is None:
            doubtful = result
    return (Verdict.INDETERMINATE, doubtful) if doubtful else (Verdict.VALID, None)

"""The report: the verdict, every step with its evidence, and as of when. The same words wherever it is shown.

Of the credential it repeats only what names it: ref, title, awarding body, date of issuing. Nothing of the learner.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.clock import rfc3339
from shared.formats.port import ReadCredential
from shared.verification.context import Context
from shared.verification.verdict import StepResult, Verdict

ALL_PASSED = "Every check that decides was passed."
"""What a report says when it is valid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The answer to one question. `deciding` is the first step that gave the verdict; None when valid."""

    verdict: Verdict
    deciding: StepResult | None
    steps: tuple[StepResult, ...]
    context: Context

    @property
    def reason(self) -> str | None:
        """The stable reason of the verdict; None when valid."""
        return self.deciding.reason if self.deciding else None

    @property
    def detail(self) -> str:
        """The verdict in a sentence, and in another one that it is not of now, where it is not."""
        sentence = self.deciding.detail if self.deciding else ALL_PASSED
        return " ".join((sentence, *_of_another_time(self.context)))

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        context, presented = self.context, self.context.presented
        return {
            "verdict": self.verdict.value,
            "reason": self.reason,
            "detail": self.detail,
            "credential": _credential(presented.credential),
            "issuer": _issuer(presented.credential, self.steps),
            "steps": [step_document(step) for step in self.steps],
            "as_of": _as_of(context),
            "policy": context.policy.document(),
        }


def step_document(step: StepResult) -> dict[str, Any]:
    """One step as plain JSON values."""
    return {
        "number": step.number,
        "name": step.name,
        "outcome": step.outcome.value,
        "reason": step.reason,
        "detail": step.detail,
        "evidence": {name: _plain(value) for name, value in step.evidence.items()},
    }


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)
    return list(value) if isinstance(value, tuple) else value


def _credential(credential: ReadCredential | None) -> dict[str, Any] | None:
    if credential is None:
        return None
    award = credential.award
    body = award.awarding_body
    return {
        "ref": credential.ref,
        "title": dict(award.title),
        "awarding_body": {"legal_name": dict(body.legal_name), "country": body.country},
        "credential_type": award.credential_type,
        "issued": rfc3339(award.issued),
    }


def _issuer(credential: ReadCredential | None, steps: tuple[StepResult, ...]) -> dict[str, Any] | None:
    """Who says so: the institution as it names itself, and by which node it was accredited, if it was."""
    if credential is None:
        return None
    evidence = steps[4].evidence
    return {
        "institution": credential.institution.urn,
        "accredited_by": evidence.get("by") if evidence.get("accreditation") else None,
        "accredited_as": evidence.get("institution"),
    }


def _of_another_time(context: Context) -> Iterator[str]:
    """What must not be overlooked when the answer is not of now."""
    if context.as_of is not None:
        yield f"As of {rfc3339(context.as_of)}, not of now."
    if context.known_at is not None:
        yield f"By what was known here at {rfc3339(context.known_at)}, not by what is known now."


def _as_of(context: Context) -> dict[str, Any]:
    knowledge = context.knowledge
    return {
        "node": knowledge.node.name if knowledge.node else None,
        "answered_by": context.me,
        "moment": rfc3339(context.as_of or context.now),
        "moment_asked": context.as_of is not None,
        "known_at": rfc3339(context.known_at) if context.known_at else None,
        "epoch": knowledge.epoch,
        "registrations": knowledge.seq,
        "status": knowledge.status_seq,
        "trust": knowledge.trust_seq,
        "age_seconds": knowledge.age,
    }

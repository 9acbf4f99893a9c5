"""What the verifier answers, as the API documents describe it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from shared.clock import Instant
from shared.web.command import View


class StepView(View):
    """One of the eleven steps."""

    number: int
    name: str
    outcome: Literal["passed", "failed", "unknown", "warning", "skipped"]
    reason: str | None
    """A stable word; null when passed."""
    detail: str
    evidence: dict[str, Any]


class AsOfView(View):
    """By which knowledge the answer was given: sequences applied without a gap, and how old their proof is."""

    node: str | None
    """The node of the credential; null when the federation list does not name it."""
    answered_by: str
    moment: Instant
    """For which moment: when it was answered, unless another was asked for."""
    moment_asked: bool
    """Whether that moment was asked for (`as_of`): the answer is not of now then."""
    known_at: Instant | None
    """By what was known here when, where that was asked for: the answer is not by what is known now then."""
    epoch: int
    registrations: int
    status: int
    trust: int
    age_seconds: float | None
    """How old the newest proof was when it was answered, or at `known_at`; null: none is known."""


class ReportView(View):
    """The answer to one question."""

    verdict: Literal["valid", "invalid", "indeterminate"]
    reason: str | None
    """A stable word; null when valid."""
    detail: str
    credential: dict[str, Any] | None
    """What names it, and nothing of its learner; null when it could not be read."""
    issuer: dict[str, Any] | None
    steps: tuple[StepView, ...]
    as_of: AsOfView
    policy: dict[str, Any]
    receipt: str | None = None
    """What was found, signed (`testamur-receipt+jwt`), where it was asked for, of now, and could be read."""


class SealReportView(View):
    """What can be said of a sealed Europass file."""

    verdict: Literal["valid", "invalid", "indeterminate"]
    reason: str | None
    """A stable word; null when valid."""
    detail: str
    format: str
    titles: tuple[dict[str, str], ...]
    """What it awards, by language."""
    steps: tuple[StepView, ...]
    """The twelve checks; of the learner they say nothing."""


class PolicyView(View):
    """By which policy this node judges."""

    name: str
    max_age_seconds: float
    hours_per_ects: tuple[float, ...] = Field(min_length=2, max_length=2)
    """The least and the most."""
    hardened: dict[str, str]

"""What a cohort is: rows, what is wrong with them, and the states of the job. Pure.

States: running -> finished, or running -> cancelling -> cancelled. A row is waiting until the job has come by, then issued,
refused (its reason is kept) or erased (its key was destroyed before); what a cancelled job did not come to is cancelled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from shared.credential.draft import DraftRefused
from shared.credential.faults import Fault
from shared.errors import Conflict, Invalid, NotFound, TestamurError, TooLarge

CohortState = Literal["running", "finished", "cancelling", "cancelled"]
RowStatus = Literal["waiting", "issued", "refused", "erased", "cancelled"]

MOST_ROWS = 10_000
"""Learners in one file."""

MOST_COLUMNS = 200
"""Columns of one file."""

LARGEST_FILE_BYTES = 10 * 1024 * 1024
"""Bytes of one file."""

ROWS_PER_CHUNK = 50
"""Rows that are kept in one document and issued in one transaction: enough to share its cost, few enough to wait for."""


class CohortUnreadable(Invalid):
    """422: the file is not of the kind that the request names, or has no learners in it."""

    title = "The cohort's file could not be read."


class CohortTooLarge(TooLarge):
    """413: the file has more bytes, rows or columns than one cohort may have."""

    title = "The cohort is too large."


class CohortRefused(Invalid):
    """422: rows have faults, so nothing was issued. `rows` lists them as the check does."""

    title = "The cohort has faults, so nothing of it is issued."


class TemplateRefused(Invalid):
    """422: a template speaks of all learners, and this one cannot."""

    title = "The template cannot be used."


class CohortUnknown(NotFound):
    """404: no such cohort, or not the caller's."""

    title = "There is no such cohort here."


class CohortEnded(Conflict):
    """409: the job has ended, so there is nothing left to cancel."""

    title = "The job has ended already."


@dataclass(frozen=True, slots=True)
class CohortRow:
    """One learner's row: its number in the file, what it sets by dotted path, the institution's own number of the learner,
    and what was wrong with it on reading.
    """

    number: int
    values: Mapping[str, Any]
    external_id: str | None = None
    faults: tuple[Fault, ...] = ()
    is_read: bool = True
    """Whether all of it could be read; only then does what it lacks mean anything."""


@dataclass(frozen=True, slots=True)
class FaultyRow:
    """A row and everything that is wrong with it."""

    number: int
    faults: tuple[Fault, ...]


def faults_in(refusal: TestamurError) -> tuple[Fault, ...]:
    """Everything that one refusal names, as faults: the missing elements of a draft, and what is wrong with the rest."""
    if isinstance(refusal, DraftRefused):
        missing = (Fault(one.path, "missing", f"{one.name} is missing") for one in refusal.missing)
        return (*missing, *refusal.faults)
    named: Iterable[Mapping[str, Any]] = refusal.members.get("faults", ())
    return tuple(Fault(**fault) for fault in named) or (Fault("", refusal.slug(), refusal.detail),)

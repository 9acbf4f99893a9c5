"""What may be asked about cohorts, and what is answered."""

from __future__ import annotations

from pydantic import Field

from services.issuer.cohorts.domain import LARGEST_FILE_BYTES, CohortState, RowStatus
from services.issuer.cohorts.reading import MediaType
from services.issuer.credentials.commands import DEFAULT_FORMATS, Formats, WrittenDraft
from shared.clock import Instant
from shared.events.base import Slug
from shared.web.command import Command, View

LONGEST_FILE_CHARACTERS = -(-LARGEST_FILE_BYTES // 3) * 4
"""Characters of the largest file in base64."""

LARGEST_BODY_BYTES = LONGEST_FILE_CHARACTERS + 256 * 1024
"""Bytes of a request with such a file and a template."""


class CheckCohort(Command):
    """Ask whether a cohort could be issued. No key of the institution is used and nothing is kept."""

    institution: Slug
    """The institution that would sign."""
    offer: Slug | None = None
    """An offer of the institution, from which they are issued."""
    template: WrittenDraft = Field(default={}, examples=[{"title": "Data literacy", "workload": {"ects": 2, "hours": 52}}])
    """The draft that all learners share, without `holder`, over what the offer has. What is in a row wins over both."""
    media_type: MediaType
    """What kind of file it is."""
    file: str = Field(max_length=LONGEST_FILE_CHARACTERS, examples=["Z2l2ZW5fbmFtZSxmYW1pbHlfbmFtZQpNYXJpLE1hYXNpa2FzCg=="])
    """The file itself, in base64 (RFC 4648, 4); at most 10 MB and 10,000 rows."""
    formats: Formats = DEFAULT_FORMATS
    """In which formats each credential is signed."""


class IssueCohort(CheckCohort):
    """Ask for a cohort to be issued, all of it or nothing."""


class FaultView(View):
    """One thing that is wrong with a row."""

    path: str
    """Where in the draft; empty for all of the row."""
    rule: str
    message: str


class FaultyRowView(View):
    """A row and all that is wrong with it."""

    row: int
    """Its number in the file, the first row being 1."""
    faults: tuple[FaultView, ...]


class CohortCheckView(View):
    """The fault table of a file: what would stop it from being issued."""

    rows: int
    """How many learners the file has."""
    faulty: int
    """How many of them have faults; none where it can be issued."""
    table: tuple[FaultyRowView, ...]
    """The first thousand of these."""


class CohortView(View):
    """How far a cohort is; nothing personal."""

    id: str
    institution: str
    formats: tuple[str, ...]
    state: CohortState
    rows: int
    done: int
    """How many rows the job has come by: those issued, refused and erased."""
    issued: int
    refused: int
    """Refused late, because something changed after the cohort was accepted; the result says why."""
    erased: int
    """Erased before the job came by."""
    accepted: Instant
    ended: Instant | None


class CohortRowView(View):
    """One row of the result, a line of JSON."""

    row: int
    external_id: str | None
    """The institution's own number of the learner; null where there is none, or it was erased."""
    ref: str
    status: RowStatus
    credential: str | None
    """The signed credential in the first of its formats."""
    formats: dict[str, str]
    faults: tuple[FaultView, ...]
    """Why it was refused."""

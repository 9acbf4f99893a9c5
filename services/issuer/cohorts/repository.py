"""How cohorts are stored: one document that counts, and the rows, each encrypted under the key of its credential.

- What became of a row is not stored a second time. Below `next` it was refused (and its reason is there), issued (and its
  credential is there), or erased. So an issued row costs nothing but its credential.
- The cohort's version is the guard: the transaction that keeps a chunk moves `next` on from where it was read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

from services.issuer.cohorts.domain import ROWS_PER_CHUNK, CohortState, CohortUnknown
from services.issuer.credentials.commands import FormatName
from shared.credential.faults import Fault, as_members
from shared.errors import Misconfigured
from shared.store.port import PAGE, Collection, Document, Index, Reader, Transaction

COHORTS = Collection("cohorts", (Index(("state",)), Index(("institution",))))
"""By id: a `StoredCohort`."""

COHORT_ROWS = Collection("cohort_rows")
"""By `<id>/<page>`: `{rows}`, `ROWS_PER_CHUNK` of them, each its number, ref, and box (encrypted under the ref's key)."""

COHORT_REFUSALS = Collection("cohort_refusals")
"""By `<id>/<number>`: `{faults}` of a row that was refused after the cohort was accepted."""

COLLECTIONS = (COHORTS, COHORT_ROWS, COHORT_REFUSALS)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCohort:
    """A cohort as it is stored: what its credentials are made of, and how far the job has come. Times are RFC 3339."""

    id: str
    version: int
    """Of the document; a change names the version that it was made from."""
    institution: str
    offer: str | None
    template: Mapping[str, Any]
    """The draft that all learners share, in full form."""
    formats: Sequence[FormatName]
    state: CohortState
    rows: int
    next: int
    """The first row that the job has not come by."""
    swept: int
    """The first row, after a cancellation, whose key may not be destroyed yet."""
    issued: int
    refused: int
    erased: int
    actor: str
    accepted: str
    ended: str | None

    @classmethod
    def from_row(cls, row: Document) -> StoredCohort:
        """The cohort of a row of `COHORTS`."""
        return cls(id=row.key, version=row.version, **row.body)

    def to_row(self) -> dict[str, Any]:
        """The body of its row."""
        row = {member.name: getattr(self, member.name) for member in fields(self)}
        del row["id"], row["version"]
        return {**row, "formats": list(self.formats)}


class RowsLost(Misconfigured):
    """500: rows of an accepted cohort are not in the store any more."""

    title = "Rows of the cohort are missing."


class KeptRow(NamedTuple):
    """A row as it is stored."""

    number: int
    ref: str
    box: str


async def insert_cohort(tx: Transaction, cohort: StoredCohort, rows: Sequence[KeptRow]) -> None:
    """Keep an accepted cohort with its rows."""
    await tx.insert(COHORTS, cohort.id, cohort.to_row())
    pages = [rows[start : start + ROWS_PER_CHUNK] for start in range(0, len(rows), ROWS_PER_CHUNK)]
    kept = [
        (_page(cohort.id, number * ROWS_PER_CHUNK), {"rows": [list(row) for row in page]})
        for number, page in enumerate(pages)
    ]
    await tx.insert_many(COHORT_ROWS, kept)


async def find_cohort(reader: Reader, cohort: str, tenant: str | None) -> StoredCohort:
    """A cohort; `CohortUnknown` where there is none, or it is not that tenant's."""
    row = await reader.get(COHORTS, cohort)
    if row is None or tenant not in (None, row.body["institution"]):
        raise CohortUnknown("Check its id, and that the token acts for its institution.")
    return StoredCohort.from_row(row)


async def cohorts_in(reader: Reader, *states: CohortState) -> list[StoredCohort]:
    """All cohorts in these states."""
    rows = [row for state in states for row in await reader.scan(COHORTS, where={"state": state})]
    return [StoredCohort.from_row(row) for row in rows]


async def rows_from(reader: Reader, cohort: str, start: int) -> list[KeptRow]:
    """The rows of the chunk that begins with the row at `start`; a chunk begins at a multiple of `ROWS_PER_CHUNK`."""
    page = await reader.get(COHORT_ROWS, _page(cohort, start))
    if page is None:
        raise RowsLost("Restore the issuer's store from a backup.")
    return [KeptRow(*row) for row in page.body["rows"]]


async def move(tx: Transaction, before: StoredCohort, **changes: Any) -> StoredCohort:
    """Change a cohort as it was read; returns it as it is then. Raises `VersionConflict` when it is another by now."""
    after = replace(before, **changes)
    return replace(after, version=await tx.put(COHORTS, before.id, after.to_row(), expect=before.version))


async def insert_refusals(tx: Transaction, cohort: str, refused: Mapping[int, Sequence[Fault]]) -> None:
    """Keep why rows were refused, by their numbers."""
    rows = [(_refusal(cohort, number), {"faults": as_members(faults)}) for number, faults in refused.items()]
    if rows:
        await tx.insert_many(COHORT_REFUSALS, rows)


async def refusal(reader: Reader, cohort: str, number: int) -> list[dict[str, str]]:
    """Why a row was refused; empty where it was not."""
    found = await reader.get(COHORT_REFUSALS, _refusal(cohort, number))
    return found.body["faults"] if found else []


async def cohorts_of(reader: Reader, tenant: str | None, after: str, limit: int = PAGE) -> list[Document]:
    """A page of the tenant's cohorts, or of all."""
    return await reader.scan(COHORTS, where={"institution": tenant} if tenant else None, after=after, limit=limit)


def _page(cohort: str, start: int) -> str:
    return f"{cohort}/{start:06}"


def _refusal(cohort: str, number: int) -> str:
    return f"{cohort}/{number:06}"

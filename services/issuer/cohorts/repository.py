"""How cohorts are stored: one document that counts, and the rows, each encrypted under the key of its credential.

- What became of a row is not written down a second time: below `next`, it was refused (and says why), its credential is
  there, or it was erased. So an issued row costs nothing but its credential.
- The cohort's version is the guard: who issues a chunk moves `next` from where it read it, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from services.issuer.cohorts.domain import CHUNK, CohortUnknown, State
from shared.credential.faults import Fault, as_members
from shared.errors import Misconfigured
from shared.store.port import PAGE, Collection, Document, Index, Reader, Transaction

COHORTS = Collection("cohorts", (Index(("state",)), Index(("institution",))))
"""By id: institution, template, formats, state, how many rows, `next` (the first that is not done) and the counts."""

COHORT_ROWS = Collection("cohort_rows")
"""By `<id>/<page>`: `{rows}`, `CHUNK` of them, each its number, ref, and box (encrypted under the ref's key)."""

COHORT_REFUSALS = Collection("cohort_refusals")
"""By `<id>/<number>`: `{faults}` of a row that was refused after the cohort was accepted."""

COLLECTIONS = (COHORTS, COHORT_ROWS, COHORT_REFUSALS)


class RowsLost(Misconfigured):
    """500: rows of an accepted cohort are not in the store any more."""

    title = "Rows of the cohort are missing."


class KeptRow(NamedTuple):
    """A row as it is stored."""

    number: int
    ref: str
    box: str


async def insert_cohort(tx: Transaction, cohort: str, body: Mapping[str, Any], rows: Sequence[KeptRow]) -> None:
    """Keep an accepted cohort with its rows."""
    await tx.insert(COHORTS, cohort, body)
    pages = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
    kept = [(_page(cohort, number * CHUNK), {"rows": [list(row) for row in page]}) for number, page in enumerate(pages)]
    await tx.insert_many(COHORT_ROWS, kept)


async def find_cohort(reader: Reader, cohort: str, tenant: str | None) -> Document:
    """A cohort; `CohortUnknown` where there is none, or it is not that tenant's."""
    row = await reader.get(COHORTS, cohort)
    if row is None or tenant not in (None, row.body["institution"]):
        raise CohortUnknown("Check its id, and that the token acts for its institution.")
    return row


async def cohorts_in(reader: Reader, *states: State) -> list[Document]:
    """All cohorts in these states."""
    return [row for state in states for row in await reader.scan(COHORTS, where={"state": state})]


async def rows_from(reader: Reader, cohort: str, start: int) -> list[KeptRow]:
    """The rows of the chunk that begins with the row at `start`; a chunk begins at a multiple of `CHUNK`."""
    page = await reader.get(COHORT_ROWS, _page(cohort, start))
    if page is None:
        raise RowsLost("Restore the issuer's store from a backup.")
    return [KeptRow(*row) for row in page.body["rows"]]


async def move(tx: Transaction, before: Document, **changes: Any) -> None:
    """Change a cohort as it was read; raises `VersionConflict` when it is another by now."""
    await tx.put(COHORTS, before.key, {**before.body, **changes}, expect=before.version)


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

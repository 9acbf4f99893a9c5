"""A cohort's file to its rows: one learner a row, what each sets by dotted path, and what is wrong with it. Pure.

Rules
- The kind is the one that the caller names; a file of another kind is refused, never guessed at.
- The first row of a table names its columns. One that is not known, has no name, comes twice or lies within another is a
  fault of the header; then no row is read.
- An empty cell sets nothing: the value of the template stays. A cell beyond the header, and a formula, are faults.
- Two rows with the same values are a fault unless each has an `external_id`. An `external_id` comes once in a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Literal

import orjson

from services.issuer.cohorts import sheets, tables
from services.issuer.cohorts.columns import EXTERNAL_ID, Column, cell, column, path_of
from services.issuer.cohorts.domain import (
    LARGEST_FILE_BYTES,
    MOST_COLUMNS,
    MOST_ROWS,
    CohortRow,
    CohortTooLarge,
    CohortUnreadable,
)
from shared.credential.faults import Fault, as_members

MediaType = Literal["text/csv", "application/x-ndjson", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"]
"""The kinds of files, by media type (RFC 4180; lines of JSON; XLSX)."""

XLSX: MediaType = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

LONGEST_ID = 200
"""Characters of an `external_id`."""


class ColumnsRefused(CohortUnreadable):
    """422: the file's header names what a draft has not. `faults` lists each column."""

    title = "The file has columns that cannot be used."


def read(raw: bytes, media_type: MediaType) -> list[CohortRow]:
    """The rows of a file. Raises `CohortTooLarge`, `CohortUnreadable`; what is wrong with a row is in the row."""
    if len(raw) > LARGEST_FILE_BYTES:
        raise CohortTooLarge(f"A file has at most {LARGEST_FILE_BYTES // 1024 // 1024} MB; split it into several cohorts.")
    rows = list(islice(_READERS[media_type](raw), MOST_ROWS + 1))
    if len(rows) > MOST_ROWS:
        raise CohortTooLarge(f"A cohort has at most {MOST_ROWS:,} rows; split it into several.")
    if not rows:
        raise CohortUnreadable("The file has no learners in it; give each a row below the names of the columns.")
    return list(_repeats_marked(rows))


def _from_records(records: Iterator[tuple[int, Sequence[Any]]]) -> Iterator[CohortRow]:
    number, header = next(records, (0, ()))
    columns = _columns(header)
    for number, record in records:
        yield _row(number, record, columns)


def _columns(header: Sequence[Any]) -> list[Column]:
    names = list(header)
    while names and names[-1] == "":  # a spreadsheet's empty columns at the right
        names.pop()
    if len(names) > MOST_COLUMNS:
        raise CohortTooLarge(f"A file has at most {MOST_COLUMNS} columns; leave out those that all learners share.")
    found = [column(name) if isinstance(name, str) else None for name in names]
    faults = [fault for at, one in enumerate(found) if (fault := _column_fault(at, one, found))]
    if faults:
        first = " ".join(f"{fault.path}: {fault.message}." for fault in faults[:5])
        raise ColumnsRefused(f"Correct the first row. {first}", faults=as_members(faults))
    return [one for one in found if one]


def _column_fault(at: int, one: Column | None, all_of_them: Sequence[Column | None]) -> Fault | None:
    path = f"column {at + 1}"
    if one is None:
        return Fault(path, "unknown-column", "a draft has no member of that name; name one such as holder.given_name")
    before = [other.path for other in all_of_them[:at] if other]
    if one.path in before:
        return Fault(path, "duplicate-column", "an earlier column says the same; keep one of them")
    if any(f"{one.path}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one.path}.") for other in before):
        return Fault(path, "column-within-column", "an earlier column holds this one, or a part of it; keep one of them")
    return None


def _row(number: int, record: Sequence[Any], columns: Sequence[Column]) -> CohortRow:
    faults = [
        Fault(one.path, "formula", "it is a formula or an error; paste it as a value")
        for one, value in zip(columns, record, strict=False)
        if value is sheets.FORMULA
    ]
    if any(record[len(columns) :]):
        faults.append(Fault("", "too-many-cells", "it has more cells than the first row names; check quotes and delimiters"))
    cells = zip(columns, record, strict=False)
    values = {one.path: cell(one, text) for one, text in cells if isinstance(text, str) and text.strip()}
    return _identified(number, values, faults)


def _from_lines(lines: Iterator[tuple[int, Any]]) -> Iterator[CohortRow]:
    for number, value in lines:
        if not isinstance(value, dict) or len(value) > MOST_COLUMNS:
            yield CohortRow(number, {}, faults=(_NOT_A_LINE,), is_read=False)
            continue
        members = [(path_of(name), member) for name, member in value.items() if member is not None]
        values = {path: member for path, member in members if path is not None}
        faults = [_UNKNOWN for path, _ in members if path is None][:1]
        if len(values) < sum(path is not None for path, _ in members):
            faults.append(_TWICE)
        yield _identified(number, values, faults)


def _identified(number: int, values: dict[str, Any], faults: list[Fault]) -> CohortRow:
    given = values.pop(EXTERNAL_ID, None)
    if given is not None and not (type(given) in (str, int) and 0 < len(str(given)) <= LONGEST_ID):
        faults.append(_BAD_ID)
        given = None
    external_id = None if given is None else str(given)
    return CohortRow(number=number, values=values, external_id=external_id, faults=tuple(faults), is_read=not faults)


def _repeats_marked(rows: Sequence[CohortRow]) -> Iterator[CohortRow]:
    """The rows, with a fault in each that repeats an earlier one."""
    ids: dict[str, int] = {}
    contents: dict[bytes, CohortRow] = {}
    for row in rows:
        more = []
        if row.external_id is not None and (first := ids.setdefault(row.external_id, row.number)) != row.number:
            more.append(Fault(EXTERNAL_ID, "duplicate-external-id", f"row {first} has the same; give each learner its own"))
        same = contents.setdefault(orjson.dumps(row.values, option=orjson.OPT_SORT_KEYS), row)
        if same is not row and row.is_read and None in (row.external_id, same.external_id):
            more.append(Fault("", "duplicate-row", f"it says the same as row {same.number}; leave it out, or number both"))
        yield replace(row, faults=(*row.faults, *more)) if more else row


_NOT_A_LINE = Fault("", "not-json", "it is not one JSON object of at most 64 KB and 200 members; write one learner a line")
_UNKNOWN = Fault("", "unknown-column", "it names what no draft has; name members such as holder.given_name")
_TWICE = Fault("", "duplicate-column", "it says one thing under two names; keep one of them")
_BAD_ID = Fault(EXTERNAL_ID, "external-id", f"it is a text or a whole number of at most {LONGEST_ID} characters")

_READERS: Mapping[MediaType, Callable[[bytes], Iterator[CohortRow]]] = {
    "text/csv": lambda raw: _from_records(tables.records(raw)),
    "application/x-ndjson": lambda raw: _from_lines(tables.lines(raw)),
    XLSX: lambda raw: _from_records(sheets.records(raw)),
}

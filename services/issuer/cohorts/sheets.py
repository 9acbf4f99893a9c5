"""Spreadsheets (XLSX, ISO/IEC 29500): the first sheet as records of text, within limits, with nothing evaluated. Pure.

Rules
- A workbook is a ZIP of XML: what it says it unpacks to is bounded before any of it is unpacked, and no entry gives more
  than it says; then its tags are counted, before any is parsed. The XML is read by defusedxml: no entities.
- Formulas are never evaluated and what a program last made of them is not trusted: each is a fault at its row and column.
- A number is written as it counts (`5`, not `5.0`), a date without a time as `2026-11-24`.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any

import openpyxl
from openpyxl.xml import DEFUSEDXML

from services.issuer.cohorts.domain import CohortTooLarge, CohortUnreadable

assert DEFUSEDXML, "a spreadsheet is read by defusedxml"

LARGEST_UNPACKED = 64 * 1024 * 1024
"""Bytes that a workbook unpacks to: ten thousand learners of twenty columns have 15 million."""

MOST_ENTRIES = 1_000
"""Files in a workbook's archive; a common one has a dozen."""

MOST_TAGS = 4_000_000
"""Tags in all of its XML: each becomes an object in memory, however few bytes it has in the file."""

MOST_CELLS = 2_000_000
"""Cells that are looked at, empty ones counted where a row is written out."""

_PIECE = 1 << 20

_BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)
"""What the archive's reader raises: damage, encryption, an unknown method."""

FORMULA = object()
"""Stands for a cell that holds a formula, or the error that one gave."""

_NOT_XLSX = "The file is not an XLSX workbook that can be read; save it as an Excel workbook (.xlsx), or as CSV UTF-8."


def records(raw: bytes) -> Iterator[tuple[int, list[Any]]]:
    """Each row of the first sheet that says anything, with its number: text, or `FORMULA`. Raises `CohortUnreadable`,
    `CohortTooLarge`.
    """
    _require_small(raw)
    looked_at = 0
    for number, row in _rows(raw):
        looked_at += len(row) + 1
        if looked_at > MOST_CELLS:
            raise CohortTooLarge("The sheet has too many cells; remove empty rows and columns, or save it as CSV UTF-8.")
        record = [_said(cell) for cell in row]
        if any(record):
            yield number, record


def _require_small(raw: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            entries = archive.infolist()
            small = len(entries) <= MOST_ENTRIES and sum(entry.file_size for entry in entries) <= LARGEST_UNPACKED
            small = small and sum(_tags(archive, entry) for entry in entries) <= MOST_TAGS
    except _BROKEN_ZIP:
        raise CohortUnreadable(_NOT_XLSX) from None
    if not small:
        raise CohortTooLarge("The workbook unpacks to too much; save only the sheet that is meant, or send it as CSV UTF-8.")


def _tags(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> int:
    with archive.open(entry) as part:
        return sum(piece.count(b"<") for piece in iter(lambda: part.read(_PIECE), b""))


def _rows(raw: bytes) -> Iterator[tuple[int, Any]]:
    try:
        book = openpyxl.load_workbook(io.BytesIO(raw), read_only=True, keep_links=False)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # what a file says of its own size need not be so
        yield from enumerate(sheet.iter_rows(), 1)
        book.close()
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a hostile workbook breaks its reader in any way it likes
        raise CohortUnreadable(_NOT_XLSX) from None


def _said(cell: Any) -> Any:
    value = cell.value
    if cell.data_type in ("f", "e"):
        return FORMULA
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    return value.isoformat() if isinstance(value, date | time) else str(value)

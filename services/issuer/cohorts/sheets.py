"""Spreadsheets (XLSX, ISO/IEC 29500): the first sheet as records of text, within limits, with nothing evaluated. Pure.

Rules
- A workbook is a ZIP of XML. The size that it claims to unpack to is bounded before any of it is unpacked, and no entry
  gives more than it claims. Then its tags are counted, before any is parsed. The XML is read by defusedxml: no entities.
- Tags are counted by their names in all parts, since a workbook itself names its parts. Rows, cells and texts are read one
  by one; of all others (styles, names, text runs) the reader makes objects that stay in memory.
- Formulas are never evaluated and what a program last made of them is not trusted: each is a fault at its row and column.
- A number is written as it counts (`5`, not `5.0`), a date without a time as `2026-11-24`.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from itertools import islice
from typing import Any, NamedTuple

import openpyxl
from openpyxl.xml import DEFUSEDXML

from services.issuer.cohorts.domain import CohortTooLarge, CohortUnreadable

assert DEFUSEDXML, "a spreadsheet is read by defusedxml"

LARGEST_UNPACKED_BYTES = 64 * 1024 * 1024
"""Bytes that a workbook unpacks to: ten thousand learners of twenty columns have 15 million."""

MOST_ENTRIES = 1_000
"""Files in a workbook's archive; a common one has a dozen."""

MOST_TAGS = 2_500_000
"""Tags in all of its XML: ten thousand learners of twenty columns have 1.6 million."""

MOST_OTHER_TAGS = 50_000
"""Tags that are no row, cell or text: each costs 30 microseconds and 600 bytes. A common workbook has a few hundred."""

MOST_ATTRIBUTES = 2_000_000
"""Attributes in all of its XML: a cell has three at most."""

MOST_FORMULAS = 500
"""Formulas in a workbook: each is a fault anyway, and a shared one is rewritten for each of its cells."""

LONGEST_FORMULA = 8 * 1024
"""Bytes of a formula; Excel's own limit is 8,192 characters."""

MOST_CELLS = 2_000_000
"""Cells that are read, empty ones counted where a row is written out."""

_CELL_TAGS = re.compile(rb"</?(?:[\w.-]+:)?(?:row|c|v|is|t|si)[\s/>]")
_FORMULA = re.compile(rb"<(?:[\w.-]+:)?f[\s/>]")

_BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)
"""What the archive's reader raises: damage, encryption, an unknown method."""

FORMULA = object()
"""In place of the text of a cell that holds a formula, or the error that one gave."""

_NOT_XLSX = "The file is not an XLSX workbook that can be read; save it as an Excel workbook (.xlsx), or as CSV UTF-8."

_FORMULAS = "The workbook has more or longer formulas than are read; paste the columns as values, or save it as CSV UTF-8."


def records(raw: bytes) -> Iterator[tuple[int, list[Any]]]:
    """Each row of the first sheet that has any text, with its number: text, or `FORMULA`. Raises `CohortUnreadable`,
    `CohortTooLarge`.
    """
    _require_small(raw)
    cells = 0
    for number, row in _rows(raw):
        cells += len(row) + 1
        if cells > MOST_CELLS:
            raise CohortTooLarge("The sheet has too many cells; remove empty rows and columns, or save it as CSV UTF-8.")
        record = [_text(cell) for cell in row]
        if any(record):
            yield number, record


def _require_small(raw: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            entries = archive.infolist()
            small = len(entries) <= MOST_ENTRIES and sum(entry.file_size for entry in entries) <= LARGEST_UNPACKED_BYTES
            small = small and _is_small([_counted(archive.read(entry)) for entry in entries])
    except _BROKEN_ZIP:
        raise CohortUnreadable(_NOT_XLSX) from None
    if not small:
        raise CohortTooLarge("The workbook unpacks to too much; save only the sheet that is meant, or send it as CSV UTF-8.")


class _Counted(NamedTuple):
    tags: int
    others: int
    attributes: int
    formulas: int


def _counted(part: bytes) -> _Counted:
    if _is_utf_16(part):
        raise CohortUnreadable(_NOT_XLSX)
    tags = part.count(b"<")
    cells = sum(1 for _ in _CELL_TAGS.finditer(part)) if tags <= MOST_TAGS else 0
    begins = [found.start() for found in islice(_FORMULA.finditer(part), MOST_FORMULAS + 1)]
    if not all(_is_short(part, begin) for begin in begins[:MOST_FORMULAS]):
        raise CohortTooLarge(_FORMULAS)
    return _Counted(tags, tags - cells, part.count(b"="), len(begins))


def _is_small(parts: Sequence[_Counted]) -> bool:
    tags, others, attributes, formulas = (sum(counts) for counts in zip(*parts, strict=True)) if parts else (0, 0, 0, 0)
    if formulas > MOST_FORMULAS:
        raise CohortTooLarge(_FORMULAS)
    return tags <= MOST_TAGS and others <= MOST_OTHER_TAGS and attributes <= MOST_ATTRIBUTES


def _is_utf_16(part: bytes) -> bool:
    """Whether a part is XML in UTF-16, whose tags would not be seen; no program writes a workbook so."""
    begins = part.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in part[:2]
    return begins and (b"<\0/\0" in part or b"\0<\0/" in part)


def _is_short(part: bytes, begin: int) -> bool:
    """Whether a formula ends soon, and in plain text: comments and the like would hide how long it goes on."""
    end = part.find(b"</", begin, begin + LONGEST_FORMULA)
    return end >= 0 and b"<!" not in part[begin:end] and b"<?" not in part[begin:end]


def _rows(raw: bytes) -> Iterator[tuple[int, Any]]:
    try:
        book = openpyxl.load_workbook(io.BytesIO(raw), read_only=True, keep_links=False)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # the size that a file claims need not be true
        yield from enumerate(sheet.iter_rows(), 1)
        book.close()
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a hostile workbook breaks its reader in any way it likes
        raise CohortUnreadable(_NOT_XLSX) from None


def _text(cell: Any) -> Any:
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

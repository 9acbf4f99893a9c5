"""Files of text: comma separated values (RFC 4180) and lines of JSON, each within limits. Pure.

Rules
- UTF-8, with or without a byte order mark; a NUL means that it is another encoding.
- The delimiter is the one of comma, semicolon and tab that the first line has most of: spreadsheets write all three.
- A record is numbered as a spreadsheet shows it: the header is 1. Records without any text are passed over.
- A line of JSON is read as strictly as everything else; blank lines are passed over.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from services.issuer.cohorts.domain import CohortUnreadable
from shared.jose import strict_json

LONGEST_LINE = 64 * 1024
"""Bytes of one line of JSON: a learner's part of a draft."""

_DELIMITERS = ",;\t"
_NOT_UTF8 = "The file is not UTF-8 text; save it as CSV UTF-8, or send the spreadsheet itself."


def text_of(raw: bytes) -> str:
    """The file as text. Raises `CohortUnreadable`."""
    if b"\0" in raw:
        raise CohortUnreadable(_NOT_UTF8)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CohortUnreadable(_NOT_UTF8) from None


def records(raw: bytes) -> Iterator[tuple[int, list[str]]]:
    """Each record of a CSV file with its number, the header first. Raises `CohortUnreadable`."""
    text = text_of(raw)
    first = text[: text.find("\n")] if "\n" in text else text
    delimiter = max(_DELIMITERS, key=first.count)
    number = 0
    try:
        for number, record in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), 1):
            if number == 1 or any(cell.strip() for cell in record):
                yield number, record
    except csv.Error:
        raise CohortUnreadable(
            f"The file is not well-formed CSV after row {number}; check the quotes there, or send the spreadsheet itself."
        ) from None


def lines(raw: bytes) -> Iterator[tuple[int, Any]]:
    """Each line of JSON with its number: the value, or None where it is not strict JSON or too long."""
    for number, line in enumerate(text_of(raw).split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield number, strict_json.loads(line) if len(line) <= LONGEST_LINE else None
        except strict_json.NotStrictJson:
            yield number, None

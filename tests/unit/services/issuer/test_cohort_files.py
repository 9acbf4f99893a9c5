"""Promise: a cohort's file is read as what it says, whoever wrote it; what is hostile or wrong is refused at its place."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import date
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.issuer.cohorts import sheets
from services.issuer.cohorts.columns import column
from services.issuer.cohorts.domain import (
    LARGEST_FILE_BYTES,
    MOST_ROWS,
    CohortRow,
    CohortTooLarge,
    CohortUnreadable,
    TemplateRefused,
)
from services.issuer.cohorts.reading import XLSX, ColumnsRefused, read
from services.issuer.cohorts.template import CohortTemplate
from shared.credential.draft import build
from shared.errors import TestamurError
from tests.scenes.issuer import NOW, draft

CSV, LINES = "text/csv", "application/x-ndjson"
SHARED = draft(holder=None)
"""The example without its learner."""


def book(*rows: list[Any]) -> bytes:
    """A workbook with these rows in its first sheet."""
    made = openpyxl.Workbook()
    for row in rows:
        made.active.append(row)
    file = io.BytesIO()
    made.save(file)
    return file.getvalue()


def with_entry(workbook: bytes, name: str, content: bytes) -> bytes:
    """The workbook with one file of its archive replaced."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.namelist():
            new.writestr(entry, content if entry == name else old.read(entry))
    return file.getvalue()


def rules(row: CohortRow) -> list[tuple[str, str]]:
    return [(fault.path, fault.rule) for fault in row.faults]


def refused(raw: bytes, kind: Any) -> TestamurError:
    with pytest.raises((CohortUnreadable, CohortTooLarge)) as caught:
        read(raw, kind)
    return caught.value


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_each_delimiter_and_a_byte_order_mark_give_the_same_rows(delimiter: str, mark: str) -> None:
    lines = [["Given name", "family_name", "grade", "workload.ects"], ["Õnne", "Null", "0611", "2.5"], ["Ra", "No", "", "2"]]
    rows = read((mark + "\r\n".join(delimiter.join(line) for line in lines)).encode(), CSV)
    assert [row.number for row in rows] == [2, 3]
    assert rows[0].values == {
        "holder.given_name": "Õnne",
        "holder.family_name": "Null",
        "assessment.grade": "0611",
        "workload.ects": 2.5,
    }
    assert rows[1].values == {"holder.given_name": "Ra", "holder.family_name": "No", "workload.ects": 2}


def test_the_three_kinds_of_file_say_the_same() -> None:
    table = [["given_name", "family_name", "date_of_birth", "level.eqf", "external_id"], ["Mari", "Maasikas", "", 6, 12]]
    csv = "\n".join(",".join(map(str, line)) for line in table).encode()
    sheet = book(table[0], ["Mari", "Maasikas", None, 6, 12])
    lines = b'{"given_name":"Mari","holder.family_name":"Maasikas","date_of_birth":null,"level.eqf":6,"external_id":12}'
    told = [[(row.values, row.external_id) for row in read(*one)] for one in ((csv, CSV), (sheet, XLSX), (lines, LINES))]
    said = {"holder.given_name": "Mari", "holder.family_name": "Maasikas", "level.eqf": 6}
    assert told == [[(said, "12")]] * 3


def test_a_date_in_a_spreadsheet_is_a_day_and_a_number_a_number() -> None:
    row = read(book(["full_name", "date_of_birth", "grade"], ["Mari Maasikas", date(1999, 12, 31), 5.0]), XLSX)[0]
    assert row.values["holder.date_of_birth"] == "1999-12-31"
    assert row.values["assessment.grade"] == "5"


def test_a_formula_is_a_fault_at_its_place_and_is_not_evaluated() -> None:
    row = read(book(["full_name", "grade"], ["=HYPERLINK(1)", "5"]), XLSX)[0]
    assert rules(row) == [("holder.full_name", "formula")]
    assert row.values == {"assessment.grade": "5"}


def test_a_header_says_every_column_that_cannot_be_used() -> None:
    error = refused(b"given_name,nickname,holder.given_name,title,title.et,\nA,B,C,D,E,F\n", CSV)
    assert isinstance(error, ColumnsRefused)
    assert [(fault["path"], fault["rule"]) for fault in error.members["faults"]] == [
        ("column 2", "unknown-column"),
        ("column 3", "duplicate-column"),
        ("column 5", "column-within-column"),
    ]
    assert "nickname" not in str(error.document())


def test_a_cell_beyond_the_header_is_a_fault_and_an_empty_line_is_none() -> None:
    rows = read(b"given_name,family_name\nA,B\n,\n\nC,D,E\n", CSV)
    assert [(row.number, rules(row)) for row in rows] == [(2, []), (5, [("", "too-many-cells")])]


def test_a_learner_who_stands_twice_is_found_unless_the_institution_numbers_both() -> None:
    twice = read(b"full_name\nMari Maasikas\nMari Maasikas\n", CSV)
    assert [rules(row) for row in twice] == [[], [("", "duplicate-row")]]
    numbered = read(b"full_name,external_id\nMari Maasikas,1\nMari Maasikas,2\nJaan Tamm,2\n", CSV)
    assert [rules(row) for row in numbered] == [[], [], [("external_id", "duplicate-external-id")]]


def test_a_line_that_two_readers_could_read_differently_is_a_fault_of_that_line() -> None:
    raw = b'{"full_name":"A"}\n{"full_name":"B","full_name":"C"}\n\n[1]\n{"a..b":1}\n{"grade":"1","assessment.grade":"2"}\n'
    assert [(row.number, [rule for _, rule in rules(row)]) for row in read(raw, LINES)] == [
        (1, []),
        (2, ["not-json"]),
        (4, ["not-json"]),
        (5, ["unknown-column"]),
        (6, ["duplicate-column"]),
    ]


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        ("given_name\nÕnne\n".encode("latin-1"), CSV),
        ("given_name\nÕnne\n".encode("utf-16"), CSV),
        (b"given_name\nA\0B\n", CSV),
        (b'given_name\n"A\n', CSV),
        (b"", CSV),
        (b"given_name,family_name\n", CSV),
        (b"", LINES),
        (b"given_name\nA\n", XLSX),
        (b"PK\x03\x04" + bytes(200), XLSX),
        (with_entry(book(["full_name"]), "xl/workbook.xml", b"<workbook/>"), XLSX),
        (with_entry(book(["full_name"]), "xl/worksheets/sheet1.xml", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'), XLSX),
    ],
)
def test_what_is_not_the_kind_of_file_that_it_is_said_to_be_is_refused_in_words(raw: bytes, kind: Any) -> None:
    error = refused(raw, kind)
    assert isinstance(error, CohortUnreadable)
    assert error.detail.endswith(".")


def test_a_workbook_that_unpacks_to_too_much_is_refused_before_it_is_parsed() -> None:
    bomb = with_entry(book(["full_name"]), "xl/worksheets/sheet1.xml", b" " * (sheets.LARGEST_UNPACKED_BYTES + 1))
    assert len(bomb) < 200_000
    assert isinstance(refused(bomb, XLSX), CohortTooLarge)
    tags = with_entry(book(["full_name"]), "xl/styles.xml", b"<c/>" * (sheets.MOST_TAGS + 1))
    assert isinstance(refused(tags, XLSX), CohortTooLarge)


def sheet(cells: bytes, prefix: bytes = b"") -> bytes:
    """A first sheet with these cells, named with a prefix or none, where the header is its first row."""
    space = b"xmlns:%s" % prefix if prefix else b"xmlns"
    named = b"<%b:" % prefix if prefix else b"<"
    closing = b"</" + named[1:]
    text = b'<row r="1"><c r="A1" t="inlineStr"><is><t>full_name</t></is></c></row>' + cells
    whole = (
        b'<worksheet %b="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>%b</sheetData></worksheet>'
    )
    plain = whole % (space, text)
    return plain if not prefix else re.sub(rb"<(?=[a-z])", named, plain).replace(b"</", closing)


FORMULA = b'<row r="2"><c r="A2"><f>%b</f></c></row>'
LONG = b"1+" * sheets.LONGEST_FORMULA
COSTLY = {
    "styles": ("xl/styles.xml", b"<styleSheet><cellXfs>" + b"<xf/>" * sheets.MOST_OTHER_TAGS + b"</cellXfs></styleSheet>"),
    "attributes": ("xl/styles.xml", b"<styleSheet" + b" a=''" * (sheets.MOST_ATTRIBUTES + 1) + b"/>"),
    "text runs": ("xl/worksheets/sheet1.xml", sheet(b"<c><is>" + b"<r/>" * sheets.MOST_OTHER_TAGS + b"</is></c>")),
    "formulas": (
        "xl/worksheets/sheet1.xml",
        sheet(b'<row r="2">' + b'<c><f t="shared" si="0"/></c>' * (sheets.MOST_FORMULAS + 1) + b"</row>"),
    ),
    "a long formula": ("xl/worksheets/sheet1.xml", sheet(FORMULA % LONG)),
    "a long formula, prefixed": ("xl/worksheets/sheet1.xml", sheet(FORMULA % LONG, b"x")),
    "a long formula behind a comment": ("xl/worksheets/sheet1.xml", sheet(FORMULA % (b"1<!-- </f> -->" + LONG))),
    "a long formula behind an instruction": ("xl/worksheets/sheet1.xml", sheet(FORMULA % (b"1<?a </f> ?>" + LONG))),
}


@pytest.mark.parametrize("what", COSTLY)
def test_a_workbook_that_would_cost_more_than_its_cells_is_refused_before_it_is_parsed(what: str) -> None:
    assert isinstance(refused(with_entry(book(["full_name"]), *COSTLY[what]), XLSX), CohortTooLarge)


def test_a_workbook_whose_tags_cannot_be_seen_is_refused() -> None:
    hidden = sheet(FORMULA % LONG).decode().encode("utf-16")
    assert isinstance(refused(with_entry(book(["full_name"]), "xl/worksheets/sheet1.xml", hidden), XLSX), CohortUnreadable)


@pytest.mark.parametrize("prefix", [b"", b"x"])
def test_ten_thousand_learners_of_twenty_columns_are_within_every_bound(prefix: bytes) -> None:
    cell = b'<c r="A2" s="1" t="inlineStr"><is><t>Mari</t></is></c>'
    large = sheet((b'<row r="2" spans="1:20" ht="15">' + cell * 20 + b"</row>") * MOST_ROWS, prefix)
    found = sheets.records(with_entry(book(["full_name"]), "xl/worksheets/sheet1.xml", large))
    assert [next(found)[1], next(found)[1][0]] == [["full_name"], "Mari"]


def test_a_line_of_ten_megabytes_and_a_file_beyond_the_limits_are_refused() -> None:
    assert isinstance(refused(b"full_name\n" + b"x" * LARGEST_FILE_BYTES, CSV), CohortTooLarge)
    assert isinstance(refused(b'full_name\n"' + b"x" * (LARGEST_FILE_BYTES - 20) + b'"\n', CSV), CohortUnreadable)
    assert rules(read(b'{"full_name":"' + b"x" * (LARGEST_FILE_BYTES - 20) + b'"}', LINES)[0]) == [("", "not-json")]
    assert isinstance(refused(b"full_name\n" + b"a\n" * (MOST_ROWS + 1), CSV), CohortTooLarge)
    assert isinstance(refused(",".join(f"title.{n}" for n in range(201)).encode() + b"\na\n", CSV), CohortTooLarge)


def test_a_column_is_a_member_that_a_draft_has() -> None:
    assert column("workload.ects") == ("workload.ects", True)
    assert column("Date of birth") == ("holder.date_of_birth", False)
    for name in (
        "",
        "holder.nickname",
        "learning_outcomes.title",
        "title.et.x",
        "__class__",
        "holder.display_name",
        "offer",
        "parts",
    ):
        assert column(name) is None


def test_a_row_wins_over_the_template_at_its_very_place() -> None:
    made = CohortTemplate({**SHARED, "assessment": {"type": "project work", "grade": "4"}}).filled(
        {
            "holder.full_name": "Mari Maasikas",
            "title.et": "Andmed",
            "assessment.grade": "5",
            "level": {"eqf": 5, "cycle": None},
        }
    )
    credential = build(made, NOW)
    assert credential.title["en"] == "Data literacy"
    assert credential.title["et"] == "Andmed"
    assert credential.assessment.grade == {"en": "5"}
    assert credential.assessment.type == build(draft(), NOW).assessment.type


def test_a_word_of_a_row_takes_the_place_of_a_whole_term() -> None:
    credential = build(CohortTemplate(SHARED).filled({"holder.full_name": "A", "assessment.type": "a talk"}), NOW)
    assert credential.assessment.type.label == {"en": "a talk"}
    assert credential.assessment.type.uri is None


def test_a_template_that_speaks_of_a_learner_is_refused() -> None:
    with pytest.raises(TemplateRefused):
        CohortTemplate(draft())


@given(st.binary(max_size=300), st.sampled_from([CSV, LINES, XLSX]))
@settings(max_examples=300, deadline=None)
def test_whatever_the_bytes_they_are_rows_or_a_refusal(raw: bytes, kind: Any) -> None:
    try:
        rows = read(raw, kind)
    except (CohortUnreadable, CohortTooLarge):
        return
    assert rows


@given(st.lists(st.tuples(st.text(min_size=1, max_size=8), st.text(max_size=8)), min_size=1, max_size=6))
@settings(max_examples=100, deadline=None)
def test_what_a_row_sets_does_not_change_the_template(values: list[tuple[str, str]]) -> None:
    template = CohortTemplate(SHARED)
    before = template.filled({})
    template.filled({f"title.{name}": said for name, said in values})
    assert template.filled({}) == before

"""Promise: the page on Annex I has a row for each element, under the name and at the place that the reports give it."""

from __future__ import annotations

import re

from shared.credential import completeness
from tests.shared_data import ROOT

ROW = re.compile(r"^\| (\d+) \| ([^|]+) \| `([a-z_.]+)` \|", re.MULTILINE)


def test_every_element_has_its_row() -> None:
    page = (ROOT / "docs/annex-1.md").read_text()
    rows = [(int(number), name.strip(), path) for number, name, path in ROW.findall(page)]
    assert len(rows) == 16
    for element, (number, name, path) in zip(completeness.report({}), rows, strict=True):
        assert (element.number, element.path) == (number, path)
        assert name.removesuffix(", if applicable").removesuffix(" and cycle") == element.name

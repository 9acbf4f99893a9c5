"""What every test has: the real engines (tests/engines), ended with the run, and one of three marks, by its file.

- `shared`: shares what engines it needs with all others. `engines`: starts brokers, databases or nations of its own.
- `long`: fills the machine for a minute or more; its file says so.

`make test` runs the first two beside each other (tests/__main__.py), `make long` the third, each test after the other.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

pytest_plugins = ["tests.engines.plugin"]

MARKS = ("shared", "engines", "long")
_OWN = re.compile(r"\bown_(kafka|mongo)|\bmirror_maker\b|\btests\.nations\b|\bmark\.engines\b")
"""By what a test starts an engine of its own; those that all tests share are had by other names."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the files of other marks before they are imported, which takes longer than many a test."""
    asked: str = config.option.markexpr
    if asked in MARKS and collection_path.match("test_*.py"):
        return _mark_of(collection_path) != asked
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by its file."""
    for item in items:
        item.add_marker(_mark_of(item.path))


@cache
def _mark_of(path: Path) -> str:
    text = path.read_text()
    if "pytest.mark.long" in text:
        return "long"
    return "engines" if path.parent.name == "e2e" or _OWN.search(text) else "shared"

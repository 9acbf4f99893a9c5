"""What every test has: the real engines (tests/engines), ended with the run, and the mark of those that start their own.

Tests that start brokers, databases or whole deployments of their own are marked `engines` and run one after the other; all
others share what engines they need, and run beside them (tests/__main__.py).
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

pytest_plugins = ["tests.engines.plugin"]

_OWN = re.compile(r"\bown_(kafka|mongo)|\bmirror_maker\b|\btests\.nations\b|\bmark\.engines\b")
"""By what a test starts an engine of its own; those that all tests share are had by other names."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the files of the other run before they are imported, which takes longer than many a test."""
    if not collection_path.match("test_*.py"):
        return None
    return {"engines": not _is_heavy(collection_path), "not engines": _is_heavy(collection_path)}.get(config.option.markexpr)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what has engines of its own."""
    for item in items:
        if _is_heavy(item.path):
            item.add_marker(pytest.mark.engines)


@cache
def _is_heavy(path: Path) -> bool:
    return path.parent.name == "e2e" or bool(_OWN.search(path.read_text()))

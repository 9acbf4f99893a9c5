"""What every test has: the real engines (tests/engines), ended with the run, and the mark of those that start their own.

Tests that start brokers, databases or whole deployments of their own are marked `engines` and run one after the other, with
the machine to themselves. The others share it, and the engines that all of them use (`make test`).
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

pytest_plugins = ["tests.engines.plugin"]

_OWN = re.compile(r"\bown_(kafka|mongo)|\bmirror_maker\b|\btests\.nations\b")
"""By what a test starts an engine of its own; those that all tests share are had by other names."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the machine to itself."""
    for item in items:
        if _is_heavy(item.path):
            item.add_marker(pytest.mark.engines)


@cache
def _is_heavy(path: Path) -> bool:
    return path.parent.name == "e2e" or bool(_OWN.search(path.read_text()))

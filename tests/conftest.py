"""What every test has: the real engines (tests/engines), ended with the run, and the mark of those that start any.

Tests that start brokers, databases or whole deployments are marked `engines` and run one after the other, with the machine
to themselves. The others share it (`make test`).
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

pytest_plugins = ["tests.engines.plugin"]

_NAMED = re.compile(r"kafka|mongo", re.IGNORECASE)
"""What a test names that is about an engine; the contracts that every adapter fulfils share one, and name none."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the machine to itself."""
    for item in items:
        if _is_heavy(item.path):
            item.add_marker(pytest.mark.engines)


@cache
def _is_heavy(path: Path) -> bool:
    folder = path.parent.name
    names_engines = folder in ("contract", "integration") and bool(_NAMED.search(path.read_text()))
    return folder in ("chaos", "e2e") or names_engines

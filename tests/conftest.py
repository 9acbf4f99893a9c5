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
"""What an integration test names that starts an engine."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the machine to itself."""
    for item in items:
        if _is_heavy(item.path):
            item.add_marker(pytest.mark.engines)


@cache
def _is_heavy(path: Path) -> bool:
    folder = path.parent.name
    return folder in ("chaos", "contract", "e2e") or (folder == "integration" and bool(_NAMED.search(path.read_text())))

"""What every test has: the real engines (tests/engines), ended with the run, and its place among the workers of one.

Tests that start brokers, databases or whole deployments run one after the other, in one worker: two at a time would wait for
the same processor. The other tests stay together by file.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest_plugins = ["tests.engines.plugin"]

_HEAVY = re.compile(r"kafka|mongo", re.IGNORECASE)
"""What a test file names that starts an engine."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test its group, and let the heavy ones begin first: they take longest."""
    groups = {path: _group(path) for path in {item.path for item in items}}
    items.sort(key=lambda item: groups[item.path] != "engines")
    for item in items:
        item.add_marker(pytest.mark.xdist_group(groups[item.path]))


def _group(path: Path) -> str:
    starts_engines = path.parent.name in ("chaos", "contract", "e2e") or (
        path.parent.name == "integration" and _HEAVY.search(path.read_text())
    )
    return "engines" if starts_engines else path.stem

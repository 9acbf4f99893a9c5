"""A node killed while it takes back what a restored store has forgotten goes on where it was: no gap, and nothing twice."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

import pytest

from shared.clock import SystemClock
from shared.home.folder import Home
from tests import forked
from tests.chaos.child import ISSUED, RECOVERY_POINTS, main, settings
from tests.scenes.backup import STORES, backs_up, sets_back

child = partial(forked.run, main)


@pytest.fixture(scope="module")
def set_back(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """A nation whose stores are of before its work, whose bus is of after it; and what was true then."""
    folder = tmp_path_factory.mktemp("set-back")
    home = Home(settings(folder / "ee"))
    home.set_up(SystemClock().now())
    assert child(home.folder, "prepare", "http://127.0.0.1:9/hook").returncode == 0
    backs_up(home, folder / "backup")
    assert child(home.folder, "work").returncode == 0
    true = json.loads(child(home.folder, "show").stdout)
    sets_back(home, folder / "backup", *STORES)
    return home.folder, true


@pytest.mark.parametrize("point", RECOVERY_POINTS)
def test_killed_at(point: str, tmp_path: Path, set_back: tuple[Path, dict]) -> None:
    prepared, before = set_back
    home = shutil.copytree(prepared, tmp_path / "ee")
    killed = child(home, "recover", point, "1")
    assert killed.returncode == -9, f"the trap at {point!r} never closed: {killed.stdout}{killed.stderr}"
    seen = child(home, "show")
    assert seen.returncode == 0, seen.stderr
    after = json.loads(seen.stdout)
    assert after["chains"] == before["chains"]
    assert after["credentials"] == before["credentials"], "each effect is there, once"
    assert len(after["lost"]) == ISSUED, "what cannot be had back is named"

"""A process killed amid a cohort goes on when it is started again: every row once, none twice, under the same references."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

import pytest

from shared.clock import SystemClock
from shared.home.folder import Home
from tests import forked
from tests.chaos.child import settings
from tests.chaos.cohort_child import LEARNERS, POINTS, main
from tests.scenes.backup import STORES, backs_up, sets_back

child = partial(forked.run, main)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A nation with one institution, to be copied for each death."""
    home = tmp_path_factory.mktemp("prepared") / "ee"
    Home(settings(home)).set_up(SystemClock().now())
    done = child(home, "prepare")
    assert done.returncode == 0, done.stderr
    return home


@pytest.mark.parametrize("point", POINTS)
def test_a_cohort_survives_being_killed_at(point: str, tmp_path: Path, prepared: Path) -> None:
    home = shutil.copytree(prepared, tmp_path / "ee")
    killed = child(home, "accept", point)
    assert killed.returncode == -9, f"the trap at {point!r} never closed: {killed.stdout}{killed.stderr}"
    seen = child(home, "look")
    assert seen.returncode == 0, seen.stderr
    true = json.loads(seen.stdout)
    refs = [row["ref"] for row in true["rows"]]
    assert (true["stands"]["state"], true["stands"]["issued"]) == ("finished", LEARNERS)
    assert [row["external_id"] for row in true["rows"]] == [f"M{n}" for n in range(LEARNERS)]
    assert {row["status"] for row in true["rows"]} == {"issued"}
    assert true["said"] == refs, "each is said once, in the file's order"
    assert (true["credentials"], true["keys"]) == (LEARNERS, LEARNERS)


@pytest.mark.timeout(300)
def test_what_was_issued_of_a_cohort_after_a_backup_is_not_issued_again(tmp_path: Path, prepared: Path) -> None:
    home = Home(settings(shutil.copytree(prepared, tmp_path / "ee")))
    assert child(home.folder, "accept", "a chunk, after its commit").returncode == -9
    backs_up(home, tmp_path / "backup")
    before = json.loads(child(home.folder, "look").stdout)
    sets_back(home, tmp_path / "backup", *STORES)
    seen = child(home.folder, "look")
    assert seen.returncode == 0, seen.stderr
    true = json.loads(seen.stdout)
    assert true["said"] == before["said"], "each is said once"
    assert true["stands"]["ended"]
    assert 0 < true["credentials"] == true["keys"] < LEARNERS, "what was issued since is gone, and nothing in its place"

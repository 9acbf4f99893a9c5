"""A node killed amid the rotation of its keys goes on: every key is announced once, ends once, and no entry is refused."""

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
from tests.chaos.rotation_child import POINTS, main

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
def test_a_rotation_survives_being_killed_at(point: str, tmp_path: Path, prepared: Path) -> None:
    home = shutil.copytree(prepared, tmp_path / "ee")
    killed = child(home, "rotate", point)
    assert killed.returncode == -9, f"the trap at {point!r} never closed: {killed.stdout}{killed.stderr}"
    seen = child(home, "look")
    assert seen.returncode == 0, seen.stderr
    true = json.loads(seen.stdout)
    assert true["verdict"] == "valid"
    assert true["refused"] == []
    acknowledged = {line.split()[1] for line in killed.stdout.splitlines()}
    assert acknowledged <= {ref for ref, status in true["issued"].items() if status == "registered"}
    trust = true["chains"]["trust"]
    assert [seq for seq, *_ in trust] == list(range(1, len(trust) + 1))
    announced = [subject for _, kind, subject, _ in trust if kind == "service-key.added.v1"]
    assert sorted(announced) == sorted(kid for found in true["kids"].values() for kid in found), "each is said once"
    assert sorted(true["retired"]) == sorted(found[0] for found in true["kids"].values()), "each ends once"
    old, new = true["kids"]["registry"]
    place = [subject for _, _, subject, _ in trust].index(new)
    assert {kid for *_, kid in trust[: place + 1]} == {old}, "the old key announces the new one"
    assert {kid for *_, kid in trust[place + 1 :]} == {new}, "and signs nothing after it"

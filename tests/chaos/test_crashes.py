"""A process killed at any point of the path loses nothing that was acknowledged and does nothing twice."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from shared.clock import SystemClock
from shared.home.folder import Home
from tests import forked
from tests.chaos.child import POINTS, main, settings
from tests.chaos.receiver import Receiver, receiving

child = partial(forked.run, main)


@pytest.fixture(scope="module")
def listening() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


@pytest.fixture
def receiver(listening: Receiver) -> Receiver:
    listening.told.clear()
    return listening


@pytest.fixture(scope="module")
def prepared(listening: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A nation with one institution and one subscriber, to be copied for each death."""
    home = tmp_path_factory.mktemp("prepared") / "ee"
    Home(settings(home)).set_up(SystemClock().now())
    done = child(home, "prepare", listening.url)
    assert done.returncode == 0, done.stderr
    return home


@pytest.mark.parametrize("point", POINTS)
def test_killed_at(point: str, tmp_path: Path, prepared: Path, receiver: Receiver) -> None:
    home = shutil.copytree(prepared, tmp_path / "ee")
    killed = child(home, "work", point, "1")
    assert killed.returncode == -9, f"the trap at {point!r} never closed: {killed.stdout}{killed.stderr}"
    seen = child(home, "look")
    assert seen.returncode == 0, seen.stderr
    _nothing_lost_nothing_twice(killed.stdout.split("\n"), json.loads(seen.stdout), receiver)


def _nothing_lost_nothing_twice(lines: list[str], true: dict, receiver: Receiver) -> None:
    acknowledged = [line.split() for line in lines if " " in line]
    for stream, chain in true["chains"].items():
        assert [seq for seq, _, _ in chain] == list(range(1, len(chain) + 1)), f"{stream} has a hole"
    registered = Counter(sub for _, _, sub in true["chains"]["registrations"])
    revoked = Counter(sub for _, _, sub in true["chains"]["status"])
    assert set(registered.values()) <= {1}, "registered twice"
    assert set(revoked.values()) <= {1}, "revoked twice"
    assert not true["refused"], "what was registered already was taken for another"
    for what, ref in acknowledged:
        assert ref in (registered if what == "issued" else revoked), f"an acknowledged {what} is lost"
        assert true["issuer"][ref] in ("registered", "revoked")
    assert len(true["listed"]) == len(revoked), "the status list says of another number that they are revoked"
    assert registered.keys() == true["issuer"].keys(), "what the issuer holds and what is registered differ"
    assert len(true["facts"]) == len(set(true["facts"])) == sum(registered.values()) + sum(revoked.values())
    told = Counter((one["type"], one["data"]["ref"]) for one in receiver.told.values())
    assert set(told.values()) <= {1}, "one event was told under two ids"
    assert sum(told.values()) == sum(registered.values()) + sum(revoked.values()), "somebody was not told"

"""The demo: run as a newcomer runs it, left up, tried by hand, and ended."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, NamedTuple

import httpx2
import pytest

from services.cli.demo.world import WAIT_SECONDS
from tests.shared_data import ROOT

EXPECTED = [
    "registered",
    "valid",
    "invalid (revoked)",
    "invalid (signature-invalid)",
    "invalid (not-accredited)",
    "refused (credential-refused)",
    "invalid (field-out-of-scope)",
    "indeterminate (unknown-nation)",
    "registered",
    "valid",
    "valid",
    "invalid (key-binding-invalid)",
    "ee/tartu/data-science",
    "valid",
    "part-affected",
    "indeterminate (no-trusted-list)",
    "invalid (seal-broken)",
    "yes",
    "yes",
    "indeterminate (stale)",
    "invalid (revoked)",
]
"""What the answers must be, in the order of the story."""

pytestmark = pytest.mark.timeout(240)


class Shown(NamedTuple):
    """A demo that has told its story and stays up: its process, its outcomes, its curl lines, its story."""

    process: subprocess.Popen[str]
    outcomes: list[dict[str, Any]]
    curls: list[list[str]]
    story: Path


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """`testamur demo --serve --json` from a folder of its own."""
    folder = tmp_path_factory.mktemp("demo")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TESTAMUR_")}
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "TMPDIR": str(folder), "TESTAMUR_STORE": "unused://"}
    story = folder / "story.txt"
    with story.open("w") as told:
        line = [sys.executable, "-m", "testamur", "demo", "--serve", "--json"]
        process = subprocess.Popen(line, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=told, text=True)
        assert process.stdout is not None
        outcomes = _document(process.stdout)
        curls = _curls(process.stdout, 3)
        try:
            yield Shown(process, outcomes, curls, story)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(WAIT_SECONDS)


def _document(stream: IO[str]) -> list[dict[str, Any]]:
    """The JSON document that comes first."""
    lines: list[str] = []
    for line in stream:
        lines.append(line)
        if line == "]\n":
            break
    found: list[dict[str, Any]] = json.loads("".join(lines))
    return found


def _curls(stream: IO[str], count: int) -> list[list[str]]:
    """The next curl lines, as their arguments."""
    found: list[list[str]] = []
    for line in stream:
        if line.startswith("curl "):
            found.append(shlex.split(line))
        if len(found) == count:
            break
    return found


def _do(arguments: list[str]) -> Any:
    """What a curl line does: its headers, its body, its address."""
    headers = dict(value.split(": ", 1) for name, value in pairwise(arguments) if name == "-H")
    url = arguments[-1]
    if "-d" not in arguments:
        return httpx2.get(url, headers=headers).json()
    return httpx2.post(url, headers=headers, content=arguments[arguments.index("-d") + 1]).json()


def test_every_answer_of_the_story_comes_out_as_it_should(shown: Shown) -> None:
    assert [outcome["answered"] for outcome in shown.outcomes] == EXPECTED
    assert all(outcome["as_expected"] for outcome in shown.outcomes)


def test_the_story_says_how_long_the_revocation_took_to_become_visible_abroad(shown: Shown) -> None:
    story = shown.story.read_text()
    assert "Visible abroad " in story
    assert "What each node knows, and how old that is" in story


def test_both_nodes_stay_up_with_their_documents_and_lines_to_try(shown: Shown) -> None:
    docs = [line.strip() for line in shown.story.read_text().splitlines() if line.endswith("/docs")]
    assert len(docs) == 8
    assert {httpx2.get(url).status_code for url in docs} == {200}
    verify, look, revoke = shown.curls
    assert _do(verify)["verdict"] == "valid"
    assert _do(look)["status"] == "active"
    assert _do(revoke)["status"] == "revoked"


def test_ending_it_leaves_nothing_behind_and_exits_with_0(shown: Shown) -> None:
    shown.process.send_signal(signal.SIGTERM)
    assert shown.process.wait(WAIT_SECONDS) == 0
    assert [path.name for path in shown.story.parent.iterdir()] == ["story.txt"]
    assert "Traceback" not in shown.story.read_text()

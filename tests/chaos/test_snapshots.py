"""A copy of a store that is made while it is written to is one moment of it; making it, or dying amid that, harms nobody."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from tests.chaos.test_sqlite_power import killed_after, pairs_in, run

_COPY = """
import os, signal, sqlite3, sys
def progress(status, remaining, total):
    if sys.argv[3] == "dies" and remaining < total / 2:
        os.kill(os.getpid(), signal.SIGKILL)
source, target = sqlite3.connect(sys.argv[1]), sqlite3.connect(sys.argv[2])
source.backup(target, pages=1, progress=progress, sleep=0)
"""
"""What `sqlite3 FILE ".backup COPY"` does, page by page; the writer goes on between the pages."""


def copied(source: Path, target: Path, how: str = "lives") -> int:
    target.mkdir()
    command = [sys.executable, "-c", _COPY, str(source / "power.db"), str(target / "power.db"), how]
    return subprocess.run(command, timeout=100, check=False).returncode


def test_a_copy_of_a_busy_store_holds_all_that_was_acknowledged_before_and_no_half_transaction(tmp_path: Path) -> None:
    live, copy = tmp_path / "live", tmp_path / "copy"
    writer = run("store", live, 0)
    assert writer.stdout is not None
    before = {int(writer.stdout.readline()) for _ in range(200)}
    assert copied(live, copy) == 0
    after = {int(line) for line in killed_after(writer, 50)}
    left, right = asyncio.run(pairs_in(copy))
    assert left == right
    assert before <= left
    left, right = asyncio.run(pairs_in(live))
    assert left == right
    assert before | after <= left, "the writer was held up by nothing, and lost nothing"


def test_a_copy_that_was_broken_off_holds_nothing_and_leaves_its_source_as_it_was(tmp_path: Path) -> None:
    live, copy = tmp_path / "live", tmp_path / "copy"
    acknowledged = {int(line) for line in killed_after(run("store", live, 0), 400)}
    before = asyncio.run(pairs_in(live))
    assert copied(live, copy, "dies") == -9
    assert asyncio.run(pairs_in(live)) == before
    assert acknowledged <= before[0]
    assert asyncio.run(pairs_in(copy)) == (set(), set()), "half a copy is nothing, never half a store"

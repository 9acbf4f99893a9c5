"""The suite as two runs at once: `python -m tests [WORKERS]` (`make test`).

Tests with engines of their own spend half of their time on waiting: for processes to start, for leases and patience to run
out. So they go on beside all others, one after the other, and what they do comes first; the others have what is left of the
machine. What the engines' run wrote is shown once the others have ended.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

PYTEST = (sys.executable, "-m", "pytest")
BEHIND = ("nice", "-n", "5")
LOOKS = 0.5
"""Seconds between two looks at what the engines' run wrote."""


def main(workers: int = 2) -> int:
    """The exit code: 0 when both runs passed."""
    with tempfile.NamedTemporaryFile() as log:
        engines = subprocess.Popen([*PYTEST, "-m", "engines"], stdout=log, stderr=log)
        others = subprocess.Popen([*BEHIND, *PYTEST, "-m", "shared", "-n", str(workers), "--dist", "loadfile"])
        try:
            return _watch(others, engines, Path(log.name))
        finally:
            _end((others, engines))


def _watch(others: subprocess.Popen[bytes], engines: subprocess.Popen[bytes], log: Path) -> int:
    passed = others.wait() == 0
    with log.open("rb") as said:
        while engines.poll() is None:
            _show(said)
            try:
                engines.wait(LOOKS)
            except subprocess.TimeoutExpired:
                continue
        _show(said)
    return 0 if passed and engines.returncode == 0 else 1


def _show(said: IO[bytes]) -> None:
    shutil.copyfileobj(said, sys.stdout.buffer)
    sys.stdout.buffer.flush()


def _end(runs: Sequence[subprocess.Popen[bytes]]) -> None:
    """Let each end what it started, when this one is interrupted."""
    for run in runs:
        if run.poll() is None:
            run.send_signal(signal.SIGINT)
    for run in runs:
        run.wait()


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:])))

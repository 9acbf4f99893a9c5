"""An engine as a process of this machine, which ends when the run ends, even by SIGKILL."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_LEASH = str(Path(__file__).with_name("leash.py"))
_PATIENCE_S = 10

_starter = ThreadPoolExecutor(1, "engines")
"""Starts every process: the leash ends with the thread that started, and this one lives as long as the run."""


class Process:
    """A command with a folder of its own, and `env` on top of ours. Its output is in `FOLDER/log`, of all its starts."""

    form = "process"

    def __init__(self, command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._command = [sys.executable, "-I", "-S", _LEASH, str(os.getpid()), *command]
        self.env = dict(env or {})
        self._running: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process that runs, or ran last."""
        assert self._running is not None, "not started yet"
        return self._running.pid

    def start(self) -> None:
        """Start it, unless it runs."""
        if not self.is_alive():
            self._running = _starter.submit(self._popen).result()

    def run(self) -> int:
        """Run it to its end; its exit code."""
        self.start()
        assert self._running is not None
        return self._running.wait()

    def kill(self) -> None:
        """SIGKILL, and wait."""
        if self._running is not None:
            self._running.kill()
            self._running.wait()

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for one that does not listen (MirrorMaker, when its brokers are gone)."""
        if self._running is not None:
            self._running.terminate()
            try:
                self._running.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.kill()

    def pause(self) -> None:
        """SIGSTOP."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def discard(self) -> None:
        """SIGKILL, and its folder with it."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._running is not None and self._running.poll() is None

    def log(self) -> str:
        """Its output of all its starts."""
        written = self.folder / "log"
        return written.read_text(errors="replace") if written.exists() else ""

    def _popen(self) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                self._command,
                cwd=self.folder,
                env={**os.environ, **self.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

"""This run of the tests as far as engines go: its folder, what it started, and the end of all that, however the run ends.

- A run is named by its host, its process and when that process began, so a number that is used again names another run.
- It ends well or by Ctrl-C: the plugin discards every engine.
- It is killed: processes of ours die with it (leash.py); its folder and containers go by the reaper beside it (reaper.py).
- The reaper is killed as well: the next run sweeps what belongs to runs that are gone.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import Any, Protocol

LABEL = "testamur.run"
"""The label on each container of ours; its value is the run's name."""
_PREFIX = "testamur-engines."
_GOODBYE_S = 10


class Discarded(Protocol):
    """An engine that this run started."""

    def discard(self) -> None:
        """End it at once and remove what it kept."""
        ...


class Run:
    """One run. `used` counts starts by (engine, form); `missing` says by engine why there was none."""

    def __init__(self) -> None:
        self.name = f"{socket.gethostname()}.{os.getpid()}.{began(os.getpid())}"
        self.used: Counter[tuple[str, str]] = Counter()
        self.missing: dict[str, str] = {}
        self._engines: list[Discarded] = []
        self._folder: Path | None = None
        self._reaper: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._count = 0

    def keep(self, engine: Discarded) -> None:
        """Remember an engine, so that it ends with the run."""
        self._begin()
        self._engines.append(engine)

    def release(self, engine: Discarded) -> None:
        """Forget an engine that has ended."""
        if engine in self._engines:
            self._engines.remove(engine)

    def folder(self, what: str) -> Path:
        """A new, empty folder for one engine; it goes with the run."""
        base = self._begin()
        with self._lock:
            self._count += 1
            made = base / f"{what}-{self._count}"
        made.mkdir()
        return made

    def told(self) -> dict[str, Any]:
        """What was used and what was missing, as plain values."""
        return {"used": [[*place, count] for place, count in self.used.items()], "missing": self.missing}

    def add(self, told: dict[str, Any]) -> None:
        """Count what another process of this run used."""
        self.used.update({(engine, form): count for engine, form, count in told["used"]})
        self.missing.update(told["missing"])

    def end(self) -> None:
        """Discard every engine, the newest first, and the folder; a second call finds nothing to do."""
        for engine in reversed(self._engines.copy()):
            engine.discard()
        if self._reaper is not None and self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._reaper.communicate(b"done", timeout=_GOODBYE_S)
        self._folder = self._reaper = None

    def _begin(self) -> Path:
        with self._lock:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{self.name}."))
                self._reaper = _reaper(self.name, self._folder)
                sweep()
            return self._folder


def began(pid: int) -> str:
    """When a process began, in the kernel's own ticks; empty when it runs no more, `0` where the kernel does not say."""
    if Path("/proc/self/stat").exists():
        try:
            state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            return "" if state == "Z" else fields[18]
        except (FileNotFoundError, ProcessLookupError):
            return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        return "0"
    return "0"


def is_over(name: str) -> bool:
    """Whether a run by this name was one of this host, and its process is gone."""
    host, pid, begun = name.rsplit(".", 2)
    return host == socket.gethostname() and began(int(pid)) != begun


def sweep() -> None:
    """Remove the folders of runs that are over and could not clean up."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        name = left.name.removeprefix(_PREFIX).rpartition(".")[0]
        if name.count(".") >= 2 and is_over(name):
            shutil.rmtree(left, ignore_errors=True)


def _reaper(name: str, folder: Path) -> subprocess.Popen[bytes]:
    script = Path(__file__).with_name("reaper.py")
    return subprocess.Popen(
        [sys.executable, str(script), LABEL, name, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


RUN = Run()
"""The run that this process is."""

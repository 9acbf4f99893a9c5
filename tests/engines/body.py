"""What an engine is made of, whichever form it has: a process of ours, a container, or somebody else's."""

from __future__ import annotations

from typing import Protocol

import pytest

LOG_LINES = 15
"""How much of its log an engine that did not start shows."""


class EngineFailed(RuntimeError):
    """An engine that could be had did not start, or ended by itself."""


class PortTaken(EngineFailed):
    """Another process took the port between our choice and the engine's start: choose again."""


class Body(Protocol):
    """One engine's process. `form` is `process`, `docker` or `environment`; what it keeps stays until it is discarded."""

    form: str

    def start(self) -> None:
        """Start it, or start it again with what it kept; does not wait until it is ready."""
        ...

    def kill(self) -> None:
        """End it by SIGKILL and wait until it is gone."""
        ...

    def stop(self) -> None:
        """Ask it to end and wait; end it by SIGKILL when it does not listen."""
        ...

    def pause(self) -> None:
        """Let it stand still, alive and silent."""
        ...

    def resume(self) -> None:
        """Let it go on."""
        ...

    def discard(self) -> None:
        """End it at once and remove what it kept."""
        ...

    def is_alive(self) -> bool:
        """Whether its process runs."""
        ...

    def log(self) -> str:
        """What it has written so far."""
        ...


class Foreign:
    """An engine that somebody else runs and named in the environment: it is used and never harmed."""

    form = "environment"

    def __init__(self, variable: str) -> None:
        self._variable = variable

    def start(self) -> None:
        """It runs already."""

    def kill(self) -> None:
        """Skip the test."""
        pytest.skip(f"the engine that {self._variable} names is never killed or paused")

    stop = pause = resume = kill

    def discard(self) -> None:
        """It is not ours."""

    def is_alive(self) -> bool:
        """As far as we know."""
        return True

    def log(self) -> str:
        """Not ours to read."""
        return f"(the engine that {self._variable} names)"


def failure(name: str, body: Body) -> EngineFailed:
    """What to raise for an engine that ended instead of becoming ready."""
    tail = "\n".join(body.log().splitlines()[-LOG_LINES:])
    kind = PortTaken if "Address already in use" in body.log() else EngineFailed
    return kind(f"{name} ({body.form}) did not become ready; its log ends with:\n{tail}")

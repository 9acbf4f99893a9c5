"""What Kafka, MongoDB and MirrorMaker have in common as parts of a test: their verbs, and the wait until they answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

from shared.clock import SystemClock
from tests.engines.body import Body, EngineFailed, PortTaken, failure
from tests.engines.run import RUN

_STEP_S = 0.05
_PATIENCE_S = 60
"""A first start out of a cold disk cache, on a busy machine of two cores, took 12 seconds."""
_TRIES = 4


class Engine:
    """One engine. As a context manager it is discarded at the end; otherwise it goes with the run."""

    kind = "engine"

    def __init__(self, body: Body) -> None:
        self.body = body
        RUN.keep(self)

    @property
    def form(self) -> str:
        """`environment`, `docker` or `process`."""
        return self.body.form

    def start(self) -> None:
        """Start it, or start it again on the same port with its data; returns when it answers."""
        self.body.start()
        clock = SystemClock()
        deadline = clock.monotonic() + _PATIENCE_S
        while clock.monotonic() < deadline:
            if self.answers():
                RUN.used[self.kind, self.form] += 1
                return
            if not self.body.is_alive():
                raise failure(self.kind, self.body)
            time.sleep(_STEP_S)
        raise failure(self.kind, self.body)

    def answers(self) -> bool:
        """Whether it is ready."""
        return self.body.is_alive()

    def kill(self) -> None:
        """SIGKILL. Its data stays for the next start."""
        self.body.kill()

    def stop(self) -> None:
        """End it in good order. Its data stays for the next start."""
        self.body.stop()

    def pause(self) -> None:
        """Let it stand still: its connections stay open and nothing answers."""
        self.body.pause()

    def resume(self) -> None:
        """Let it go on."""
        self.body.resume()

    def log(self) -> str:
        """What it has written."""
        return self.body.log()

    def discard(self) -> None:
        """End it for good and remove what it kept."""
        self.body.discard()
        RUN.release(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.discard()


Made = TypeVar("Made", bound=Engine)


def started(make: Callable[[], Made]) -> Made:
    """Make an engine and start it; again with other ports when another process was faster to take one."""
    for left in reversed(range(_TRIES)):
        engine = make()
        try:
            engine.start()
        except EngineFailed as failed:
            engine.discard()
            if not (isinstance(failed, PortTaken) and left):
                raise
        else:
            return engine
    raise AssertionError("not reached")

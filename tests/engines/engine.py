"""What Kafka, MongoDB and MirrorMaker have in common as parts of a test: their verbs, and the wait until they answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

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
        eventually(self.answers, self)
        RUN.used[self.kind, self.form] += 1

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


def eventually(holds: Callable[[], object], engine: Engine) -> None:
    """Wait until it holds; that the engine ends meanwhile, or that it never does, fails with the engine's log."""
    clock = SystemClock()
    deadline = clock.monotonic() + _PATIENCE_S
    while not holds():
        if not engine.body.is_alive() or clock.monotonic() > deadline:
            raise failure(engine.kind, engine.body)
        time.sleep(_STEP_S)


Member = TypeVar("Member", bound=Engine)


class Several(Generic[Member]):
    """Engines that are one cluster. Each may be harmed by itself; as a context manager all are discarded at the end."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = list(members)

    def start(self) -> None:
        """Start those that do not run, all at once; returns when each answers."""
        with ThreadPoolExecutor(len(self.members)) as threads:
            for starting in [threads.submit(member.start) for member in self.members]:
                starting.result()

    def discard(self) -> None:
        """End all for good and remove what they kept."""
        for member in self.members:
            member.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.discard()


class Startable(Protocol):
    """One engine, or several that are one cluster."""

    def start(self) -> None:
        """Start it; returns when it answers."""
        ...

    def discard(self) -> None:
        """End it for good."""
        ...


Made = TypeVar("Made", bound=Startable)


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

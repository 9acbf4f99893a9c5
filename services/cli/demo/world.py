"""The demo's stage: two nations on this machine, each a whole node on its own port, in one federation.

Each runs on a thread with a loop of its own and knows the other by HTTP only, as two countries would. The intervals are
short, so that what takes minutes between nations can be watched in seconds.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import uvloop

from services.cli import local
from services.cli.federation.anchor import AnchorFolder
from services.node import running_node
from shared.client import Client, ProblemError
from shared.clock import SystemClock
from shared.home.folder import Home
from shared.settings import NodeSettings

T = TypeVar("T")

FEDERATION = "demo"
CHECKPOINT_SECONDS = 1
"""Seconds between a quiet nation's checkpoints; a minute outside the demo."""
MAX_AGE_SECONDS = 6
"""Seconds of silence after which knowledge counts as stale; a quarter of an hour outside the demo."""
WAIT_SECONDS = 15.0
"""Seconds that the demo waits for anything before it says that it did not come."""
POLL_SECONDS = 0.005
"""Seconds between two looks while something is awaited; also how finely the demo measures."""

_CLOCK = SystemClock()


@dataclass
class DemoNode:
    """One node of the demo, and an operator's client for it."""

    name: str
    place: str
    settings: NodeSettings
    _thread: threading.Thread | None = None
    _end: Callable[[], None] = field(default=lambda: None)

    @property
    def url(self) -> str:
        """Where it answers."""
        return self.settings.public_url

    @cached_property
    def home(self) -> Home:
        """Its folder, with its keys opened once."""
        return Home(self.settings)

    def token(self, role: str) -> str:
        """A token of that role that holds for a day."""
        return local.access_token(self.settings, role, subject="demo", lifetime=24 * 3600)

    def client(self) -> Client:
        """A client that may do everything here."""
        return Client(self.url, self.token("operator"))

    def start(self) -> None:
        """Run the node; returns when it serves, raises what kept it from that."""
        serving: Future[Callable[[], None]] = Future()
        self._thread = threading.Thread(target=lambda: uvloop.run(self._serve(serving)), name=self.name, daemon=True)
        self._thread.start()
        self._end = serving.result(WAIT_SECONDS)

    def stop(self) -> None:
        """End the node as SIGTERM would; its folder stays."""
        self._end()
        self._end = lambda: None
        if self._thread is not None:
            self._thread.join(WAIT_SECONDS)

    async def _serve(self, serving: Future[Callable[[], None]]) -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()

        def end() -> None:
            with suppress(RuntimeError):  # the loop has ended already
                loop.call_soon_threadsafe(stop.set)

        try:
            async with running_node(self.settings):
                serving.set_result(end)
                await stop.wait()
        except BaseException as error:
            if serving.done():
                raise
            serving.set_exception(error)


@dataclass(frozen=True, slots=True)
class World:
    """Estonia, Portugal, and the anchor that signed the list which names both."""

    estonia: DemoNode
    portugal: DemoNode
    anchor: AnchorFolder

    @property
    def nations(self) -> tuple[DemoNode, DemoNode]:
        """Both."""
        return self.estonia, self.portugal

    def start(self) -> None:
        """Run both nodes; returns when both serve."""
        with ThreadPoolExecutor(2) as starting:
            list(starting.map(lambda nation: nation.start(), self.nations))

    def stop(self) -> None:
        """End both nodes."""
        for nation in self.nations:
            nation.stop()


def build(folder: Path) -> World:
    """Make keys, the federation list and both nodes' folders; nothing runs yet."""
    ports = _free_ports(2)
    estonia = DemoNode("ee", "Estonia", _settings("ee", folder, ports))
    portugal = DemoNode("pt", "Portugal", _settings("pt", folder, ports[::-1]))
    anchor = AnchorFolder.begin(folder / "anchor", FEDERATION)
    world = World(estonia, portugal, anchor)
    for nation in world.nations:
        anchor.add(nation.home.node())
    anchor.sign(_CLOCK.now(), timedelta(days=30))
    for nation in world.nations:
        nation.home.join((anchor.folder / "federation.json").read_bytes(), *anchor.pinned())
    return world


def until(
    look: Callable[[], T], good: Callable[[T], bool], patience: float = WAIT_SECONDS, every: float = POLL_SECONDS
) -> tuple[T, float]:
    """Look again and again until it is good or patience ends; the last thing seen, and the seconds it took."""
    began = _CLOCK.monotonic()
    while True:
        seen = look()
        took = _CLOCK.monotonic() - began
        if good(seen) or took > patience:
            return seen, took
        time.sleep(every)


def once_known(act: Callable[[], T], every: float = POLL_SECONDS) -> T:
    """Do what a service refuses until it has heard of the institution, which takes it a moment."""

    def attempt() -> T | ProblemError:
        try:
            return act()
        except ProblemError as problem:
            return problem

    done, _ = until(attempt, lambda seen: not isinstance(seen, ProblemError), every=every)
    if isinstance(done, ProblemError):
        raise done
    return done


def _settings(node: str, folder: Path, ports: list[int]) -> NodeSettings:
    mine, other = ports
    home = folder / node
    return NodeSettings.load(
        node=node,
        federation=FEDERATION,
        home=home,
        store=f"sqlite:///{home}/data",
        bus=f"sqlite:///{home}/data",
        host="127.0.0.1",
        port=mine,
        public_url=f"http://127.0.0.1:{mine}",
        fetch_allow=(f"127.0.0.1:{mine}", f"127.0.0.1:{other}"),
        checkpoint_interval=CHECKPOINT_SECONDS,
        max_age=MAX_AGE_SECONDS,
        rate_per_second=1000.0,
        rate_burst=5000,
        log_level="error",
    )


def _free_ports(count: int) -> list[int]:
    """Ports that are free now; all are held until all are known, so that no two are one."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports

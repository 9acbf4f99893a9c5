"""How a figure is taken: ours and what it stands against, turn by turn in one run, so that a noisy machine hits both alike.

A row's ratio is the median over the rounds of (ours / against), each round measured side by side. Nothing here is a test.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROUNDS = 5
SECONDS = 0.6
"""Per side of a round."""

ENTRY = b"x" * 600
"""About as large as an event."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; `ours` and `against` in the unit that `what` names."""

    id: str
    what: str
    ours: float
    against: float | None
    ratio: float | None
    goal: str
    met: bool

    def members(self) -> dict[str, Any]:
        """As it stands in `build/bench.json`."""
        return asdict(self)


def at_least(name: str, what: str, pairs: Sequence[tuple[float, float]], goal: float) -> Row:
    """A row whose ratio of rates must reach the goal."""
    ratio = statistics.median(ours / against for ours, against in pairs)
    ours, against = (statistics.median(side) for side in zip(*pairs, strict=True))
    return Row(name, what, round(ours, 1), round(against, 1), round(ratio, 3), f">= {goal:g}", ratio >= goal)


def at_most_ratio(name: str, what: str, pairs: Sequence[tuple[float, float]], goal: float) -> Row:
    """A row of two rates, whose ratio of times must stay below the goal; shown in microseconds."""
    ratio = statistics.median(against / ours for ours, against in pairs)
    ours, against = (1e6 / statistics.median(side) for side in zip(*pairs, strict=True))
    return Row(name, what, round(ours, 1), round(against, 1), round(ratio, 3), f"<= {goal:g}", ratio <= goal)


def rate_of(name: str, what: str, rates: Sequence[float], goal: float) -> Row:
    """A row whose own rate, a second, must reach the goal."""
    ours = statistics.median(rates)
    return Row(name, what, round(ours, 1), None, None, f">= {goal:,.0f}/s", ours >= goal)


def at_most(name: str, what: str, milliseconds: float, goal: float) -> Row:
    """A row whose time must stay below the goal."""
    return Row(name, what, round(milliseconds, 2), None, None, f"<= {goal:g} ms", milliseconds <= goal)


def rate(call: Callable[[], object], seconds: float = SECONDS) -> float:
    """Calls a second of a synchronous function."""
    done, start = 0, time.perf_counter()
    while (taken := time.perf_counter() - start) < seconds:
        call()
        done += 1
    return done / taken


async def timed(work: Callable[[], Awaitable[int]]) -> float:
    """Units a second of a piece of work that says how many it did."""
    start = time.perf_counter()
    done = await work()
    return done / (time.perf_counter() - start)


def fdatasync_rate(folder: Path, seconds: float = SECONDS) -> float:
    """Appends of one entry with `fdatasync` a second: what this disk can acknowledge one by one."""
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        descriptor = file.fileno()

        def append() -> None:
            os.write(descriptor, ENTRY)
            os.fdatasync(descriptor)

        return rate(append, seconds)

"""A loop under supervision: what it cannot heal by itself ends it, is logged, and it starts again after a pause.

And its end, which does not depend on whether everything below passes a cancellation on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from shared.clock import Clock
from shared.tasks.backoff import pause_after
from shared.telemetry import get_logger

RESTART_SECONDS = (0.1, 1.0, 5.0, 30.0)
"""Seconds before a loop that failed is started again; the last one is repeated."""

WELL_SECONDS = 60.0
"""A loop that has run for so many seconds is well again: its next failure counts as its first."""

CANCEL_AGAIN_SECONDS = 15.0
"""Seconds after which what has not ended is cancelled once more: what finishes an append or a commit first needs less."""

_log = get_logger("engine")


async def supervised(loop: Callable[[], Awaitable[None]], name: str, clock: Clock) -> None:
    """Run a loop until it returns by itself."""
    failures = 0
    while True:
        began = clock.monotonic()
        try:
            await loop()
            return
        except asyncio.CancelledError:
            raise
        except Exception:  # noqa: BLE001 - whatever it was, the loop must come back
            _log.exception("a background loop failed; it starts again", loop=name)
            failures = 0 if clock.monotonic() - began > WELL_SECONDS else failures
            await asyncio.sleep(pause_after(failures, RESTART_SECONDS))
            failures += 1


async def ended(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Cancel tasks until all have ended. A library may take a cancellation for one of its own, and go on."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        done, left = await asyncio.wait(left, timeout=CANCEL_AGAIN_SECONDS)
        for task in done:
            if not task.cancelled():
                task.exception()  # known from here on, and of no interest any more

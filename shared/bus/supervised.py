"""A loop under supervision: what it cannot heal by itself ends it, is logged, and it starts again after a pause."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from shared.clock import Clock
from shared.telemetry import get_logger

PAUSES = (0.1, 1.0, 5.0, 30.0)
"""Seconds before a loop that failed is started again; the last one is repeated."""

WELL = 60.0
"""A loop that has run for so many seconds is well again: its next failure counts as its first."""

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
            failures = 0 if clock.monotonic() - began > WELL else failures
            await asyncio.sleep(PAUSES[min(failures, len(PAUSES) - 1)])
            failures += 1

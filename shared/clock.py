"""The only place that asks what time it is.

Everything else is handed a `Clock`, so a test can stop time, turn it back or set it a year ahead. No two clocks agree:
`MAX_SKEW` is how far another one may be from ours.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Protocol

from pydantic import AfterValidator, PlainSerializer

MAX_SKEW = timedelta(seconds=60)
"""How far another machine's clock may run ahead of ours, or behind it, before the times that it writes are refused."""


@lru_cache(maxsize=4096)
def rfc3339(moment: datetime) -> str:
    """Write an instant as RFC 3339 in UTC, to the millisecond only where it has any: `2026-11-23T20:19:00Z`."""
    precision = "milliseconds" if moment.microsecond else "seconds"
    return moment.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a time needs its offset from UTC, such as 2026-11-23T20:19:00Z")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time must lie in the years 1 to 9999 of UTC") from None


Instant = Annotated[datetime, AfterValidator(_in_utc), PlainSerializer(rfc3339, return_type=str)]
"""An aware instant; on the wire RFC 3339 in UTC."""


class Clock(Protocol):
    """What the product knows of time."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards, for measuring how long something took."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        return time.monotonic()


class ManualClock:
    """A clock that a test or a rehearsal moves by hand."""

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)
        self._monotonic = 0.0

    def now(self) -> datetime:
        """The instant it was last set to."""
        return self._now

    def monotonic(self) -> float:
        """The seconds it was advanced by so far; setting it back does not turn them back."""
        return self._monotonic

    def advance(self, **duration: float) -> None:
        """Let time pass: `advance(minutes=5)`; a negative duration turns the wall clock back."""
        step = timedelta(**duration)
        self._now += step
        self._monotonic += max(step.total_seconds(), 0.0)

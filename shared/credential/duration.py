"""ISO 8601 durations, read as what they say.

Rules (ISO 8601-1:2019, 5.5.2)
- `PnYnMnDTnHnMnS` or `PnW`; an M before the T is months, after it minutes: `P60M` is 60 months, `PT60M` one hour.
- The smallest part may have a fraction, with a point or a comma.
- Only hours, minutes and seconds are hours of learning: a duration with years, months, weeks or days is a span of time, and
  is never turned into a workload.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_NUMBER = r"\d{1,6}(?:[.,]\d{1,6})?"
_FORM = re.compile(
    rf"P(?!$)(?:({_NUMBER})Y)?(?:({_NUMBER})M)?(?:({_NUMBER})W)?(?:({_NUMBER})D)?"
    rf"(?:T(?!$)(?:({_NUMBER})H)?(?:({_NUMBER})M)?(?:({_NUMBER})S)?)?"
)


class Duration(NamedTuple):
    """The parts of a duration as they were written."""

    years: float
    months: float
    weeks: float
    days: float
    hours: float
    minutes: float
    seconds: float

    @property
    def learning_hours(self) -> float | None:
        """Hours of learning, or None when the duration speaks of days or longer and so does not say."""
        if self.years or self.months or self.weeks or self.days:
            return None
        return self.hours + self.minutes / 60 + self.seconds / 3600

    def __str__(self) -> str:
        """In words: `60 months`."""
        named = ((name[:-1] if count == 1 else name, count) for name, count in self._asdict().items() if count)
        return ", ".join(f"{count:g} {name}" for name, count in named) or "no time"


def parse_duration(text: str) -> Duration | None:
    """A duration, or None when the text is none."""
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    written = [part for part in match.groups() if part]
    if any("." in part or "," in part for part in written[:-1]):
        return None
    return Duration(*(float(part.replace(",", ".")) if part else 0.0 for part in match.groups()))

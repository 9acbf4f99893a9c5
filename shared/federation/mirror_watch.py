"""What a mirror is expected to bring of one chain, and when it is overdue. Pure: what is known goes in, an answer comes out.

- A hole of which nothing closes within `GRACE` looks will not close by itself: the mirror is dead, or stands still, or has
  left something out.
- What a checkpoint named and is not there after `LATE` looks is late, although entry after entry comes, or other records
  wait on our own bus, of which some may be it.
- Patience is counted in looks and not read off a clock: a process that was itself held up has not looked meanwhile, and
  does not blame the mirror for it.
"""

from __future__ import annotations

Place = tuple[int, int]
"""An epoch and a sequence in it."""

LOOK = 0.1
"""Seconds between two looks."""

GRACE = 5
"""Looks, half a second: over ten times what a mirror takes that works, and short enough for a revocation to be abroad within
a second without it. A mirror that only paused for longer costs a page that comes twice, and repeats are counted.
"""

LATE = 50
"""Looks, five seconds: a backlog that keeps closing, or is being read, is not fetched a second time until then."""

WELL = 10
"""Looks, a second: for so long a mirror that has just brought a checkpoint in time is believed to work, and its nation not
asked again. A busy nation makes four checkpoints a second, and answering is work at the very moment at which news travels.
"""


class Expected:
    """One chain, as one look after another sees it."""

    def __init__(self) -> None:
        self._stood: Place = (0, 0)
        self._aim: Place = (0, 0)
        self._still = 0
        self._coming = 0

    def is_overdue(self, stands: Place, reaches: Place | None, *, reading: bool) -> bool:
        """One look: where the chain stands here, how far it is known to reach (None: no further), and whether a backlog is
        `reading` from our own bus. Returns whether to fetch.
        """
        if reaches is None or stands >= self._aim:
            self._aim = reaches or (0, 0)
            self._still = self._coming = 0
        elif reading or stands != self._stood:
            self._still = 0
        self._stood = stands
        self._still += 1
        self._coming += 1
        return reaches is not None and (self._still > GRACE or self._coming > LATE)

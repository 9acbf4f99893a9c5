"""What a mirror is expected to bring of one chain, and when it is overdue. Pure: what is known goes in, an answer
comes out.

- A hole of which nothing closes within `GRACE_LOOKS` looks will not close by itself: the mirror is dead, or stands
  still, or has left something out.
- What a checkpoint named and is not there after `LATE_LOOKS` looks is late, although entry after entry comes, or
  other records wait on this node's bus, of which some may be it.
- Waiting is counted in looks, not in seconds of a clock: a process that was itself held up has not looked meanwhile,
  and does not blame the mirror for it.
"""

from __future__ import annotations

Reached = tuple[int, int]
"""An epoch and a sequence in it."""

LOOK_SECONDS = 0.1
"""Seconds between two looks."""

GRACE_LOOKS = 5
"""Looks, half a second: over ten times what a mirror takes that works, and short enough for a revocation to be abroad within
a second without it. A mirror that only paused for longer costs a page that comes twice, and repeats are counted.
"""

LATE_LOOKS = 50
"""Looks, five seconds: a backlog that keeps closing, or is being read, is not fetched a second time until then."""

WELL_LOOKS = 10
"""Looks, a second: for so long a mirror that has just brought a checkpoint in time is believed to work, and its node not
asked again. A busy node makes four checkpoints a second, and answering is work at the very moment at which news travels.
"""


class ChainWatch:
    """One chain, as one look after another sees it."""

    def __init__(self) -> None:
        self._last: Reached = (0, 0)
        self._aim: Reached = (0, 0)
        self._looks_unmoved = 0
        self._looks_at_aim = 0

    def is_overdue(self, applied: Reached, reaches: Reached | None, *, reading: bool) -> bool:
        """One look: how far the chain is applied here, how far it is known to reach (None: no further), and whether a
        backlog is being read from this node's bus. Returns whether to fetch.
        """
        if reaches is None or applied >= self._aim:
            self._aim = reaches or (0, 0)
            self._looks_unmoved = self._looks_at_aim = 0
        elif reading or applied != self._last:
            self._looks_unmoved = 0
        self._last = applied
        self._looks_unmoved += 1
        self._looks_at_aim += 1
        return reaches is not None and (self._looks_unmoved > GRACE_LOOKS or self._looks_at_aim > LATE_LOOKS)

"""Holes that stay open: since when, and how often they were gone after. Pure: what is missing goes in, what is due comes
out.

A hole is named by its topic and by the sequence up to which that topic is applied. Once anything of it closes, it is
another hole, and its time begins anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from shared.tasks.backoff import pause_after


class Hole(NamedTuple):
    """Up to which sequence its topic is applied, since when it is waited for, and how often it was gone after."""

    seq: int
    since: float
    tries: int = 0


class Holes:
    """The open holes of one service, by topic."""

    def __init__(self, patience: Sequence[float]) -> None:
        """`patience`: seconds for which a hole is left alone, then left alone again; the last one is repeated."""
        self._patience = patience
        self._open: dict[str, Hole] = {}

    def due(self, missing: Mapping[str, int], now: float) -> list[str]:
        """Take in what is missing at this moment (by topic: up to where it is applied); returns the topics whose hole has
        stayed for as long as it is left alone.
        """
        before, self._open = self._open, {}
        for topic, seq in missing.items():
            hole = before.get(topic)
            self._open[topic] = hole if hole is not None and hole.seq == seq else Hole(seq, now)
        return [topic for topic, hole in self._open.items() if now - hole.since >= pause_after(hole.tries, self._patience)]

    def tried(self, topic: str, now: float) -> None:
        """A hole was gone after: it is left alone again from now on, for the next time of `patience`."""
        hole = self._open[topic]
        self._open[topic] = hole._replace(since=now, tries=hole.tries + 1)

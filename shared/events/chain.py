"""Where an entry stands in its chain. Pure: a position and an entry in, one word out.

- NEXT: it follows the last entry we applied, and names it.
- HELD: its sequence lies at or below our position; whoever kept its hash can tell a repeat from a contradiction.
- BEYOND: a hole lies between; it waits, unless it reduces trust.
- FORKED: it claims to follow us but names another entry: two histories, both signed.
- OLD_EPOCH / NEW_EPOCH: of another epoch; a new one counts only after the root key opened it.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

from shared.events.entry import GENESIS, Entry, Envelope

EPOCH_ONE = 1


class Position(NamedTuple):
    """How far a chain is known without a gap: its epoch, the last sequence (0: none), and that entry's hash."""

    epoch: int = EPOCH_ONE
    seq: int = 0
    hash: str = GENESIS

    def advanced_by(self, entry: Entry) -> Position:
        """The position after `entry`."""
        return Position(entry.envelope.epoch, entry.envelope.seq, entry.hash)


class Placement(Enum):
    """The answers that `placement` can give; the docstring of this module says what each means."""

    NEXT = auto()
    HELD = auto()
    BEYOND = auto()
    FORKED = auto()
    OLD_EPOCH = auto()
    NEW_EPOCH = auto()


def placement(position: Position, envelope: Envelope) -> Placement:
    """Where an entry with this envelope stands, seen from `position`."""
    if envelope.epoch != position.epoch:
        return Placement.OLD_EPOCH if envelope.epoch < position.epoch else Placement.NEW_EPOCH
    if envelope.seq <= position.seq:
        return Placement.HELD
    if envelope.seq > position.seq + 1:
        return Placement.BEYOND
    return Placement.NEXT if envelope.previous == position.hash else Placement.FORKED


def log_key(topic: str, epoch: int, seq: int) -> str:
    """The key under which an entry is archived: keys of one topic sort by epoch, then sequence."""
    return f"{log_prefix(topic)}{epoch:06d}/{seq:015d}"


def log_prefix(topic: str) -> str:
    """What all keys of one topic's archive begin with."""
    return f"{topic}/"

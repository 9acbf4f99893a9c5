"""Looking at a broker and setting it up: the port for an operator's commands.

The embedded bus has nothing to set up, so it has no adapter here. Everything is synchronous: it serves commands, not
services. Errors are `BusUnavailable` (nobody answers) and `Misconfigured` (a wrong password, a refusal), each a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from shared.bus.access import Right
from shared.bus.topics import TopicState


class TopicsSeen(NamedTuple):
    """What was seen of some topics: the state of each that is there, and the names of those that may not be looked at."""

    there: Mapping[str, TopicState]
    hidden: frozenset[str]
    copies: int
    """How many copies each should have at least: as the URL says, else as many as the cluster can give, three at most."""


class Admin(Protocol):
    """One broker, or several that are one cluster, as an operator sets it up."""

    @property
    def shown(self) -> str:
        """The broker's URL without its password, for people."""
        ...

    @property
    def identified(self) -> bool:
        """Whether the URL says who we are, by a user or a certificate."""
        ...

    def look(self, topics: Sequence[str]) -> TopicsSeen:
        """The state of those of `topics` that are there."""
        ...

    def create(self, topic: str, settings: Mapping[str, str], copies: int = 1) -> None:
        """Make a topic in so many copies; one that is there already is left as it is."""
        ...

    def change(self, topic: str, settings: Mapping[str, str]) -> None:
        """Change these settings of a topic and no other."""
        ...

    def rights(self) -> list[Right] | None:
        """Every right that was given to somebody, a prefix written `name*`; None when the broker checks no rights."""
        ...

    def grant(self, rights: Sequence[Right]) -> None:
        """Give rights; one that was given already stays as it is."""
        ...

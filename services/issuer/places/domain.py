"""Status lists as the issuer fills them: a place for each credential, drawn at random among the free ones. Pure.

So two places side by side do not show who was in one course.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from shared.formats.port import StatusEntry


@dataclass(frozen=True, slots=True)
class StatusPlace:
    """A place in a status list."""

    list_name: str
    index: int

    @property
    def key(self) -> str:
        """Its name among all places of all lists."""
        return f"{self.list_name}/{self.index}"


@dataclass(slots=True)
class StatusList:
    """One status list and the places in it that are known to be taken."""

    name: str
    entries: int
    taken: set[int] = field(default_factory=set)

    @property
    def full(self) -> bool:
        """Whether it is time for a new list: half of it is taken."""
        return len(self.taken) >= self.entries // 2

    def draw(self) -> StatusPlace:
        """A free place at random; it counts as taken from now on."""
        while (index := secrets.randbelow(self.entries)) in self.taken:
            continue
        self.taken.add(index)
        return StatusPlace(self.name, index)

    def next(self) -> StatusList:
        """The list after this one, empty."""
        return StatusList(str(int(self.name) + 1), self.entries)


def status_entries(base: str, place: StatusPlace) -> tuple[StatusEntry, StatusEntry]:
    """Where the status of that place is published: the registry's list of revocations, and its list of suspensions.

    `base`: the address below which the registry publishes its lists.
    """
    return (
        StatusEntry("revocation", f"{base}/{place.list_name}", place.index),
        StatusEntry("suspension", f"{base}/{place.list_name}/suspension", place.index),
    )

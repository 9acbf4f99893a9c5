"""All offers in memory, in the order of their names: what a search looks through.

It is a copy of what the store holds, one in each process, and reads on from the last change it knows before every search. A
search looks at `MOST_LOOKED` offers at most, and says from where to go on.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right, insort
from collections.abc import Callable
from typing import NamedTuple

from services.registry.catalogue import repository
from services.registry.catalogue.domain import Listed
from shared.store.port import Reader

MOST_LOOKED = 20_000
"""Offers that one search looks at: a few tens of milliseconds of work."""


class Found(NamedTuple):
    """What a search found, and the name of the last offer that it looked at; None where there are no more."""

    offers: list[Listed]
    on_from: str | None


class OfferIndex:
    """One process's index over the offers of a store."""

    def __init__(self, store: Reader) -> None:
        self._store = store
        self._known = 0
        self._names: list[str] = []
        self._offers: dict[str, Listed] = {}
        self._turn = asyncio.Lock()

    async def search(self, test: Callable[[Listed], bool], after: str, limit: int) -> Found:
        """The next offers after a name that pass the test, at most `limit`."""
        await self._refresh()
        first = bisect_right(self._names, after)
        found: list[Listed] = []
        for place in range(first, min(first + MOST_LOOKED, len(self._names))):
            offer = self._offers[self._names[place]]
            if test(offer):
                found.append(offer)
            if len(found) == limit:
                return Found(found, offer.key if place + 1 < len(self._names) else None)
        reached = first + MOST_LOOKED
        return Found(found, self._names[reached - 1] if reached < len(self._names) else None)

    async def _refresh(self) -> None:
        async with self._turn:
            if await repository.last_change(self._store) == self._known:
                return
            while changes := await repository.changes(self._store, self._known):
                for change in changes:
                    name = change.body["offer"]
                    self._enter(name, repository.listed(await repository.find(self._store, name)))
                self._known = int(changes[-1].key)

    def _enter(self, name: str, offer: Listed | None) -> None:
        if offer is None:
            if self._offers.pop(name, None) is not None:
                self._names.remove(name)
            return
        if name not in self._offers:
            insort(self._names, name)
        self._offers[name] = offer

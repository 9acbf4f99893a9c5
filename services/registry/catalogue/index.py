"""All offers in memory, in the order of their names: what a search looks through.

It is a copy of what the store holds, one in each process, and before every search it reads the changes since the last. A
search looks at `SEARCH_LIMIT` offers at most, and says from where to go on.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right, insort
from collections.abc import Callable
from typing import NamedTuple

from services.registry.catalogue import repository
from services.registry.catalogue.domain import ListedOffer
from shared.store.port import Reader

SEARCH_LIMIT = 20_000
"""Offers that one search looks at: a few tens of milliseconds of work."""


class OffersFound(NamedTuple):
    """What a search found, and the name of the last offer that it looked at; None where there are no more."""

    offers: list[ListedOffer]
    last: str | None


class OfferIndex:
    """One process's index over the offers of a store."""

    def __init__(self, store: Reader) -> None:
        self._store = store
        self._last_change = 0
        self._names: list[str] = []
        self._offers: dict[str, ListedOffer] = {}
        self._refreshing = asyncio.Lock()

    async def search(self, test: Callable[[ListedOffer], bool], after: str, limit: int) -> OffersFound:
        """The next offers after a name that pass the test, at most `limit`."""
        await self._refresh()
        first = bisect_right(self._names, after)
        found: list[ListedOffer] = []
        for position in range(first, min(first + SEARCH_LIMIT, len(self._names))):
            offer = self._offers[self._names[position]]
            if test(offer):
                found.append(offer)
            if len(found) == limit:
                return OffersFound(found, offer.key if position + 1 < len(self._names) else None)
        reached = first + SEARCH_LIMIT
        return OffersFound(found, self._names[reached - 1] if reached < len(self._names) else None)

    async def _refresh(self) -> None:
        async with self._refreshing:
            if await repository.last_change(self._store) == self._last_change:
                return
            while changes := await repository.changes(self._store, self._last_change):
                for change in changes:
                    name = change.body["offer"]
                    self._enter(name, await repository.find_listed(self._store, name))
                self._last_change = int(changes[-1].key)

    def _enter(self, name: str, offer: ListedOffer | None) -> None:
        if offer is None:
            if self._offers.pop(name, None) is not None:
                self._names.remove(name)
            return
        if name not in self._offers:
            insort(self._names, name)
        self._offers[name] = offer

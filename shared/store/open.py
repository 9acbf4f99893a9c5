"""From a URL to a store: the one place that knows which adapters there are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from shared.errors import Misconfigured
from shared.store.port import Collection, Store
from shared.store.sqlite import open_sqlite

OPENERS: dict[str, Callable[[str, str, Sequence[Collection]], Awaitable[Store]]] = {
    "sqlite": open_sqlite,
}
"""Adapter by URL scheme."""


async def open_store(url: str, service: str, collections: Sequence[Collection]) -> Store:
    """Open a service's own store and prepare its collections; `Misconfigured` when no adapter takes the URL."""
    opener = OPENERS.get(url.partition(":")[0])
    if opener is None:
        raise Misconfigured(f"TESTAMUR_STORE names a kind of store that is not built in; use one of {_schemes()}.")
    return await opener(url, service, collections)


def _schemes() -> str:
    return ", ".join(f"{scheme}://" for scheme in sorted(OPENERS))

"""From a URL to a store: the one place that knows which adapters there are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from shared.errors import Misconfigured
from shared.store.port import Collection, Store
from shared.store.sqlite.store import open_sqlite


async def _open_mongo(url: str, service: str, collections: Sequence[Collection]) -> Store:
    """Its library is an extra, so it is looked for only where it is used."""
    try:
        from shared.store.mongo.store import open_mongo
    except ModuleNotFoundError as error:
        raise Misconfigured("TESTAMUR_STORE names MongoDB, whose library is not here. Install testamur[mongo].") from error
    return await open_mongo(url, service, collections)


OPENERS: dict[str, Callable[[str, str, Sequence[Collection]], Awaitable[Store]]] = {
    "sqlite": open_sqlite,
    "mongodb": _open_mongo,
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

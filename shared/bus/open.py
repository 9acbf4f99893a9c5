"""From a URL to a bus, and to what sets one up: the one place that knows which adapters there are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from shared.bus.admin import Admin
from shared.bus.port import Bus
from shared.bus.sqlite.bus import open_sqlite
from shared.errors import Misconfigured


async def _open_kafka(url: str) -> Bus:
    """Its library is an extra, so it is looked for only where it is used."""
    try:
        from shared.bus.kafka.bus import open_kafka
    except ModuleNotFoundError as error:
        raise Misconfigured("TESTAMUR_BUS names Kafka, whose library is not here. Install testamur[kafka].") from error
    return await open_kafka(url)


OPENERS: dict[str, Callable[[str], Awaitable[Bus]]] = {
    "sqlite": open_sqlite,
    "kafka": _open_kafka,
}
"""Adapter by URL scheme."""


async def open_bus(url: str) -> Bus:
    """Open a node's bus; `Misconfigured` when no adapter takes the URL."""
    opener = OPENERS.get(url.partition(":")[0])
    if opener is None:
        schemes = ", ".join(f"{scheme}://" for scheme in sorted(OPENERS))
        raise Misconfigured(f"TESTAMUR_BUS names a kind of bus that is not built in; use one of {schemes}.")
    return await opener(url)


def open_admin(url: str) -> Admin | None:
    """A bus to set up, or None when it is the embedded one, which makes its topics itself."""
    scheme = url.partition(":")[0]
    if scheme == "sqlite":
        return None
    if scheme != "kafka":
        raise Misconfigured("TESTAMUR_BUS names a kind of bus that is not built in; use one of kafka://, sqlite://.")
    try:
        from shared.bus.kafka.admin import KafkaAdmin  # its library is an extra
    except ImportError as error:
        raise Misconfigured("The bus that TESTAMUR_BUS names needs more: install testamur[kafka].") from error
    return KafkaAdmin(url)

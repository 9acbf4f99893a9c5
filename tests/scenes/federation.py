"""Nations as nodes that are really served on this machine, federating over HTTP, in the tests' language."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from services.node import running_node
from shared.bus.open import open_bus
from shared.bus.port import Message
from shared.events.entry import message_headers, parse
from shared.home.folder import Home
from shared.ids import topic_name
from shared.log.archive import LOG
from tests.world import Nation, ShiftedClock, federate, found

CHAINS = ("trust", "status", "registrations")
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""It trusts nobody, and is never asked to: reading whom to trust takes longer than many a test."""


def homes(folder: Path, *names: str) -> list[Home]:
    """Nations on free ports of this machine, in one federation."""
    made = [found(folder / name, name, port=free_port(), fetch_allow=("127.0.0.0/8",), log_level="error") for name in names]
    federate(made)
    return made


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


@asynccontextmanager
async def served(home: Home) -> AsyncIterator[Nation]:
    """A nation as one node, really served; the tests' language speaks to it over HTTP."""
    clock = ShiftedClock()
    async with AsyncExitStack() as closing:
        node = await closing.enter_async_context(running_node(home.settings, clock))
        clients = {
            service: await closing.enter_async_context(
                httpx2.AsyncClient(base_url=f"{node.url}/{service}", timeout=60, verify=NO_TLS)
            )
            for service in node.apps
        }
        bus = node.apps["registry"].state.engine.bus
        yield Nation(home.settings.node, home, clock, bus, dict(node.apps), clients)


async def comes_true(what: Callable[[], Awaitable[Any]], within: float = 60.0) -> None:
    """Wait until something holds; that it never does fails the test."""
    async with asyncio.timeout(within):
        while not await what():
            await asyncio.sleep(0.02)


async def comes_to(nation: Nation, credential: str, answer: str) -> dict[str, Any]:
    """Wait until a nation's verifier answers so: a verdict, or the reason for one. Returns the report."""
    report: dict[str, Any] = {}

    async def so() -> bool:
        report.update(await nation.verifies(credential))
        return answer in (report["verdict"], report["reason"])

    await comes_true(so)
    return report


async def ref_of(nation: Nation, credential: str) -> str:
    return str((await nation.verifies(credential))["credential"]["ref"])


async def archive(nation: Nation, origin: str) -> dict[str, list[str]]:
    """What a nation's registry holds of an origin's chains, as the bytes that were signed."""
    store = nation.engine("registry").store
    rows = {stream: await store.scan(LOG, prefix=topic_name(origin, stream) + "/", limit=5_000) for stream in CHAINS}
    return {stream: [row.body["jws"] for row in held] for stream, held in rows.items()}


async def holds_all(nation: Nation, origin: Nation) -> bool:
    return await archive(nation, origin.name) == await archive(origin, origin.name)


async def asks_log(nation: Nation, path: str, raw: str) -> httpx2.Response:
    """Ask a registry for a page of a log with a node token."""
    return await nation.clients["registry"].get(f"/log/{path}", headers={"authorization": f"Bearer {raw}"})


async def put_on_bus_of(home: Home, origin: str, held: dict[str, list[str]]) -> None:
    """Lay entries on the bus of a node that is not running, as a mirror would have done."""
    bus = await open_bus(home.settings.bus_url)
    for stream, entries in held.items():
        parsed = [parse(raw) for raw in entries]
        messages = [Message(one.envelope.sub, one.token.payload, message_headers(one)) for one in parsed]
        await bus.append(topic_name(origin, stream), messages)
    await bus.close()

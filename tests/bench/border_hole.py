"""How long a hole stays: what retention took from a status topic before the mirror read it, until it is known abroad.

The clock starts when the revocation is acknowledged, just after the mirror died that had carried all before. Then its record
is taken from the topic, and the mirror comes back. It stops when the answer abroad is `invalid (revoked)`. All intervals are
the defaults.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from services.node import RunningNode, running_node
from shared.bus.kafka.mirror_maker import properties
from shared.bus.kafka.url import KafkaUrl
from shared.bus.port import Bus
from shared.home.folder import Home
from shared.ids import topic_name
from tests import engines
from tests.bench.border import accredit, home_of, issue, revoke, until
from tests.bench.measure import Row, at_most
from tests.nations import cut_away, make_topics
from tests.world import federate

ROUNDS = 3
GOAL_MS = 10_000
PATIENCE = 120.0
"""Seconds within which a mirror begins to carry, and a hole must be filled, on a busy machine."""
NOTICED = 2.0
"""Seconds within which a mirror that does not carry is known as such."""
_WHAT = "a revocation that no mirror brings, since retention took it -> invalid abroad, ms"


async def rows(folder: Path) -> list[Row]:
    """The slowest of some rounds; or none and a sentence."""
    with ExitStack() as closing:
        try:
            made = await asyncio.to_thread(lambda: engines.together(engines.own_kafka, engines.own_kafka))
        except pytest.skip.Exception as absent:
            print(f"hole-found: {absent}", file=sys.stderr)
            return []
        brokers = dict(zip(("ee", "pt"), made, strict=True))
        for broker in made:
            closing.callback(broker.discard)
        await asyncio.to_thread(make_topics, brokers)
        text = properties({name: KafkaUrl.parse(broker.url) for name, broker in brokers.items()}, ["pt"])
        mirror = await asyncio.to_thread(engines.mirror_maker, text)
        closing.callback(mirror.discard)
        times = await _measure(folder, brokers, mirror)
    print(f"hole-found: {', '.join(f'{one:.1f} s' for one in sorted(times))}", file=sys.stderr)
    return [at_most("hole-found", _WHAT, 1_000 * max(times), GOAL_MS)]


async def _measure(folder: Path, brokers: dict[str, engines.Kafka], mirror: engines.MirrorMaker) -> list[float]:
    ee = home_of(folder, "ee", bus=brokers["ee"].url)
    pt = home_of(folder, "pt", bus=brokers["pt"].url, mirrored=("ee",))
    federate([ee, pt])
    async with (
        running_node(ee.settings) as home,
        running_node(pt.settings) as abroad,
        httpx2.AsyncClient(timeout=30) as http,
    ):
        await accredit(http, home, ee)
        return [await _round(http, home, ee, abroad, brokers, mirror) for _ in range(ROUNDS)]


async def _round(
    http: httpx2.AsyncClient,
    home: RunningNode,
    keys: Home,
    abroad: RunningNode,
    brokers: dict[str, engines.Kafka],
    mirror: engines.MirrorMaker,
) -> float:
    """Seconds from the acknowledged revocation to the changed answer."""
    credential = await issue(http, home, keys)
    await until(abroad, credential, "valid", patience=PATIENCE)
    await _carried(abroad)
    await asyncio.to_thread(mirror.kill)
    topic = topic_name("ee", "status")
    said = await _bus(home).end(topic)
    await revoke(http, home, keys, credential)
    acknowledged = time.perf_counter()
    changed = asyncio.create_task(_changed(abroad, credential))
    while await _bus(home).end(topic) == said:
        await asyncio.sleep(0.01)
    await asyncio.to_thread(cut_away, brokers["ee"], topic)
    await asyncio.to_thread(mirror.start)
    return await changed - acknowledged


async def _carried(abroad: RunningNode) -> None:
    """Wait until the mirror is believed to work: of one that is known to be dead nothing is expected any more."""
    await asyncio.sleep(NOTICED)
    follower = abroad.apps["registry"].state.engine.follower
    async with asyncio.timeout(PATIENCE):
        while follower.trouble("ee"):
            await asyncio.sleep(0.1)


async def _changed(abroad: RunningNode, credential: dict[str, Any]) -> float:
    """When it was invalid abroad."""
    await until(abroad, credential, "invalid", patience=PATIENCE)
    return time.perf_counter()


def _bus(node: RunningNode) -> Bus:
    bus: Bus = node.apps["registry"].state.engine.bus
    return bus

"""Promise: what MirrorMaker does not bring is noticed and fetched from its origin: since it was killed, or since retention
took it from the topic before it was read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from shared.bus.kafka.mirror_maker import properties
from shared.bus.kafka.url import KafkaUrl
from shared.home.folder import Home
from shared.ids import topic_name
from shared.settings import NodeSettings
from tests import engines
from tests.nations import cut_away, make_topics
from tests.scenes.federation import comes_true, homes, ref_of, served
from tests.world import Nation

pytestmark = pytest.mark.timeout(280)

PATIENCE = 100.0
"""A mirror begins to carry half a minute after its start, on a busy machine."""


@pytest.fixture
def brokers() -> Iterator[dict[str, engines.Kafka]]:
    with ExitStack() as closing:
        made = dict(zip(("ee", "pt"), engines.together(engines.own_kafka, engines.own_kafka), strict=True))
        for broker in made.values():
            closing.callback(broker.discard)
        make_topics(made)
        yield made


async def answers(nation: Nation, credential: str, answer: str) -> None:
    async def so() -> bool:
        report = await nation.verifies(credential)
        return answer in (report["verdict"], report["reason"])

    await comes_true(so, PATIENCE)


async def test_a_revocation_is_invalid_abroad_while_a_mirror_that_was_killed_stays_dead(
    tmp_path: Path, brokers: dict[str, engines.Kafka]
) -> None:
    one, two = homes(tmp_path, "ee", "pt")
    urls = {name: KafkaUrl.parse(broker.url) for name, broker in brokers.items()}
    with engines.mirror_maker(properties(urls, ["pt"])) as mirror:
        at_home, abroad = _on(one, brokers["ee"], checkpoint_interval=1), _on(two, brokers["pt"], mirrored=("ee",))
        async with served(at_home) as ee, served(abroad) as pt:
            await ee.accredits("tartu")
            credential = await ee.issues("tartu")
            await answers(pt, credential, "valid")
            await comes_true(lambda: _is_brought(pt), PATIENCE)
            await asyncio.to_thread(mirror.kill)
            await ee.revokes(await ref_of(ee, credential))
            await answers(pt, credential, "invalid")
            assert not mirror.answers()


async def _is_brought(nation: Nation) -> bool:
    """Whether the mirror brings ee's checkpoints, and in time."""
    follower = nation.engine("registry").follower
    return follower is not None and follower.trouble("ee") is None


async def test_a_revocation_that_retention_took_before_the_mirror_read_it_is_fetched_from_its_origin(
    tmp_path: Path, brokers: dict[str, engines.Kafka]
) -> None:
    one, two = homes(tmp_path, "ee", "pt")
    urls = {name: KafkaUrl.parse(broker.url) for name, broker in brokers.items()}
    with engines.mirror_maker(properties(urls, ["pt"])) as mirror:
        async with served(_on(one, brokers["ee"])) as ee, served(_on(two, brokers["pt"], mirrored=("ee",))) as pt:
            await ee.accredits("tartu")
            credential = await ee.issues("tartu")
            await answers(pt, credential, "valid")
            await asyncio.to_thread(mirror.kill)
            await ee.revokes(await ref_of(ee, credential))
            await asyncio.to_thread(cut_away, brokers["ee"], topic_name("ee", "status"))
            await asyncio.to_thread(mirror.start)
            await ee.issues("tartu")
            await answers(pt, credential, "revoked")
            assert await _left(ee) == 0, "the mirror had nothing to bring"


async def _left(nation: Nation) -> int:
    """How many records of its status topic a nation's broker still has."""
    consumer = nation.bus.consumer("testamur.look")
    consumer.follow([topic_name(nation.name, "status")])
    found = await consumer.poll(10, 2.0)
    await consumer.close()
    return len(found)


def _on(home: Home, broker: engines.Kafka, **settings: object) -> Home:
    return Home(NodeSettings(**home.settings.model_dump() | {"bus": broker.url, **settings}))

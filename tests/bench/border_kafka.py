"""How long a border of two Kafka clusters takes: revoked at home, `invalid` abroad, with MirrorMaker between them.

Beside it, in turns on the same brokers and by the same mirror: one bare record, produced there and consumed here.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from confluent_kafka import Consumer, Producer

from services.node import running_node
from shared.bus.kafka.admin import KafkaAdmin
from shared.bus.kafka.mirror_maker import properties
from shared.bus.kafka.url import KafkaUrl
from tests import engines
from tests.bench.border import accredit, home_of, issue, revoked_abroad, until
from tests.bench.measure import Row
from tests.nations import make_topics
from tests.world import federate

REVOCATIONS = 60
GOAL = 4.0
BARE = "bench"
"""A topic of its own beside the nations', carried by the same mirror."""


async def rows(folder: Path) -> list[Row]:
    """Median and 99th percentile, each over the bare record's; or none and a sentence."""
    with ExitStack() as closing:
        try:
            brokers = await asyncio.to_thread(lambda: engines.together(engines.own_kafka, engines.own_kafka))
        except pytest.skip.Exception as absent:
            print(f"border-kafka: {absent}", file=sys.stderr)
            return []
        for broker in brokers:
            closing.callback(broker.discard)
        urls = {"ee": brokers[0].url, "pt": brokers[1].url}
        await asyncio.to_thread(make_topics, dict(zip(urls, brokers, strict=True)))
        for url in urls.values():
            await asyncio.to_thread(KafkaAdmin(url).create, BARE, {"cleanup.policy": "delete"})
        closing.callback((await asyncio.to_thread(_mirror, urls)).discard)
        ours, bare = await _measure(folder, urls)
    return [_row("border-kafka-p50", ours, bare, 0.5), _row("border-kafka-p99", ours, bare, 0.99)]


def _mirror(urls: dict[str, str]) -> engines.MirrorMaker:
    text = properties({name: KafkaUrl.parse(url) for name, url in urls.items()}, ["pt"])
    return engines.mirror_maker(text.replace("[.]v1", f"[.]v1,{BARE}"))


async def _measure(folder: Path, urls: dict[str, str]) -> tuple[list[float], list[float]]:
    ee = home_of(folder, "ee", bus=urls["ee"])
    pt = home_of(folder, "pt", bus=urls["pt"], mirrored=("ee",))
    federate([ee, pt])
    producer = Producer({**KafkaUrl.parse(urls["ee"]).librdkafka(), "linger.ms": 0, "acks": "all"})
    consumer = Consumer({**KafkaUrl.parse(urls["pt"]).librdkafka(), "group.id": BARE, "auto.offset.reset": "earliest"})
    consumer.subscribe([BARE])
    await asyncio.to_thread(_across, producer, consumer, 120.0)  # the mirror has begun
    ours, bare = [], []
    async with (
        running_node(ee.settings) as home,
        running_node(pt.settings) as abroad,
        httpx2.AsyncClient(timeout=30) as http,
    ):
        await accredit(http, home, ee)
        credentials = [await issue(http, home, ee) for _ in range(REVOCATIONS)]
        for credential in credentials:
            await until(abroad, credential, "valid", patience=120)
        for credential in credentials:
            ours.append(await revoked_abroad(http, home, ee, abroad, credential))
            bare.append(await asyncio.to_thread(_across, producer, consumer, 30.0))
    consumer.close()
    return ours, bare


def _across(producer: Producer, consumer: Consumer, patience: float) -> float:
    """Seconds from producing one record to having it on the other side."""
    value, start = os.urandom(16), time.perf_counter()
    producer.produce(BARE, value=value)
    producer.flush()
    while time.perf_counter() - start < patience:
        record = consumer.poll(1.0)
        if record is not None and record.error() is None and record.value() == value:
            return time.perf_counter() - start
    raise TimeoutError("the mirror carries nothing")


def _row(name: str, ours: list[float], bare: list[float], share: float) -> Row:
    mine, theirs = (_quantile(side, share) for side in (ours, bare))
    what = "revoke -> invalid abroad through MirrorMaker / a bare record, ms"
    return Row(name, what, round(mine, 1), round(theirs, 1), round(mine / theirs, 3), f"<= {GOAL:g}", mine <= GOAL * theirs)


def _quantile(seconds: list[float], share: float) -> float:
    """In milliseconds."""
    if share == 0.5:
        return 1_000 * statistics.median(seconds)
    return 1_000 * sorted(seconds)[int(share * (len(seconds) - 1))]

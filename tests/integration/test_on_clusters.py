"""A nation on three brokers and three mongod: what `testamur topics` makes there, and one of each killed while it works."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from services.cli.app import run
from services.cli.exit_codes import Code
from shared.bus.kafka.admin import KafkaAdmin
from shared.bus.topics import settings_of
from shared.events.base import STREAMS
from shared.home.folder import Home
from shared.ids import new_ref, topic_name
from shared.settings import NodeSettings
from tests import engines
from tests.scenes.federation import homes, served
from tests.world import PASSPHRASE, Nation, found

WRITERS = 4
PROGRESS = 12
"""So many credentials before the engines die, and so many after."""


@pytest.fixture(scope="module")
def clusters() -> Iterator[tuple[engines.KafkaCluster, engines.MongoSet]]:
    with ThreadPoolExecutor() as threads:
        starting = threads.submit(engines.own_mongo_set)
        with engines.own_kafka_cluster() as kafka, starting.result() as mongo:
            yield kafka, mongo


@pytest.fixture
def kafka(clusters: tuple[engines.KafkaCluster, engines.MongoSet]) -> engines.KafkaCluster:
    return clusters[0]


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kafka: engines.KafkaCluster) -> str:
    """The folder of a node on the cluster, the present one; its URL says nothing of copies."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("TESTAMUR_") and not name.startswith("TESTAMUR_TEST_")]:
        monkeypatch.delenv(name)
    name = f"xx-{os.urandom(4).hex()}"
    found(tmp_path / f"testamur-{name}", name)
    monkeypatch.setenv("TESTAMUR_KEY_PASSPHRASE", PASSPHRASE)
    monkeypatch.setenv("TESTAMUR_BUS", kafka.url)
    return name


def _said(capsys: pytest.CaptureFixture[str], *line: str) -> Any:
    run([*line, "--json"])
    told = capsys.readouterr()
    assert told.out, told.err
    return json.loads(told.out)


def test_topics_are_made_in_three_copies_and_one_with_fewer_is_named_and_left(
    node: str, kafka: engines.KafkaCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    admin, trust = KafkaAdmin(kafka.url), topic_name(node, "trust")
    admin.create(trust, settings_of(trust))
    planned = {(one["topic"], one["setting"]): one for one in _said(capsys, "topics", "plan")["topics"]}
    lone = planned.pop((trust, "replication"))
    assert (lone["found"], lone["wanted"], lone["changeable"]) == ("1", "3", False)
    assert "kafka-reassign-partitions.sh" in lone["what_to_do"]
    others = {topic_name(node, stream) for stream in STREAMS} - {trust}
    assert planned.keys() == {(topic, "topic") for topic in others}
    assert {one["wanted"] for one in planned.values()} == {"1 partition, 3 copies"}

    assert [one["setting"] for one in _said(capsys, "topics", "apply")["topics"]] == ["replication"]
    there = admin.look([*others, trust]).there
    assert {there[topic].replication for topic in others} == {3}
    assert {there[topic].settings["min.insync.replicas"] for topic in others} == {"2"}
    assert there[trust].replication == 1
    doctor = {one["what"]: one["detail"] for one in _said(capsys, "doctor", "--url", "http://127.0.0.1:9")}
    assert "replication is 1, and should be 3" in doctor[f"topic {trust}"]
    assert "5 of 6" in doctor["bus"]


def test_once_it_has_more_copies_a_topic_is_made_to_wait_for_two(
    node: str, kafka: engines.KafkaCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    admin, trust = KafkaAdmin(kafka.url), topic_name(node, "trust")
    admin.create(trust, settings_of(trust))
    assert run(["topics", "apply"]) == Code.REFUSED
    kafka.reassign(trust, [1, 2, 3])
    assert run(["topics", "apply"]) == Code.FINE
    assert "Set min.insync.replicas" in capsys.readouterr().err
    state = admin.look([trust]).there[trust]
    assert (state.replication, state.settings["min.insync.replicas"]) == (3, "2")


class Work:
    """What a nation answered while its engines died: each request is repeated under its key until it has an answer."""

    def __init__(self, nation: Nation, known: str) -> None:
        self.nation = nation
        self.known = known
        self.issued: dict[str, str] = {}

    async def go_on(self) -> None:
        """Issue a credential, and verify one that was registered long ago, until it is cancelled."""
        while True:
            draft = {"institution": "tartu", "credential": self.nation.draft()}
            made = await self._answered("issuer", "/credentials", draft)
            report = await self._answered("verifier", "/verifications", {"credential": self.known})
            assert report["verdict"] == "valid"
            self.issued[made["ref"]] = made["credential"]

    async def gets_on(self) -> None:
        """Wait until so many more were issued."""
        wanted = len(self.issued) + PROGRESS
        async with asyncio.timeout(90):
            while len(self.issued) < wanted:
                await asyncio.sleep(0.02)

    async def _answered(self, service: str, path: str, body: dict[str, Any]) -> Any:
        key = new_ref()
        while True:
            answer = await self.nation.ask(service, "POST", path, body, idempotency_key=key)
            if answer.status_code < 300:
                return answer.json()
            assert answer.status_code == 503, answer.text
            assert answer.headers["retry-after"]
            await asyncio.sleep(0.1)


async def test_a_broker_and_the_primary_are_killed_amid_work_and_nothing_is_lost(
    tmp_path: Path, clusters: tuple[engines.KafkaCluster, engines.MongoSet]
) -> None:
    kafka, mongo = clusters
    (one,) = homes(tmp_path, "ee")
    urls = {"bus": kafka.url, "store": mongo.database("nation")}
    async with served(Home(NodeSettings(**one.settings.model_dump() | urls))) as ee:
        await ee.accredits("tartu")
        work = Work(ee, await ee.issues("tartu"))
        tasks = [asyncio.create_task(work.go_on()) for _ in range(WRITERS)]
        await work.gets_on()
        leader = await asyncio.to_thread(kafka.leader_of, topic_name("ee", "registrations"))
        primary = await asyncio.to_thread(mongo.primary)
        await asyncio.gather(*[asyncio.to_thread(one.kill) for one in (leader, primary)])
        await work.gets_on()
        for task in tasks:
            task.cancel()
        assert {type(ended) for ended in await asyncio.gather(*tasks, return_exceptions=True)} == {asyncio.CancelledError}
        await ee.settles(timeout=60)
        for credential in work.issued.values():
            assert (await ee.verifies(credential))["verdict"] == "valid"
        assert await _registered_once(ee) >= work.issued.keys()
        assert await asyncio.to_thread(kafka.leader_of, topic_name("ee", "registrations")) is not leader


async def _registered_once(nation: Nation) -> set[str]:
    """What was registered, as whoever reads the topic from its beginning hears it."""
    topic, seen = topic_name(nation.name, "registrations"), dict[int, str]()
    end = await nation.bus.end(topic)
    reader = nation.bus.consumer("from-the-beginning")
    reader.follow([topic])
    last = 0
    while last < end:
        for record in await reader.poll(500, 1.0):
            last = record.offset
            seen.setdefault(int(dict(record.headers)["ce_sequence"]), record.key)
    await reader.close()
    assert sorted(seen) == list(range(1, len(seen) + 1)), "no hole in the chain"
    assert len(set(seen.values())) == len(seen), "no credential twice"
    return set(seen.values())

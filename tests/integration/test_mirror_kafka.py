"""The mirror that the command configures carries each nation's public streams between real brokers, and nothing else."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from services.cli.app import run
from services.cli.exit_codes import Code
from shared.bus.kafka.admin import KafkaAdmin
from shared.bus.open import open_bus
from shared.bus.port import Message
from shared.bus.topics import settings_of, topics_of
from shared.events.base import PUBLIC, STREAMS
from shared.ids import topic_name
from tests import engines
from tests.world import federate, found

NODES = ("ee", "be-fr")
USERS = {f"testamur-{name}-mirror": f"word-of-{name}" for name in NODES}
ADMINISTERED: dict[str, Any] = {"super.users": "User:ANONYMOUS;User:admin"}


class Pair(NamedTuple):
    """Two nations' brokers by node name. The first checks who asks; the second lets everybody in."""

    ee: engines.Kafka
    be_fr: engines.Kafka

    def at(self, name: str) -> engines.Kafka:
        return self[NODES.index(name)]


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """Two brokers of one federation, set up by command, and a mirror beside each that pulls from the other."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("TESTAMUR_") and not name.startswith("TESTAMUR_TEST_")]:
        monkeypatch.delenv(name)
    federate([found(tmp_path / f"testamur-{name}", name) for name in NODES])
    with ExitStack() as closing:
        brokers = engines.together(
            lambda: engines.own_kafka(users={"admin": "administers", **USERS}, **ADMINISTERED), engines.own_kafka
        )
        for broker in brokers:
            closing.callback(broker.discard)
        yield Pair(*brokers)


def _set_up(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, url in (("ee", pair.ee.url_as("admin")), ("be-fr", pair.be_fr.url)):
        monkeypatch.setenv("TESTAMUR_NODE", name)
        monkeypatch.setenv("TESTAMUR_BUS", url)
        assert run(["topics", "apply"]) == Code.FINE


def _mirror(
    pair: Pair, into: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> engines.MirrorMaker:
    """The mirror beside one broker, known to the guarded one by its own user; its password is in its environment alone."""
    user = f"testamur-{into}-mirror"
    guarded = pair.ee.url_as(user, "not-needed-here")
    capsys.readouterr()
    words = ["--cluster", f"ee={guarded}", "--cluster", f"be-fr={pair.be_fr.bootstrap}", "--only-into", into]
    assert run(["mirror", "config", *words]) == Code.FINE
    text = capsys.readouterr().out
    assert "not-needed-here" not in text
    assert USERS[user] not in text
    monkeypatch.setenv("MIRROR_EE_PASSWORD", USERS[user])
    return engines.mirror_maker(text, start=False, form="process")


async def test_each_nations_public_streams_arrive_byte_for_byte_and_nothing_else_crosses(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _set_up(pair, monkeypatch)
    buses = {name: await open_bus(pair.at(name).url) for name in NODES}
    with ExitStack() as mirrors:
        for target in NODES:
            mirror = _mirror(pair, target, monkeypatch, capsys)
            mirrors.callback(mirror.discard)
            await asyncio.to_thread(mirror.start)
        try:
            for origin in NODES:
                for stream in STREAMS:
                    await buses[origin].append(topic_name(origin, stream), [_message(origin, stream)])
            for origin, target in (NODES, NODES[::-1]):
                for stream in PUBLIC:
                    assert await _first(buses[target], topic_name(origin, stream)) == _message(origin, stream)
            # nothing went round: a record that came back would have doubled at its origin, as the first ones had time to
            for origin in NODES:
                assert {await buses[origin].end(topic_name(origin, stream)) for stream in STREAMS} == {1}
        finally:
            for bus in buses.values():
                await bus.close()
        for name in NODES:
            _require_nothing_beside(pair, name)


def _message(origin: str, stream: str) -> Message:
    return Message(f"key of {origin}", f"{stream}\x00\xff".encode("latin-1"), (("jws", bytes(range(256))), ("ce_id", b"")))


async def _first(bus: Any, topic: str) -> Message:
    consumer = bus.consumer("testamur.test")
    consumer.follow([topic])
    try:
        while not (records := await consumer.poll(10, 1.0)):
            continue
    finally:
        await consumer.close()
    (record,) = records
    return Message(record.key, record.value, record.headers)


def _require_nothing_beside(pair: Pair, name: str) -> None:
    """A broker holds the topics that it should, set as they were, and what the mirror beside it keeps for itself."""
    from confluent_kafka.admin import AdminClient

    other = NODES[1 - NODES.index(name)]
    held = set(AdminClient({"bootstrap.servers": pair.at(name).bootstrap}).list_topics(timeout=10).topics)
    own = {f"mm2-{part}.{other}.internal" for part in ("configs", "offsets", "status")}
    wanted = topics_of(name, [other])
    assert held - own - {"__consumer_offsets"} == set(wanted)
    for topic, state in KafkaAdmin(pair.at(name).url).look(wanted).there.items():
        assert settings_of(topic).items() <= state.settings.items()

"""On a broker that checks who asks: a command sets up topics and rights, and each service can do its work and no more."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from services.cli.app import run
from services.cli.exit_codes import Code
from shared.bus.access import READS, Right, group_of, principal_of, rights_of
from shared.bus.kafka.admin import KafkaAdmin
from shared.bus.open import open_bus
from shared.bus.port import Message
from shared.bus.topics import differences, settings_of
from shared.errors import TestamurError
from shared.events.base import PUBLIC, STREAMS
from shared.ids import topic_name
from tests import engines
from tests.world import PASSPHRASE, federate, found

SERVICES = (*READS, "node", "mirror")
USERS = {name.removeprefix("User:"): f"word of {name}" for name in (principal_of("ee", service) for service in SERVICES)}
NOBODY = "nobody"
ADMINISTERED: dict[str, Any] = {"super.users": "User:ANONYMOUS;User:admin"}
OPEN_TO_ALL: dict[str, Any] = {"authorizer.class.name": ""}


@pytest.fixture(scope="module")
def broker() -> Iterator[engines.Kafka]:
    """A broker that lets nobody do anything but its administrator, and whom he allows."""
    users = {"admin": "administers", NOBODY: "is known", **USERS}
    with engines.own_kafka(users=users, **ADMINISTERED) as kafka:
        yield kafka


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broker: engines.Kafka) -> str:
    """The folder of a node on the administrator's broker, the present one; the name is new to that broker."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("TESTAMUR_") and not name.startswith("TESTAMUR_TEST_")]:
        monkeypatch.delenv(name)
    name = f"xx-{os.urandom(4).hex()}"
    found(tmp_path / f"testamur-{name}", name)
    monkeypatch.setenv("TESTAMUR_KEY_PASSPHRASE", PASSPHRASE)
    monkeypatch.setenv("TESTAMUR_BUS", broker.url_as("admin"))
    return name


def _json(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_plan_changes_nothing_and_apply_makes_it_so_and_a_second_time_finds_nothing_to_do(
    node: str, broker: engines.Kafka, capsys: pytest.CaptureFixture[str]
) -> None:
    own = [topic_name(node, stream) for stream in STREAMS]
    for _ in range(2):
        assert run(["topics", "plan", "--json"]) == Code.REFUSED
        planned = _json(capsys)
        assert [one["topic"] for one in planned["topics"]] == own
        assert {right["principal"] for right in planned["rights"]} == {principal_of(node, service) for service in READS}
    assert run(["topics", "apply"]) == Code.FINE
    assert "Nothing differs" in capsys.readouterr().out
    for verb in ("plan", "apply"):
        assert run(["topics", verb, "--json"]) == Code.FINE
        assert _json(capsys)["topics"] == []
    there = KafkaAdmin(broker.url).look(own).there
    assert there.keys() == set(own)
    for topic, state in there.items():
        assert state.partitions == 1
        assert settings_of(topic).items() <= state.settings.items()


def test_what_differs_is_named_and_what_would_cost_records_waits_for_a_yes(
    node: str, broker: engines.Kafka, capsys: pytest.CaptureFixture[str]
) -> None:
    admin, status = KafkaAdmin(broker.url), topic_name(node, "status")
    admin.create(status, {"retention.ms": "-1", "max.message.bytes": "1000"})
    admin.create(topic_name(node, "issuance"), {"cleanup.policy": "compact"})
    run(["doctor", "--json", "--url", "http://127.0.0.1:9"])
    said = {one["what"]: one["detail"] for one in _json(capsys)}
    assert f"topic {topic_name(node, 'trust')}" in said
    assert "should be" in said[f"topic {status}"]

    assert run(["topics", "apply", "--no-acls", "--json"]) == Code.REFUSED
    left = [(one["topic"], one["setting"], one["drops"]) for one in _json(capsys)["topics"]]
    assert left == [(status, "retention.ms", True)]
    assert admin.look([status]).there[status].settings["retention.ms"] == "-1"

    assert run(["topics", "apply", "--no-acls", "--yes"]) == Code.FINE
    capsys.readouterr()
    run(["doctor", "--json", "--url", "http://127.0.0.1:9"])
    (bus,) = [one for one in _json(capsys) if one["what"] == "bus"]
    assert bus["well"]
    assert "6 of 6" in bus["detail"]


def test_a_topic_of_several_partitions_is_named_and_left_alone(
    node: str, broker: engines.Kafka, capsys: pytest.CaptureFixture[str]
) -> None:
    from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

    trust = topic_name(node, "trust")
    wide = NewTopic(trust, num_partitions=3, replication_factor=1, config=settings_of(trust))
    client = AdminClient({"bootstrap.servers": broker.bootstrap})
    client.create_topics([wide])[trust].result()
    assert run(["topics", "apply", "--no-acls", "--yes", "--json"]) == Code.REFUSED
    (left,) = _json(capsys)["topics"]
    assert (left["topic"], left["setting"], left["changeable"]) == (trust, "partitions", False)
    assert KafkaAdmin(broker.url).look([trust]).there[trust].partitions == 3


def test_without_a_user_no_rights_are_given_that_would_lock_everybody_out(
    node: str, broker: engines.Kafka, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TESTAMUR_BUS", broker.url)
    assert run(["topics", "plan", "--json"]) == Code.REFUSED
    planned = _json(capsys)
    assert planned["rights"] == []
    assert "names no user" in planned["detail"]
    assert run(["topics", "plan", "--acls", "--json"]) == Code.REFUSED
    assert _json(capsys)["rights"]


def test_a_broker_that_checks_no_rights_is_a_sentence_and_no_error(
    node: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with engines.own_kafka(**OPEN_TO_ALL) as open_to_all:
        monkeypatch.setenv("TESTAMUR_BUS", open_to_all.url)
        assert run(["topics", "apply", "--acls"]) == Code.FINE
    assert "checks no rights" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("user", "password", "says"),
    [
        ("admin", "wrong-word", "refuses this user or password"),
        ("stranger", "wrong-word", "refuses this user or password"),
        (NOBODY, None, "may not look at"),
    ],
)
def test_a_wrong_password_or_a_user_without_rights_is_one_sentence(
    user: str,
    password: str | None,
    says: str,
    node: str,
    broker: engines.Kafka,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TESTAMUR_BUS", broker.url_as(user, password))
    for verb in ("plan", "apply"):
        assert run(["topics", verb]) == Code.REFUSED
        out, err = capsys.readouterr()
        assert out == ""
        assert len(err.strip().splitlines()) == 1
        assert says in err
        assert "wrong-word" not in err


def test_a_user_who_may_look_and_not_administer_is_told_so(
    node: str, broker: engines.Kafka, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["topics", "apply"]) == Code.FINE
    KafkaAdmin(broker.url).change(topic_name(node, "issuance"), {"retention.ms": "1000"})
    looks = product((topic_name(node, stream) for stream in STREAMS), ("READ", "DESCRIBE_CONFIGS"))
    KafkaAdmin(broker.url).grant([Right(f"User:{NOBODY}", "topic", *look) for look in looks])
    monkeypatch.setenv("TESTAMUR_BUS", broker.url_as(NOBODY))
    capsys.readouterr()
    for line in (["plan"], ["apply", "--no-acls"]):
        assert run(["topics", *line]) == Code.REFUSED
        assert "does not allow this user" in capsys.readouterr().err


@pytest.fixture
def granted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broker: engines.Kafka) -> None:
    """The node ee, with pt for a neighbour, has set up its broker."""
    federate([found(tmp_path / f"testamur-{name}", name) for name in ("ee", "pt")])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TESTAMUR_NODE", "ee")
    monkeypatch.setenv("TESTAMUR_BUS", broker.url_as("admin"))
    assert run(["topics", "apply", "--whole-node"]) == Code.FINE


def _written(service: str) -> set[str]:
    own = {topic_name("ee", stream.name) for stream in STREAMS.values() if stream.writer == service or service == "node"}
    return own | {topic_name("pt", stream) for stream in PUBLIC if service in ("registry", "node", "mirror")}


def _read(service: str) -> set[str]:
    services = READS if service == "node" else {service: READS[service]}
    own = {topic_name("ee", stream) for hears in services.values() for stream in hears.own}
    return own | {topic_name("pt", stream) for stream in PUBLIC if any(hears.foreign for hears in services.values())}


TOPICS = tuple(topic_name(node, stream) for node in ("ee", "pt") for stream in STREAMS if node == "ee" or stream in PUBLIC)


@pytest.mark.parametrize("service", [service for service in SERVICES if service != "mirror"])
async def test_a_service_reads_what_it_hears_writes_what_it_says_and_keeps_its_place(
    service: str, granted: None, broker: engines.Kafka
) -> None:
    admin, bus = await open_bus(broker.url), await open_bus(broker.url_as(f"testamur-ee-{service}"))
    try:
        heard = sorted(_read(service))
        ends = {topic: await admin.append(topic, [Message("k", b"for you", ())]) for topic in heard}
        consumer = bus.consumer(group_of("ee", "registry" if service == "node" else service))
        consumer.follow(heard)
        reached: dict[str, int] = {}
        while reached != ends:
            for record in await consumer.poll(500, 1.0):
                reached[record.topic] = record.offset
        await consumer.commit(reached)
        assert set((await consumer.lag()).values()) == {0}
        await consumer.close()
        for topic in _written(service):
            assert await bus.append(topic, [Message("k", b"by me", ())]) == await bus.end(topic)
    finally:
        await bus.close()
        await admin.close()


async def test_a_writer_may_make_its_topic_which_is_then_as_it_should_be(broker: engines.Kafka) -> None:
    topic = topic_name("lv", "trust")
    KafkaAdmin(broker.url).grant(rights_of("ee", ["lv"]))
    bus = await open_bus(broker.url_as("testamur-ee-registry"))
    try:
        assert await bus.append(topic, [Message("k", b"found a hole", ())]) == 1
    finally:
        await bus.close()
    found = KafkaAdmin(broker.url).look([topic]).there
    assert not differences([topic], found, 1)


@pytest.mark.parametrize("service", [*SERVICES, NOBODY])
async def test_nobody_writes_another_writers_topic(service: str, granted: None, broker: engines.Kafka) -> None:
    user = NOBODY if service == NOBODY else f"testamur-ee-{service}"
    admin, bus = await open_bus(broker.url), await open_bus(broker.url_as(user))
    try:
        for topic in sorted(set(TOPICS) - _written(service)):
            before = await admin.end(topic)
            with pytest.raises(TestamurError):
                await bus.append(topic, [Message("k", b"not mine", ())])
            assert await admin.end(topic) == before
    finally:
        await bus.close()
        await admin.close()


async def test_nobody_reads_what_is_not_for_him_or_moves_anothers_place(granted: None, broker: engines.Kafka) -> None:
    admin, bus = await open_bus(broker.url), await open_bus(broker.url_as("testamur-ee-verifier"))
    issuance, trust = topic_name("ee", "issuance"), topic_name("ee", "trust")
    try:
        for topic in (issuance, trust):
            await admin.append(topic, [Message("k", b"told", ())])
        consumer = bus.consumer(group_of("ee", "verifier"))
        consumer.follow([issuance, trust])
        while not (records := await consumer.poll(500, 1.0)):
            continue
        assert {record.topic for record in records} == {trust}
        await consumer.close()
        stolen = bus.consumer(group_of("ee", "registry"))
        stolen.follow([trust])
        with pytest.raises(TestamurError):
            await stolen.commit({trust: 1})
        await stolen.close()
    finally:
        await bus.close()
        await admin.close()

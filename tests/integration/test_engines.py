"""The tests' engines are real: they start, keep their data over a kill, come back, and end with the run, however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import docker  # type: ignore[import-untyped]
import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from tests import engines
from tests.engines import broker, choice, containers, mongod, run
from tests.engines.body import EngineFailed
from tests.shared_data import ROOT

FORMS = ("process", "docker")
TOPIC = "testamur.ee.status.v1"
CHILD = """
import json, sys, time
from tests import engines
from tests.engines.engine import Engine
from tests.engines.process import Process
from tests.engines.run import RUN
if sys.argv[1] == "docker":
    engines.own_mongo(form="docker")
else:
    engine = Engine(Process(["sleep", "600"], RUN.folder("one")))
    engine.start()
    while open(f"/proc/{engine.body.pid}/comm").read() != "sleep\\n":
        time.sleep(0.01)
pid = 0 if sys.argv[1] == "docker" else engine.body.pid
print(json.dumps({"run": RUN.name, "folder": str(RUN.folder("two").parent), "pid": pid}), flush=True)
time.sleep(600)
"""
"""A run beside this one: a container, or a process that nothing but its leash would end."""


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether it holds within half a minute."""
    for _ in range(300):
        if holds():
            return True
        time.sleep(0.1)
    return False


def make_topic(kafka: engines.Kafka, **settings: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    admin.create_topics([NewTopic(TOPIC, 1, 1, config=settings)])[TOPIC].result()


def say(kafka: engines.Kafka, word: str) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "log_level": 0, "acks": "all"})
    producer.produce(TOPIC, word.encode())
    assert producer.flush(30) == 0


def heard(kafka: engines.Kafka, last: str) -> list[str]:
    """The records of the topic up to this one, or all that come within 40 s."""
    settings = {
        "bootstrap.servers": kafka.bootstrap,
        "log_level": 0,
        "group.id": "reader",
        "topic.metadata.refresh.interval.ms": 200,
    }
    with closing(Consumer(settings)) as consumer:
        consumer.assign([TopicPartition(TOPIC, 0, 0)])
        found: list[str] = []
        for _ in range(400):
            record = consumer.poll(0.1)
            if record is not None and record.error() is None:
                found.append((record.value() or b"").decode())
            if last in found:
                break
        return found


@pytest.mark.parametrize("form", FORMS)
def test_a_killed_broker_comes_back_with_its_records(form: str) -> None:
    with engines.own_kafka(form=form) as kafka:
        make_topic(kafka)
        say(kafka, "before")
        kafka.kill()
        assert not kafka.answers()
        kafka.start()
        say(kafka, "after")
        assert heard(kafka, "after") == ["before", "after"]


@pytest.mark.parametrize("form", FORMS)
def test_a_killed_mongod_comes_back_as_primary_with_its_documents(form: str) -> None:
    with engines.own_mongo(form=form) as mongo, MongoClient[dict[str, Any]](mongo.database("things")) as client:
        client.get_default_database().things.insert_one({"_id": "one"})
        mongo.kill()
        mongo.start()
        with client.start_session() as session, session.start_transaction():
            client.get_default_database().things.insert_one({"_id": "two"}, session=session)
        assert client.get_default_database().things.distinct("_id") == ["one", "two"]


@pytest.mark.parametrize("form", FORMS)
def test_a_paused_engine_is_silent_until_it_goes_on(form: str) -> None:
    with engines.own_mongo(form=form) as mongo:
        mongo.pause()
        assert not mongo.answers()
        mongo.resume()
        assert mongo.answers()
        mongo.pause()
        mongo.kill()
        mongo.start()


def test_an_engine_that_was_stopped_in_good_order_starts_again() -> None:
    with engines.own_mongo() as mongo:
        mongo.stop()
        assert not mongo.body.is_alive()
        mongo.start()


def test_a_shared_engine_is_started_once_and_has_the_form_that_was_asked_for() -> None:
    for form in engines.forms("MongoDB"):
        first, second = engines.together(*[partial(engines.mongo, form=form)] * 2)
        assert first is second
        assert form in (first.form, "environment")


def test_a_broker_with_users_lets_in_who_knows_the_word() -> None:
    with engines.own_kafka(users={"testamur-ee-registry": "a word"}) as kafka:
        for mechanism in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
            assert comes_in(kafka, "a word", mechanism)
        assert not comes_in(kafka, "another", "SCRAM-SHA-512")


def comes_in(kafka: engines.Kafka, password: str, mechanism: str) -> bool:
    from shared.bus.kafka.url import KafkaUrl

    url = kafka.url_as("testamur-ee-registry", password, mechanism)
    try:
        return bool(AdminClient({**KafkaUrl.parse(url).librdkafka(), "log_level": 0}).list_topics(timeout=3).brokers)
    except KafkaException:
        return False


def test_a_mongod_with_a_user_lets_in_who_knows_the_word() -> None:
    with engines.own_mongo(user="root", password="a:word@") as mongo:
        with MongoClient[dict[str, Any]](mongo.url) as client:
            client.things.things.insert_one({})
        with (
            MongoClient[dict[str, Any]](mongo.url.replace("a%3Aword%40", "wrong")) as client,
            pytest.raises(OperationFailure),
        ):
            client.things.things.insert_one({})


def test_a_mirror_carries_a_topic_abroad_and_goes_on_after_a_kill() -> None:
    ee, pt = engines.together(engines.own_kafka, engines.own_kafka)
    with ee, pt, engines.mirror_maker(mirror(ee, pt)) as mirror_maker:
        make_topic(ee)
        say(ee, "one")
        assert eventually(lambda: heard_abroad(pt) == ["one"])
        mirror_maker.kill()
        say(ee, "two")
        mirror_maker.start()
        # At least once: what it carried before it died and had not marked yet comes twice.
        assert list(dict.fromkeys(heard(pt, "two"))) == ["one", "two"]


def heard_abroad(kafka: engines.Kafka) -> list[str]:
    known = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0}).list_topics(timeout=5).topics
    return heard(kafka, "one") if TOPIC in known else []


def mirror(source: engines.Kafka, target: engines.Kafka) -> str:
    """The smallest mirror: one direction, one topic."""
    return f"""
clusters = ee, pt
ee.bootstrap.servers = {source.bootstrap}
pt.bootstrap.servers = {target.bootstrap}
ee->pt.enabled = true
ee->pt.topics = {TOPIC.replace(".", "[.]")}
replication.policy.class = org.apache.kafka.connect.mirror.IdentityReplicationPolicy
emit.heartbeats.enabled = false
refresh.topics.interval.seconds = 1
scheduled.rebalance.max.delay.ms = 0
offset.flush.interval.ms = 500
dedicated.mode.enable.internal.rest = false
sync.topic.acls.enabled = false
replication.factor = 1
checkpoints.topic.replication.factor = 1
heartbeats.topic.replication.factor = 1
offset-syncs.topic.replication.factor = 1
offset.storage.replication.factor = 1
status.storage.replication.factor = 1
config.storage.replication.factor = 1
"""


@pytest.fixture
def other_run() -> Iterator[Callable[[str], tuple[subprocess.Popen[str], dict[str, Any]]]]:
    """Starts a run beside this one, which has one engine; it is gone at the end."""
    started: list[subprocess.Popen[str]] = []

    def start(form: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
        command = [sys.executable, "-c", CHILD, form]
        started.append(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True))
        assert started[-1].stdout is not None
        return started[-1], json.loads(started[-1].stdout.readline())

    yield start
    for one in started:
        one.kill()
        one.communicate()


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_ended_leaves_no_process_and_no_folder(ending: signal.Signals, other_run: Any) -> None:
    child, said = other_run("process")
    assert run.began(said["pid"])
    child.send_signal(ending)
    child.wait()
    assert eventually(lambda: not run.began(said["pid"]))
    assert eventually(lambda: not Path(said["folder"]).exists())


def test_a_run_that_is_killed_leaves_no_container(other_run: Any) -> None:
    choice.pick(choice.MONGO, ("docker",), "docker")
    child, said = other_run("docker")
    assert labelled(said["run"])
    child.kill()
    child.wait()
    assert eventually(lambda: not labelled(said["run"]))


def test_containers_of_a_run_that_could_not_clean_up_go_with_the_next() -> None:
    choice.pick(choice.MONGO, ("docker",), "docker")
    host, pid, begun = run.RUN.name.rsplit(".", 2)
    over = f"{host}.{pid}.{int(begun) - 1}"
    docker.from_env().containers.create(containers.MONGO_IMAGE, labels={run.LABEL: over})
    assert labelled(over)
    containers.why_no_docker.cache_clear()
    assert not containers.why_no_docker()
    assert not labelled(over)


def labelled(name: str) -> list[Any]:
    """The containers of a run."""
    return list(docker.from_env().containers.list(all=True, filters={"label": f"{run.LABEL}={name}"}, ignore_removed=True))


def test_an_engine_that_the_environment_names_is_used_and_never_harmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mongod, "RUN", run.Run())  # the real run's last lines stay true
    with engines.own_mongo() as mongo:
        named = mongod.foreign(mongo.url, "TESTAMUR_TEST_MONGO")
        assert named.database("things") == mongo.database("things")
        with pytest.raises(pytest.skip.Exception, match="TESTAMUR_TEST_MONGO names is never killed"):
            named.kill()
        named.discard()
        assert mongo.answers()


def test_an_engine_that_the_environment_names_and_nobody_runs_is_a_failure_and_no_skip() -> None:
    with pytest.raises(EngineFailed, match="no broker answers at the address in TESTAMUR_TEST_KAFKA"):
        broker.foreign("kafka://127.0.0.1:9", "TESTAMUR_TEST_KAFKA")
    with pytest.raises(EngineFailed, match="no MongoDB answers at the address in TESTAMUR_TEST_MONGO"):
        mongod.foreign(
            f"mongodb://user:word@127.0.0.1:{os.getpid() % 1000 + 1}/?connectTimeoutMS=200", "TESTAMUR_TEST_MONGO"
        )

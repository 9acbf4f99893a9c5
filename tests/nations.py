"""Nations as their operators run them: each service a process of its own, each nation on a broker and a database of its own.

    clusters = start_clusters(closing, ("ee", "pt"))        # real engines; they end with `closing`
    make_topics(clusters.brokers)                           # or by command: said("topics", "apply", ...)
    for service in services_of("ee", folder, {...}, closing).values():
        service.start()

`world.py` runs a whole nation inside the test instead. What is started here is ended by its process id in any case.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from shared.bus.kafka.admin import KafkaAdmin
from shared.bus.topics import settings_of, topics_of
from shared.client import SERVICES
from tests import engines
from tests.shared_data import ROOT

STOPPED = 30.0
"""Seconds that a service may take to end by itself, on a busy machine."""
ANSWERED = 60.0
"""Seconds that a command may take, on a busy machine."""


@dataclass
class Service:
    """One service of one nation in a process of its own, on the port it always has."""

    node: str
    name: str
    folder: Path
    port: int
    settings: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; returns before it answers. What it writes is in its nation's folder, of all its starts."""
        line = ("run", self.name, "--node", self.node, "--home", str(self.folder), "--port", str(self.port), "--json")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(_command(*line), env=environment(self.settings), stdout=log, stderr=log)

    def kill(self) -> None:
        """SIGKILL, and wait."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> int:
        """SIGTERM, and wait; the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(STOPPED)

    @property
    def url(self) -> str:
        """Where it answers, under its own path."""
        return f"http://127.0.0.1:{self.port}/{self.name}"

    @property
    def log(self) -> Path:
        """The file of what it has written."""
        return self.folder / f"{self.name}.log"


@dataclass(frozen=True, slots=True)
class Clusters:
    """A broker for each nation, and one database server with a database for each."""

    brokers: dict[str, engines.Kafka]
    mongo: engines.Mongo

    def store(self, node: str) -> str:
        """What a nation's TESTAMUR_STORE is."""
        return self.mongo.database(f"testamur_{node.replace('-', '_')}")

    def urls(self, node: str) -> dict[str, str]:
        """The two URLs by which a nation is on Kafka and MongoDB."""
        return {"TESTAMUR_BUS": self.brokers[node].url, "TESTAMUR_STORE": self.store(node)}


def start_clusters(closing: ExitStack, nodes: Iterable[str]) -> Clusters:
    """Start the engines of these nations, all at the same time."""
    names = list(nodes)
    *brokers, mongo = engines.together(*[engines.own_kafka for _ in names], engines.own_mongo)
    for engine in (*brokers, mongo):
        closing.callback(engine.discard)
    return Clusters(dict(zip(names, brokers, strict=True)), mongo)


def make_topics(brokers: Mapping[str, engines.Kafka]) -> None:
    """What `testamur topics apply` makes on each nation's broker: its own topics, and those that a mirror fills."""
    for name, broker in brokers.items():
        admin = KafkaAdmin(broker.url)
        for topic in topics_of(name, [other for other in brokers if other != name]):
            admin.create(topic, settings_of(topic))


def cut_away(broker: engines.Kafka, topic: str) -> None:
    """Take all that a topic holds from it, as retention does with what is old."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    for done in admin.delete_records([TopicPartition(topic, 0, -1)]).values():
        done.result(timeout=30)


def services_of(
    node: str, folder: Path, ports: Mapping[str, int], settings: Mapping[str, str], closing: ExitStack
) -> dict[str, Service]:
    """A nation's services, not started yet; whatever runs of them at the end is killed."""
    made = {name: Service(node, name, folder, ports[name], settings) for name in SERVICES}
    for one in made.values():
        closing.callback(one.kill)
    return made


def said(*line: str, cwd: Path, **settings: str) -> str:
    """What a `testamur` command prints, as its operator runs it: a process, in a folder, with settings in its environment.

    One that does not end well fails with what it said.
    """
    done = subprocess.run(
        _command(*line), cwd=cwd, env=environment(settings), capture_output=True, text=True, timeout=ANSWERED, check=False
    )
    assert done.returncode == 0, f"testamur {' '.join(line)}\n{done.stdout}{done.stderr}"
    return done.stdout


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with these settings of ours and no others."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TESTAMUR_")}
    return {**clean, "PYTHONPATH": str(ROOT), **settings}


def _command(*line: str) -> list[str]:
    return [sys.executable, "-m", "testamur", *line]

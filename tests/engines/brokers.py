"""Kafka for tests as a nation runs it: several brokers, which are controllers too."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.engines import cache
from tests.engines.body import EngineFailed
from tests.engines.broker import Kafka, broker, cluster_id, java
from tests.engines.engine import Several, eventually
from tests.engines.ports import free_port
from tests.engines.process import Process
from tests.engines.run import RUN

TOGETHER = {
    # A broker that is only slow, on a machine with much else to do, is not taken for dead at once.
    "broker.session.timeout.ms": "4000",
    # Controllers vote for each other before they can read from their log who may do what.
    "super.users": "User:ANONYMOUS",
}
"""What several have that one alone does not need."""
OFFSETS = "__consumer_offsets"
"""Where Kafka keeps the places of groups; its one partition is led by the coordinator of them all."""
_ANSWER_S = 2.0


class KafkaCluster(Several[Kafka]):
    """Several brokers; `members[n]` has the id n + 1. `bootstrap` and `url` name them all."""

    def __init__(self, members: list[Kafka]) -> None:
        super().__init__(members)
        for member in members:
            member.alone = False
        self.bootstrap = ",".join(member.bootstrap for member in members)
        self.url = f"kafka://{self.bootstrap}"

    def start(self) -> None:
        """As of several engines; returns when each knows all."""
        super().start()
        for member in self.members:
            eventually(lambda member=member: len(_metadata(member.bootstrap).brokers) == len(self.members), member)  # type: ignore[misc]

    def leader_of(self, topic: str) -> Kafka:
        """The broker that leads a topic of one partition."""
        return self.members[self.described(topic).leader - 1]

    def described(self, topic: str) -> Any:
        """A topic's one partition: `leader`, `replicas` and `isrs`, by broker id."""
        return _metadata(self._alive(), topic).topics[topic].partitions[0]

    def follower_of(self, topic: str) -> Kafka:
        """A broker that does not lead it."""
        return next(member for member in self.members if member is not self.leader_of(topic))

    def reassign(self, topic: str, brokers: Sequence[int]) -> None:
        """Keep a topic on these brokers from now on, by Kafka's own command; returns when they have it."""
        if why := cache.why_no_kafka():
            pytest.skip(f"Kafka's command cannot be run here ({why})")
        folder = RUN.folder("reassignment")
        wanted = {"version": 1, "partitions": [{"topic": topic, "partition": 0, "replicas": list(brokers)}]}
        (folder / "wanted.json").write_text(json.dumps(wanted))
        told = ("--bootstrap-server", self.bootstrap, "--reassignment-json-file", "wanted.json", "--execute")
        command = Process(java("org.apache.kafka.tools.reassign.ReassignPartitionsCommand", *told, folder=folder), folder)
        if command.run():
            raise EngineFailed(f"the reassignment was refused: {command.log()}")
        eventually(lambda: len(self.described(topic).isrs) == len(brokers), self.members[0])

    def _alive(self) -> str:
        return next(member.bootstrap for member in self.members if member.body.is_alive())


def brokers(form: str, count: int, properties: Mapping[str, str]) -> KafkaCluster:
    """A cluster of so many brokers, not started yet."""
    controllers, cluster = [free_port() for _ in range(count)], cluster_id()
    voters = ",".join(f"{number}@127.0.0.1:{port}" for number, port in enumerate(controllers, 1))
    copies = {
        "offsets.topic.replication.factor": str(count),
        "transaction.state.log.replication.factor": str(count),
        "share.coordinator.state.topic.replication.factor": str(count),
    }
    together = {**TOGETHER, **copies, "controller.quorum.voters": voters, **properties}
    return KafkaCluster(
        [
            broker(form, {**together, "node.id": str(number)}, controller=port, cluster=cluster)
            for number, port in enumerate(controllers, 1)
        ]
    )


def _metadata(bootstrap: str, topic: str | None = None) -> Any:
    from confluent_kafka.admin import AdminClient

    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    return admin.list_topics(topic, timeout=_ANSWER_S) if topic else admin.list_topics(timeout=_ANSWER_S)

"""Kafka for tests: one broker that is its own controller (KRaft), in each form.

Without users: one listener without passwords, and an authorizer that allows what no ACL speaks of. With users: that
listener is the super user's (`url`), and a second one asks for a password (`url_as`), where an ACL has to allow what is
done.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlsplit

from tests.engines import cache, containers
from tests.engines.body import Body, EngineFailed, Foreign
from tests.engines.engine import Engine
from tests.engines.ports import free_port
from tests.engines.process import Process
from tests.engines.run import RUN

HEAP = "-Xms96m -Xmx384m"
"""Enough for a broker of the tests; several stand on one small machine."""
JVM = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData"
"""A quick start matters here, and throughput does not."""
BASE = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT",
    # One node: whatever Kafka keeps for itself it keeps once, and in few partitions, so that they load at once.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "auto.create.topics.enable": "false",
    # A broker that was killed may come back when its session is over: not after the usual 9 seconds.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    # Retention and compaction happen while a test looks.
    "log.retention.check.interval.ms": "1000",
    "log.segment.delete.delay.ms": "100",
    "log.cleaner.backoff.ms": "200",
    "log.initial.task.delay.ms": "500",
    "log.cleaner.dedupe.buffer.size": "4194304",
    "num.network.threads": "2",
    "num.io.threads": "2",
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
}
"""The broker's properties, apart from addresses."""
WITH_USERS = {
    "allow.everyone.if.no.acl.found": "false",
    "super.users": "User:ANONYMOUS",
    "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
    "listener.name.sasl.scram-sha-256.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required;",
    "listener.name.sasl.scram-sha-512.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required;",
}
"""What is added when the broker knows users: PLAIN at once, SCRAM once their secrets are in its metadata."""
_LOG4J = """\
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = [%d] %p %m (%c)%n%ex{short}
"""
_ANSWER_S = 1.0


class Kafka(Engine):
    """A broker. `bootstrap` is HOST:PORT; `url` is what TESTAMUR_BUS takes."""

    kind = "Kafka"
    alone = True
    """Whether every partition must have a leader before it is ready: one of several may wait for another's return."""

    def __init__(
        self, body: Body, bootstrap: str, url: str = "", users: Mapping[str, str] | None = None, sasl_port: int = 0
    ) -> None:
        super().__init__(body)
        self.bootstrap = bootstrap
        self.url = url or f"kafka://{bootstrap}"
        self._users = dict(users or {})
        self._sasl_port = sasl_port

    def url_as(self, user: str, password: str | None = None, mechanism: str = "PLAIN") -> str:
        """The URL by which one of `users` comes in; with another password than theirs, if one is given."""
        known = self._users.get(user, "") if password is None else password
        who = f"{quote(user, safe='')}:{quote(known, safe='')}"
        return f"kafka://{who}@127.0.0.1:{self._sasl_port}/?security=sasl_plaintext&mechanism={mechanism}"

    def start(self) -> None:
        """As of every engine; the users' SCRAM secrets are put into its metadata."""
        super().start()
        if self._users:
            self._store_scram_secrets()

    def answers(self) -> bool:
        """Whether metadata names the broker, and a leader for every partition where it is alone."""
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        quiet: dict[str, str | int] = {
            "log_level": 0,
            "reconnect.backoff.ms": 20,
            "reconnect.backoff.max.ms": 100,
            "socket.timeout.ms": 2000,
        }
        try:
            known = AdminClient({"bootstrap.servers": self.bootstrap, **quiet}).list_topics(timeout=_ANSWER_S)
        except KafkaException:
            return False
        led = [partition.leader >= 0 for topic in known.topics.values() for partition in topic.partitions.values()]
        return bool(known.brokers) and (all(led) or not self.alone)

    def _store_scram_secrets(self) -> None:
        from confluent_kafka import admin as module

        kafka = cast("Any", module)
        admin = kafka.AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        for mechanism in (kafka.ScramMechanism.SCRAM_SHA_256, kafka.ScramMechanism.SCRAM_SHA_512):
            info = kafka.ScramCredentialInfo(mechanism, 4096)
            secrets = [kafka.UserScramCredentialUpsertion(user, info, word.encode()) for user, word in self._users.items()]
            for stored in admin.alter_user_scram_credentials(secrets).values():
                stored.result()


def foreign(url: str, variable: str) -> Kafka:
    """The broker that the environment names."""
    kafka = Kafka(Foreign(variable), urlsplit(url).netloc.rpartition("@")[2], url)
    if not kafka.answers():
        raise EngineFailed(f"no broker answers at the address in {variable}")
    RUN.used[Kafka.kind, kafka.form] += 1
    return kafka


def broker(
    form: str,
    properties: Mapping[str, str],
    users: Mapping[str, str] | None = None,
    *,
    controller: int = 0,
    cluster: str = "",
) -> Kafka:
    """A broker on ports of its own, not started yet. A property's value may name `{port}`, `{sasl}` and `{controller}`.

    One of a cluster is given its controller's port and the cluster's id, which the others have to know.
    """
    ports = {"port": free_port(), "sasl": free_port(), "controller": controller or free_port()}
    settled = {**BASE, **(WITH_USERS if users else {}), **_addresses(form, ports, users), **properties}
    for name, number in ports.items():
        settled = {key: value.replace(f"{{{name}}}", str(number)) for key, value in settled.items()}
    if form == "process":
        body: Body = _process(settled, cluster or cluster_id())
    else:  # of several, each has the host's network, by which they reach each other
        body = _container(settled, [] if cluster else [ports["port"], ports["sasl"]], cluster or cluster_id())
    return Kafka(body, f"127.0.0.1:{ports['port']}", users=users, sasl_port=ports["sasl"])


def _addresses(form: str, ports: Mapping[str, int], users: Mapping[str, str] | None) -> dict[str, str]:
    listen = containers.listen_address() if form == "docker" else "127.0.0.1"
    open_to = {"PLAINTEXT": "port", **({"SASL": "sasl"} if users else {})}
    found = {
        "listeners": ",".join(
            [*(f"{one}://{listen}:{{{at}}}" for one, at in open_to.items()), "CONTROLLER://127.0.0.1:{controller}"]
        ),
        "advertised.listeners": ",".join(f"{one}://127.0.0.1:{{{at}}}" for one, at in open_to.items()),
        "controller.quorum.voters": "1@127.0.0.1:{controller}",
    }
    if users:
        known = " ".join(f'user_{user}="{word}"' for user, word in users.items())
        plain = f"org.apache.kafka.common.security.plain.PlainLoginModule required {known};"
        found["listener.name.sasl.plain.sasl.jaas.config"] = plain
    return found


def java(main: str, *arguments: str, folder: Path) -> list[str]:
    """The command that runs one of Kafka's classes, with a log of warnings."""
    logging = folder / "log4j2.properties"
    logging.write_text(_LOG4J)
    # Sorted: the archive of classes is bound to this exact class path.
    path = ":".join(str(jar) for jar in sorted(cache.jars().glob("*.jar")))
    archive = [f"-XX:SharedArchiveFile={cache.class_archive()}"] if cache.class_archive().exists() else []
    options = [*HEAP.split(), *JVM.split(), *archive, f"-Dlog4j2.configurationFile={logging}"]
    return ["java", *options, "-cp", path, main, *arguments]


def cluster_id() -> str:
    """A new cluster's id, as Kafka writes one."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


class _BrokerProcess(Process):
    """A broker whose data folder is formatted before its first start."""

    def __init__(self, folder: Path, cluster: str) -> None:
        self._cluster = cluster
        self._settings = folder / "broker.properties"
        super().__init__(java("kafka.Kafka", str(self._settings), folder=folder), folder)

    def start(self) -> None:
        if not (self.folder / "data").exists():
            # With `=`, since an id may begin with a dash.
            wanted = ("format", f"--cluster-id={self._cluster}", "-c", str(self._settings))
            formatted = Process(java("kafka.tools.StorageTool", *wanted, folder=self.folder), self.folder)
            if formatted.run():
                raise EngineFailed(f"Kafka's data folder could not be formatted: {formatted.log()}")
        super().start()


def _process(properties: Mapping[str, str], cluster: str) -> Process:
    folder = RUN.folder("kafka")
    settled = {**properties, "log.dirs": str(folder / "data")}
    # Java reads a backslash in a value as the beginning of an escape.
    lines = [f"{name}={value}\n".replace("\\", "\\\\") for name, value in settled.items()]
    (folder / "broker.properties").write_text("".join(lines))
    return _BrokerProcess(folder, cluster)


def _container(properties: Mapping[str, str], ports: list[int], cluster: str) -> containers.Container:
    named = {
        name.replace("_", "__").replace("-", "___").replace(".", "_").upper(): value for name, value in properties.items()
    }
    env = {f"KAFKA_{name}": value for name, value in named.items()}
    env |= {"CLUSTER_ID": cluster, "KAFKA_HEAP_OPTS": HEAP, "KAFKA_JVM_PERFORMANCE_OPTS": JVM}
    return containers.Container(containers.KAFKA_IMAGE, ports, env=env)

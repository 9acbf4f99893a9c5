"""The properties of MirrorMaker 2 (dedicated mode) between the clusters of a federation's nodes. Pure: facts in, text out.

- A direction carries its origin's public topics and nothing else, by a full match without a wildcard. Names stay as they are
  (`IdentityReplicationPolicy`), which leaves a mirror unable to see a cycle; this way none can arise.
- The signed entry is all that is believed, and consumers count repeats. So nothing is gained by what MirrorMaker can do
  beside copying: heartbeats, checkpoints, offset syncs, groups, access control and exactly-once are off. At the origin it
  only ever reads.
- A topic's settings are the target's own matter: `testamur topics apply` there makes topics as they should be.
- Best run beside the cluster it writes to: reading far and writing near loses less by a bad line than the reverse.
- No password is written: MirrorMaker takes it from its environment (`EnvVarConfigProvider`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from shared.bus.kafka.url import KafkaUrl
from shared.bus.topics import MAX_BATCH_BYTES
from shared.events.base import PUBLIC

_COMMON = f"""\
# copying and nothing else: MirrorMaker warns at its start that there will be no checkpoints or heartbeats, as intended
replication.policy.class = org.apache.kafka.connect.mirror.IdentityReplicationPolicy
emit.heartbeats.enabled = false
emit.checkpoints.enabled = false
emit.offset-syncs.enabled = false
refresh.groups.enabled = false
sync.group.offsets.enabled = false
sync.topic.acls.enabled = false
sync.topic.configs.enabled = false
exactly.once.source.support = disabled

# a record goes on within milliseconds, and a restart repeats a few seconds' worth
refresh.topics.interval.seconds = 2
tasks.max = 1
producer.linger.ms = 0
producer.max.request.size = {MAX_BATCH_BYTES}
consumer.fetch.max.wait.ms = 50
offset.flush.interval.ms = 5000
scheduled.rebalance.max.delay.ms = 0
dedicated.mode.enable.internal.rest = false

# it starts a third sooner: everything it loads is registered as a service, so no jar is searched for more
plugin.discovery = service_load
"""

_AS_THE_CLUSTER_SAYS = -1  # Kafka's own way to say so

_LOGIN = {
    "PLAIN": "org.apache.kafka.common.security.plain.PlainLoginModule",
    "SCRAM-SHA-256": "org.apache.kafka.common.security.scram.ScramLoginModule",
    "SCRAM-SHA-512": "org.apache.kafka.common.security.scram.ScramLoginModule",
}


def password_variable(cluster: str) -> str:
    """The environment variable in which MirrorMaker finds its password at a cluster."""
    return f"MIRROR_{cluster.upper().replace('-', '_')}_PASSWORD"


def properties(clusters: Mapping[str, KafkaUrl], into: Iterable[str]) -> str:
    """The text of a properties file: every given cluster's public topics into each cluster of `into`, by node name."""
    targets = list(into)
    flows = [(origin, target) for target in targets for origin in clusters if origin != target]
    return "\n".join(
        (
            "# MirrorMaker 2, written by `testamur mirror config`: write it again when the federation list changes.",
            f"clusters = {', '.join(clusters)}",
            "config.providers = env, dir",
            "config.providers.env.class = org.apache.kafka.common.config.provider.EnvVarConfigProvider",
            "config.providers.dir.class = org.apache.kafka.common.config.provider.DirectoryConfigProvider",
            "",
            *(line for name, url in clusters.items() for line in (*_cluster(name, url), "")),
            *(line for origin, target in flows for line in (*_flow(origin, target, _copies(clusters[target])), "")),
            _COMMON,
        )
    )


def _cluster(name: str, url: KafkaUrl) -> Iterator[str]:
    yield f"{name}.bootstrap.servers = {url.bootstrap}"
    for part in ("config", "offset", "status"):
        yield f"{name}.{part}.storage.replication.factor = {_copies(url)}"
    if url.security != "plaintext":
        yield f"{name}.security.protocol = {url.security.upper()}"
    if url.user:
        login, password = _LOGIN[url.mechanism], f"${{env:{password_variable(name)}}}"
        yield f"{name}.sasl.mechanism = {url.mechanism}"
        yield f'{name}.sasl.jaas.config = {login} required username="{_quoted(url.user)}" password="{password}";'
    if url.ca:
        yield f"{name}.ssl.truststore.type = PEM"
        yield f"{name}.ssl.truststore.location = {url.ca}"
    if url.cert:
        yield f"{name}.ssl.keystore.type = PEM"
        yield from _client_certificate(name, url)


def _client_certificate(name: str, url: KafkaUrl) -> Iterator[str]:
    """One file with both parts is named; two files are read by MirrorMaker itself, which has no other way to take two."""
    if not url.key or url.key == url.cert:
        yield f"{name}.ssl.keystore.location = {url.cert}"
        return
    yield f"{name}.ssl.keystore.certificate.chain = {_content(url.cert)}"
    yield f"{name}.ssl.keystore.key = {_content(url.key)}"


def _flow(origin: str, target: str, copies: int) -> Iterator[str]:
    """`[.]` is a dot and only that; it needs none of the backslashes that a properties file eats."""
    yield f"{origin}->{target}.enabled = true"
    yield f"{origin}->{target}.topics = testamur[.]{origin}[.]({'|'.join(PUBLIC)})[.]v1"
    yield f"{origin}->{target}.replication.factor = {copies}"


def _copies(url: KafkaUrl) -> int:
    """What MirrorMaker is told of the copies of a topic that it makes itself: this text is written without asking a cluster,
    so unsaid it is left to the cluster's own `default.replication.factor`.
    """
    return url.replication or _AS_THE_CLUSTER_SAYS


def _content(path: str) -> str:
    folder, _, name = path.rpartition("/")
    return f"${{dir:{folder or '.'}:{name}}}"


def _quoted(text: str) -> str:
    """Inside the quotes of a login line, inside a properties file; each has its own backslash."""
    return text.replace("\\", "\\\\\\\\").replace('"', '\\\\"')

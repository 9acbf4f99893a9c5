"""What a node's broker holds, and how each topic must be set. Pure: names and settings in, differences out.

- A node's broker holds the node's own topics and every neighbour's public ones, which a mirror or the follower fills. A
  neighbour that is suspended is not forgotten: its topics stay, and what is on them is still read.
- One partition a topic: the order of a chain is the order of its topic (protocol, section 1).
- Broker retention is transport only: the log table of the origin is the archive from which a hole is filled. `issuance` is
  never served to anybody, so nothing could fill it: it is kept for ever.
- Only checkpoints are compacted: the newest one says all that earlier ones said.
- Copies: as many as the cluster can give, three at most, unless the URL says how many. With three, a write waits for two:
  any one broker may die, nothing that was acknowledged goes with it, and writing goes on. With two it waits for one, or
  either's death would stop all writing: two copies outlive a broker, but what was acknowledged while only one was in step is
  on that one alone. It is published again from the archive should its disk be lost, so going on was chosen.
- The broker keeps records uncompressed, whatever a mirror sends: one that was compressed by a codec that is not installed
  here could not be read, and what a small one unpacks to would be limited by nothing.
- Records that no consumer could take in are kept in that consumer's store, so there are no dead-letter topics.

What a change of settings would let the broker throw away is marked as such, so that no command does it without a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from shared.events.base import CHECKPOINTS, PUBLIC, STREAMS
from shared.ids import parse_topic, topic_name

PARTITIONS = 1
"""Partitions of each topic."""

RETENTION_MS = 7 * 24 * 3600 * 1000
"""How long a public record stays on a broker: a week in which a mirror may be down before others must fill its holes."""

FOR_EVER = "-1"
"""No limit, as the broker writes it."""

MAX_BATCH_BYTES = 2 * 1024 * 1024
"""The largest batch a broker takes: several times the largest entry, and what a mirror joins into one."""

SAFE_REPLICATION = 3
"""From so many replicas on, a write waits for two: one broker may be lost, and none of what was acknowledged."""

MOST_COPIES = 3
"""How many copies a topic is given at most where the URL does not say how many."""

_CHECKPOINT_SEGMENT_MS = 3600 * 1000
"""Only closed segments are compacted; an hour's checkpoints are the most that a newcomer reads for nothing."""


class TopicState(NamedTuple):
    """A topic as a broker describes it: counts, and its settings by their names."""

    partitions: int
    replication: int
    settings: Mapping[str, str]


class Difference(NamedTuple):
    """What is not as it should be: `setting` names a setting, or is `topic` (missing), `partitions` or `replication`."""

    topic: str
    setting: str
    found: str
    wanted: str
    changeable: bool
    """Whether it can be mended in place; counts of partitions and replicas cannot."""
    drops: bool = False
    """Whether mending it lets the broker throw records away."""

    @property
    def missing(self) -> bool:
        """Whether the whole topic is missing."""
        return self.setting == "topic"


def copies_to_try(asked: int | None) -> tuple[int, ...]:
    """How many copies to ask a cluster for, one after the other until it takes one: it alone knows all its brokers, those
    too that are away just now.
    """
    return (asked,) if asked else tuple(range(MOST_COPIES, 0, -1))


def topics_of(node: str, neighbours: Iterable[str]) -> tuple[str, ...]:
    """Every topic of a node's broker: its own, then each neighbour's public ones, most important stream first."""
    own = (topic_name(node, stream) for stream in STREAMS)
    foreign = (topic_name(neighbour, stream) for neighbour in sorted(neighbours) for stream in PUBLIC)
    return (*own, *foreign)


def settings_of(topic: str, replication: int = 1) -> dict[str, str]:
    """A topic's settings, as the broker names and writes them; `replication` is how many replicas it has."""
    named = parse_topic(topic)
    stream = STREAMS.get(named.stream) if named else None
    public = stream is not None and stream.public
    settings = {
        "cleanup.policy": "delete",
        "retention.ms": str(RETENTION_MS) if public else FOR_EVER,
        "retention.bytes": FOR_EVER,
        "max.message.bytes": str(MAX_BATCH_BYTES),
        "compression.type": "uncompressed",
        "min.insync.replicas": "2" if replication >= SAFE_REPLICATION else "1",
        # retention counts from arrival: a producer's clock, or a mirror that was down for long, decides nothing
        "message.timestamp.type": "LogAppendTime",
        "unclean.leader.election.enable": "false",
    }
    if stream is CHECKPOINTS:
        settings |= {
            "cleanup.policy": "compact",
            "retention.ms": FOR_EVER,
            "segment.ms": str(_CHECKPOINT_SEGMENT_MS),
            "min.cleanable.dirty.ratio": "0.1",
        }
    return settings


def differences(topics: Iterable[str], found: Mapping[str, TopicState], replication: int) -> list[Difference]:
    """What must be made or changed so that `topics` are there as they should be, with at least `replication` replicas."""
    return [one for topic in topics for one in _of_topic(topic, found.get(topic), replication)]


def _of_topic(topic: str, state: TopicState | None, replication: int) -> Iterator[Difference]:
    if state is None:
        yield Difference(topic, "topic", "missing", _new(replication), changeable=True)
        return
    if state.partitions != PARTITIONS:
        yield Difference(topic, "partitions", str(state.partitions), str(PARTITIONS), changeable=False)
    if state.replication < replication:
        yield Difference(topic, "replication", str(state.replication), str(replication), changeable=False)
    # by the replicas that are there: waiting for two where there is one would refuse every write
    wanted = settings_of(topic, state.replication)
    for name, value in wanted.items():
        held = state.settings.get(name, "")
        if not _same(held, value):
            yield Difference(topic, name, held, value, changeable=True, drops=_drops(name, state.settings, wanted))


def _new(replication: int) -> str:
    return f"{PARTITIONS} partition, {replication} {'copy' if replication == 1 else 'copies'}"


def _same(held: str, wanted: str) -> bool:
    """Equal as the broker means it: numbers by value (`0.1`, `0.10`), anything else by its text."""
    if held == wanted:
        return True
    try:
        return float(held) == float(wanted)
    except ValueError:
        return False


def _drops(name: str, held: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Whether this change alone may cost records: a shorter life, or compaction where there was none."""
    if name in ("retention.ms", "retention.bytes"):
        return wanted[name] != FOR_EVER and _limit(held.get(name)) > _limit(wanted[name])
    if name == "cleanup.policy":
        compacts = "compact" in wanted[name] and "compact" not in held.get(name, "")
        return compacts or ("delete" not in held.get(name, "") and wanted["retention.ms"] != FOR_EVER)
    return False


def _limit(value: str | None) -> float:
    return float("inf") if value in (None, "", FOR_EVER) else float(str(value))

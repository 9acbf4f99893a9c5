"""Who may do what on a node's broker: the least that each service needs. Pure: rules in, rights out.

- One writer a topic: the issuer writes `issuance`, the registry the node's public streams. On a neighbour's topics
  both the registry writes, whose follower fills holes from the origin's log, and the node's mirror.
- A service reads what it hears (each service's `consumer.py`), under a group of its own. No other service of the node
  may move that group's positions. It also reads what it wrote: at its start it sees whether its store knows all of
  that.
- A topic's writer may make it; no service may delete or change one. That is for the operator who applies the topics.
- `IDEMPOTENT_WRITE` on the cluster is not given: since Kafka 2.8 the right to write a topic implies it (KIP-679).
- A neighbour's mirror may read the node's public topics, and nothing else here.

Reading implies describing (Kafka's own rule for READ and WRITE), so `DESCRIBE` is never given by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from shared.events.base import ISSUANCE, OFFERS, PUBLIC, STREAMS, TRUST
from shared.ids import topic_name

MIRROR = "mirror"
"""The last word of the principal by which a node's mirror is known, on its own broker and on its neighbours'."""

WHOLE = "node"
"""The last word of the principal of a node whose services share one process."""

PREFIX = "testamur-"
"""What every principal begins with unless told otherwise."""


class Right(NamedTuple):
    """One right: a principal (`User:name`) may do `operation` on the `topic` or `group` of exactly that name."""

    principal: str
    kind: str
    name: str
    operation: str


class Reads(NamedTuple):
    """What a service reads: its own node's streams, and whether it reads every neighbour's public ones."""

    own: tuple[str, ...]
    foreign: bool


_VERDICTS = tuple(stream for stream in PUBLIC if stream != OFFERS.name)
"""The streams that a verdict rests on: its own node's offers are none of them."""

READS: Mapping[str, Reads] = {
    "registry": Reads((ISSUANCE.name,), foreign=True),
    "issuer": Reads(PUBLIC, foreign=False),
    "verifier": Reads(_VERDICTS, foreign=True),
    "notifier": Reads(_VERDICTS, foreign=True),
}
"""What each service hears; the same as its `consumer.py` says, which a test compares."""

_READ = ("READ", "DESCRIBE_CONFIGS")
_WRITE = ("WRITE", "CREATE", "DESCRIBE_CONFIGS")


def group_of(node: str, service: str) -> str:
    """The name under which a service keeps its positions on the broker."""
    return f"testamur.{node}.{service}"


def principal_of(node: str, service: str, prefix: str = PREFIX) -> str:
    """The principal of a node's service: `User:testamur-ee-verifier`."""
    return f"User:{prefix}{node}-{service}"


def rights_of(node: str, neighbours: Iterable[str], prefix: str = PREFIX, *, whole: bool = False) -> list[Right]:
    """Every right on this node's broker, in order; with `whole`, one principal for all services in one process as well."""
    others = sorted(neighbours)
    found: dict[Right, None] = {}
    for service in READS:
        principal = principal_of(node, service, prefix)
        found |= dict.fromkeys(_of_service(node, service, others, principal))
        if whole:
            found |= dict.fromkeys(_of_service(node, service, others, principal_of(node, WHOLE, prefix)))
    found |= dict.fromkeys(_of_mirrors(node, others, prefix))
    return list(found)


def _of_service(node: str, service: str, others: list[str], principal: str) -> Iterator[Right]:
    hears = READS[service]
    foreign = [topic_name(other, stream) for other in others for stream in PUBLIC]
    for stream in STREAMS.values():
        if stream.writer == service:
            yield from _rights(principal, topic_name(node, stream.name), ("READ", *_WRITE))
    for topic in (*(topic_name(node, stream) for stream in hears.own), *(foreign if hears.foreign else ())):
        yield from _rights(principal, topic, _READ)
    if service == TRUST.writer:
        for topic in foreign:
            yield from _rights(principal, topic, _WRITE)
    yield Right(principal, "group", group_of(node, service), "READ")


def _of_mirrors(node: str, others: list[str], prefix: str) -> Iterator[Right]:
    """A mirror runs beside the broker it writes to: it writes here what neighbours said, and keeps its own state here."""
    mine = principal_of(node, MIRROR, prefix)
    for other in others:
        for stream in PUBLIC:
            yield from _rights(mine, topic_name(other, stream), _WRITE)
        for part in ("configs", "offsets", "status"):
            yield from _rights(mine, f"mm2-{part}.{other}.internal", (*_READ, "WRITE", "CREATE"))
        yield Right(mine, "group", f"{other}-mm2", "READ")
    for other in others:
        for stream in PUBLIC:
            yield from _rights(principal_of(other, MIRROR, prefix), topic_name(node, stream), _READ)


def _rights(principal: str, topic: str, operations: Iterable[str]) -> Iterator[Right]:
    return (Right(principal, "topic", topic, operation) for operation in operations)


def writers_beside(rights: Iterable[Right], found: Iterable[Right], topics: Iterable[str]) -> list[Right]:
    """Rights found on the broker by which somebody else could write one of `topics`; a name that ends in `*` is a prefix."""
    meant = {(right.principal, right.name) for right in rights if right.operation == "WRITE"}
    watched = tuple(topics)
    return sorted(
        right
        for right in found
        if right.kind == "topic"
        and right.operation in ("WRITE", "ALL", "ALTER", "DELETE", "ALTER_CONFIGS")
        and (right.principal, right.name) not in meant
        and any(_covers(right.name, topic) for topic in watched)
    )


def _covers(name: str, topic: str) -> bool:
    return topic.startswith(name[:-1]) if name.endswith("*") else topic == name

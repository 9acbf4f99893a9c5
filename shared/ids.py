"""Names of things: node names, topics, references, event ids and URNs.

- A credential's *ref* is a random UUIDv4: a time-ordered id would tell when it was issued.
- An event's id is a UUIDv7 (RFC 9562, 5.7), rising within a process, so ids sort by age.
- An institution is named inside its node's namespace: `urn:testamur:<federation>:<node>:institution:<slug>`.
- A topic is `testamur.<node>.<stream>.v1`; it has one writer and one partition.
"""

from __future__ import annotations

import re
import uuid
from functools import lru_cache
from typing import NamedTuple

import uuid_utils

NODE_NAME = r"[a-z]{2}(-[a-z0-9]{1,8})?"
SLUG = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
REF = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"

_NODE = re.compile(NODE_NAME)
_TOPIC = re.compile(rf"testamur\.({NODE_NAME})\.([a-z]+)\.v1")
_INSTITUTION = re.compile(rf"urn:testamur:({SLUG}):({NODE_NAME}):institution:({SLUG})")


def new_ref() -> str:
    """A new random reference (UUIDv4, RFC 9562, 5.4) in lower case."""
    return str(uuid.uuid4())


def new_event_id() -> str:
    """A new time-ordered id (UUIDv7); two made one after the other in one process sort in that order."""
    return str(uuid_utils.uuid7())


def is_node_name(text: str) -> bool:
    """Whether `text` is a well-formed node name such as `ee` or `be-fr`."""
    return _NODE.fullmatch(text) is not None


def topic_name(node: str, stream: str) -> str:
    """The topic that carries one stream of one node: `testamur.ee.status.v1`."""
    return f"testamur.{node}.{stream}.v1"


class Topic(NamedTuple):
    """A topic's two parts."""

    node: str
    stream: str


@lru_cache(maxsize=4096)
def parse_topic(topic: str) -> Topic | None:
    """Split a topic into node and stream, or None when it is none of ours."""
    match = _TOPIC.fullmatch(topic)
    return Topic(match[1], match[3]) if match else None


def node_of(topic: str) -> str:
    """The node that a topic names, or an empty text when the topic is none of ours."""
    parts = parse_topic(topic)
    return parts.node if parts else ""


def stream_of(topic: str) -> str:
    """The stream that a topic carries, or an empty text when the topic is none of ours."""
    parts = parse_topic(topic)
    return parts.stream if parts else ""


@lru_cache(maxsize=4096)
def service_urn(federation: str, node: str, service: str) -> str:
    """The CloudEvents source of a service: `urn:testamur:<fed>:<node>:<service>`."""
    return f"urn:testamur:{federation}:{node}:{service}"


class InstitutionId(NamedTuple):
    """An institution's name, read in the namespace of the node that vouches for it."""

    federation: str
    node: str
    slug: str

    @property
    def urn(self) -> str:
        """`urn:testamur:<federation>:<node>:institution:<slug>`."""
        return f"urn:testamur:{self.federation}:{self.node}:institution:{self.slug}"


def parse_institution(urn: str) -> InstitutionId | None:
    """Split an institution's URN, or None when it is not one."""
    match = _INSTITUTION.fullmatch(urn)
    return InstitutionId(match[1], match[2], match[4]) if match else None


def credential_urn(ref: str) -> str:
    """A credential's id as it stands in the signed credential: `urn:uuid:<ref>`."""
    return f"urn:uuid:{ref}"

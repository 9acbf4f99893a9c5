"""What a bus asks a Kafka cluster: which topics there are, how far they go, how far a group has come.

- A consumer's places are the committed offsets of its group, without membership: nobody is rebalanced (the lease says who
  reads). Bus offsets are Kafka's plus one, so a place (the last offset done with) is Kafka's next offset.
- A topic is never made by asking for it, whatever the broker's `auto.create.topics.enable` says.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from aiokafka import errors as kafka
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.protocol.admin import CreateTopicsRequest
from aiokafka.protocol.commit import OffsetCommitRequest, OffsetFetchRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.offset import OffsetRequest

from shared.bus.kafka.connection import GOODBYE_SECONDS, REQUEST_MS, Connection
from shared.bus.kafka.url import KafkaUrl
from shared.bus.port import BusUnavailable
from shared.bus.topics import PARTITIONS, copies_to_try, settings_of
from shared.errors import TestamurError

T = TypeVar("T")

_EARLIEST, _LATEST = -2, -1  # ListOffsets' own names for a topic's two ends
_NO_MEMBER = ""
_COORDINATOR_MOVED = (
    kafka.NotCoordinatorForGroupError,
    kafka.GroupCoordinatorNotAvailableError,
    kafka.GroupLoadInProgressError,
    kafka.KafkaConnectionError,
    kafka.NodeNotReadyError,
)
_MAY_NOT_CREATE = (kafka.TopicAuthorizationFailedError, kafka.ClusterAuthorizationFailedError)
_NOT_TAKEN = (kafka.InvalidReplicationFactorError, kafka.InvalidConfigurationError, kafka.PolicyViolationError)
_HARMLESS = (kafka.NoError, kafka.UnknownTopicOrPartitionError, kafka.TopicAuthorizationFailedError)
"""A topic that is gone or forbidden has no place and no end; that is an answer, not a failure."""


class Cluster:
    """One cluster, as a bus and its consumers share it."""

    def __init__(self, url: KafkaUrl) -> None:
        self.connection = Connection(url)
        self.forbidden: frozenset[str] = frozenset()
        """Topics that this user may not see, of those last asked for with `leaders`."""
        self._copies = copies_to_try(url.replication)
        self._coordinators: dict[str, int] = {}
        self._known: set[str] = set()

    async def leaders(self, topics: Iterable[str]) -> dict[str, int]:
        """Of these topics, those that there are, each with its leading broker's id (-1 while there is none)."""
        return await self.connection.ask(lambda client: self._leaders(client, topics))

    async def bounds(self, topics: Iterable[str]) -> dict[str, tuple[int, int]]:
        """Of each topic that there is: the place before its first record, and its last offset. Equal when it is empty."""

        async def ask(client: AIOKafkaClient) -> dict[str, tuple[int, int]]:
            led: dict[int, list[str]] = defaultdict(list)
            for topic, leader in (await self._leaders(client, topics)).items():
                led[_chosen(leader)].append(topic)
            asked = [(node, mine, when) for when in (_EARLIEST, _LATEST) for node, mine in led.items()]
            answers = await asyncio.gather(*[_offsets(client, *one) for one in asked])
            first = {topic: offset for answer in answers[: len(led)] for topic, offset in answer.items()}
            last = {topic: offset for answer in answers[len(led) :] for topic, offset in answer.items()}
            return {topic: (first[topic], last[topic]) for topic in first}

        return await self.connection.ask(ask)

    async def committed(self, group: str, topics: Iterable[str]) -> dict[str, int]:
        """The group's place in each topic where it has one."""
        wanted = [(topic, [0]) for topic in topics]

        async def ask(client: AIOKafkaClient, node: int) -> dict[str, int]:
            response = await client.send(node, OffsetFetchRequest(group, wanted))
            _raise_for(response.error_code)
            for _, [(_, _, _, code)] in response.topics:
                _raise_for(code, unless=_HARMLESS)
            return {topic: offset for topic, [(_, offset, _, _)] in response.topics if offset >= 0}

        return await self._ask_coordinator(group, ask)

    async def commit(self, group: str, places: Mapping[str, int]) -> None:
        """Set the group's places, durably."""
        topics = [(topic, [(0, place, "")]) for topic, place in places.items()]
        generation, retention = OffsetCommitRequest.DEFAULT_GENERATION_ID, OffsetCommitRequest.DEFAULT_RETENTION_TIME

        async def ask(client: AIOKafkaClient, node: int) -> None:
            response = await client.send(node, OffsetCommitRequest(group, generation, _NO_MEMBER, retention, topics))
            for _, [(_, code)] in response.topics:
                _raise_for(code, unless=_HARMLESS)

        if topics:
            await self._ask_coordinator(group, ask)

    async def ensure(self, topic: str) -> None:
        """Make a topic that is not there yet, with our settings; what was seen once is not looked for again."""
        if topic in self._known:
            return

        async def ask(client: AIOKafkaClient) -> None:
            leaders = await self._leaders(client, [topic])
            if topic in self.forbidden:
                raise kafka.TopicAuthorizationFailedError
            if topic not in leaders:
                await self._create(client, topic)
                leaders = await self._leaders(client, [topic])
            _chosen(leaders.get(topic, -1))

        await self.connection.ask(ask)
        self._known.add(topic)

    async def shortfall(self, topic: str) -> kafka.KafkaError | None:
        """Why nothing can be appended to a topic just now, as far as the cluster says at once: nobody leads it, or some of
        its copies are not in step.
        """
        with suppress(TestamurError, TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                return await self.connection.ask(lambda client: _shortfall(client, topic))
        return None

    def forget(self, topic: str) -> None:
        """Look anew whether this topic is there."""
        self._known.discard(topic)

    async def _leaders(self, client: AIOKafkaClient, topics: Iterable[str]) -> dict[str, int]:
        response = await client.send(client.get_random_node(), MetadataRequest(list(topics), False))
        forbidden = kafka.TopicAuthorizationFailedError.errno
        self.forbidden = frozenset(topic for code, topic, *_ in response.topics if code == forbidden)
        for code, *_ in response.topics:
            _raise_for(code, unless=_HARMLESS)
        return {
            topic: leader
            for _, topic, _, partitions in response.topics
            for _, partition, leader, *_ in partitions
            if partition == 0
        }

    async def _create(self, client: AIOKafkaClient, topic: str) -> None:
        kind: type[BaseException] = kafka.NoError
        for copies in self._copies:
            settings = list(settings_of(topic, copies).items())
            wanted: list[Any] = [(topic, PARTITIONS, copies, [], settings)]
            controller = client.cluster.controller
            node = controller.nodeId if controller else client.get_random_node()
            response = await client.send(node, CreateTopicsRequest(wanted, REQUEST_MS, False))
            [(_, code, _)] = response.topic_errors
            if (kind := kafka.for_code(code)) is not kafka.InvalidReplicationFactorError:
                break
        if kind in _MAY_NOT_CREATE:
            raise BusUnavailable("A topic is missing and this user may not make it. Use `testamur topics apply`.")
        if kind in _NOT_TAKEN:
            raise BusUnavailable(
                "A topic is missing and the cluster does not take our settings for it; `testamur topics plan` shows "
                "them. Ask those who run it, or lower replication= in TESTAMUR_BUS if it has fewer brokers."
            )
        if kind not in (kafka.NoError, kafka.TopicAlreadyExistsError):
            raise kind

    async def _ask_coordinator(self, group: str, ask: Callable[[AIOKafkaClient, int], Awaitable[T]]) -> T:
        async def asking(client: AIOKafkaClient) -> T:
            node = self._coordinators.get(group)
            if node is None:
                node = self._coordinators[group] = await client.coordinator_lookup(CoordinationType.GROUP, group)
            try:
                return await ask(client, node)
            except _COORDINATOR_MOVED:
                self._coordinators.pop(group, None)
                raise

        return await self.connection.ask(asking)


async def _shortfall(client: AIOKafkaClient, topic: str) -> kafka.KafkaError | None:
    response = await client.send(client.get_random_node(), MetadataRequest([topic], False))
    for _, _, _, partitions in response.topics:
        for _, _, leader, replicas, in_step, *_ in partitions:
            if leader < 0:
                return kafka.LeaderNotAvailableError()
            if len(in_step) < len(replicas):
                return kafka.NotEnoughReplicasError()
    return None


async def _offsets(client: AIOKafkaClient, node: int, topics: list[str], when: int) -> dict[str, int]:
    request = OffsetRequest(-1, 0, [(topic, [(0, when)]) for topic in topics])
    found = {}
    for topic, [(_, code, *at)] in (await client.send(node, request)).topics:
        _raise_for(code)
        found[topic] = int(at[-1])
    return found


def _chosen(leader: int) -> int:
    if leader < 0:
        raise kafka.LeaderNotAvailableError
    return leader


def _raise_for(code: int, unless: tuple[type[BaseException], ...] = (kafka.NoError,)) -> None:
    kind = kafka.for_code(code)
    if kind not in unless:
        raise kind

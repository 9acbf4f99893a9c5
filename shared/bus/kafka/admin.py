"""Setting Kafka up: topics, their settings and access control lists (`shared.bus.admin`), by librdkafka.

- The library answers by futures; what is wrong with a connection (a password, a certificate) it tells a callback only, and
  tries on. So every wait listens to that callback, and ends with its sentence at once.
- A broker is asked for named topics, never for all: an unauthorised name is told apart from a missing one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from shared.bus.access import Right
from shared.bus.admin import TopicsSeen
from shared.bus.kafka.url import KafkaUrl
from shared.bus.port import BusUnavailable
from shared.bus.topics import MOST_COPIES, PARTITIONS, TopicState, copies_to_try
from shared.errors import Misconfigured, TestamurError

T = TypeVar("T")

REQUEST_SECONDS = 15.0
"""How long the cluster may take over one request; making a topic takes a busy one a second or two."""

_AUTHENTICATION: int = KafkaError._AUTHENTICATION  # noqa: SLF001 - the library's public name for it begins like this
_SSL: int = KafkaError._SSL  # noqa: SLF001
_ALL_DOWN: int = KafkaError._ALL_BROKERS_DOWN  # noqa: SLF001

_STEP_SECONDS = 0.05
"""Seconds between looks at the callback while a request is under way."""

_FORBIDDEN = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
_WHATEVER: Any = None
_EVERYTHING = AclBindingFilter(
    ResourceType.ANY, _WHATEVER, ResourcePatternType.ANY, _WHATEVER, _WHATEVER, AclOperation.ANY, AclPermissionType.ALLOW
)
_KINDS = {ResourceType.TOPIC: "topic", ResourceType.GROUP: "group"}


class BusForbids(Misconfigured):
    """The broker knows who asks, and does not allow it."""

    title = "The event bus does not allow that."


class KafkaAdmin:
    """`shared.bus.admin.Admin` on a Kafka cluster; it connects with the first request."""

    def __init__(self, url: str) -> None:
        self._url = KafkaUrl.parse(url)
        self._worst: KafkaError | None = None
        # librdkafka's own log lines would go to standard error; what matters in them comes by the callback
        quiet: dict[str, Any] = {"log_level": 0, "error_cb": self._note}
        # a request that waits for a broker which died goes to another once the cluster is known to have lost it
        informed = {"topic.metadata.refresh.interval.ms": 1000}
        self._client = AdminClient({**self._url.librdkafka(), **quiet, **informed})

    @property
    def shown(self) -> str:
        """The URL without its password."""
        return self._url.shown

    @property
    def identified(self) -> bool:
        """Whether the URL names a user or a client certificate."""
        return bool(self._url.user or self._url.cert)

    def look(self, topics: Sequence[str]) -> TopicsSeen:
        """The state of those of `topics` that are there."""
        there, hidden = {}, set()
        for name, future in self._client.describe_topics(TopicCollection(list(topics))).items():
            try:
                described = self._wait(future)
            except KafkaException as error:
                code = _code(error)
                if code in _FORBIDDEN:
                    hidden.add(name)
                elif code != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise self._sentence(error) from error
                continue
            there[name] = described.partitions
        settings = self._settings(there)
        states = {
            name: TopicState(len(parts), min(len(part.replicas) for part in parts), settings[name])
            for name, parts in there.items()
            if name in settings
        }
        missing = [topic for topic in topics if topic not in there and topic not in hidden]
        holders = {replica.id for parts in there.values() for part in parts for replica in part.replicas}
        return TopicsSeen(states, frozenset(hidden | (there.keys() - states.keys())), self._copies(missing, holders))

    def create(self, topic: str, settings: Mapping[str, str], copies: int = 1) -> None:
        """Make a topic in so many copies; one that is there already is left as it is."""
        new = NewTopic(topic, num_partitions=PARTITIONS, replication_factor=copies, config=dict(settings))
        try:
            self._wait(self._client.create_topics([new])[topic])
        except KafkaException as error:
            if _code(error) != KafkaError.TOPIC_ALREADY_EXISTS:
                raise self._sentence(error) from error

    def change(self, topic: str, settings: Mapping[str, str]) -> None:
        """Change these settings of a topic and no other."""
        entries = [ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in settings.items()]
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=entries)
        self._answer(self._client.incremental_alter_configs([resource])[resource])

    def rights(self) -> list[Right] | None:
        """Every right that was given on a topic or a group; None when the cluster has no authorizer."""
        # librdkafka 2.16 drops the refusal of a whole such request and hands on an empty list: what may be behind is asked
        cluster = self._answer(self._client.describe_cluster(include_authorized_operations=True))
        if AclOperation.DESCRIBE not in (cluster.authorized_operations or ()):
            raise self._refusal()
        found = self._answer(self._client.describe_acls(_EVERYTHING))
        if not found and not self._has_authorizer(cluster.nodes[0].id):
            return None
        return [_right(binding) for binding in found if binding.restype in _KINDS]

    def grant(self, rights: Sequence[Right]) -> None:
        """Give rights, in one request; one that was given already stays as it is."""
        for future in self._client.create_acls([_binding(right) for right in rights]).values():
            self._answer(future)

    def _copies(self, missing: Sequence[str], holders: set[int]) -> int:
        """How many copies there should be. A topic that is missing is asked for, without its being made: the cluster counts
        brokers that are away too. Otherwise those count that are here, and those that hold one of the topics.
        """
        for copies in copies_to_try(self._url.replication):
            if copies == self._url.replication or copies == 1:
                return copies
            if not missing:
                break
            asked = NewTopic(missing[0], num_partitions=PARTITIONS, replication_factor=copies)
            try:
                self._wait(self._client.create_topics([asked], validate_only=True)[missing[0]])
            except KafkaException as error:
                if _code(error) == KafkaError.INVALID_REPLICATION_FACTOR:
                    continue
                break  # this user may not make topics
            return copies
        here = {node.id for node in self._answer(self._client.describe_cluster()).nodes}
        return min(MOST_COPIES, len(here | holders))

    def _has_authorizer(self, broker: int) -> bool:
        asked = ConfigResource(ConfigResource.Type.BROKER, str(broker))
        entry = self._answer(self._client.describe_configs([asked])[asked]).get("authorizer.class.name")
        return entry is None or bool(entry.value)  # where a provider hides it, there is one

    def _settings(self, topics: Iterable[str]) -> dict[str, Mapping[str, str]]:
        """The settings of each topic whose settings may be read."""
        asked = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in topics]
        found: dict[str, Mapping[str, str]] = {}
        for resource, future in (self._client.describe_configs(asked) if asked else {}).items():
            try:
                entries = self._wait(future)
            except KafkaException as error:
                if _code(error) not in (*_FORBIDDEN, KafkaError.UNKNOWN_TOPIC_OR_PART):
                    raise self._sentence(error) from error
                continue
            found[resource.name] = {name: entry.value or "" for name, entry in entries.items()}
        return found

    def _answer(self, future: Future[T]) -> T:
        try:
            return self._wait(future)
        except KafkaException as error:
            raise self._sentence(error) from error

    def _wait(self, future: Future[T]) -> T:
        """The future's result; raises its `KafkaException`, or a sentence when the connection itself is at fault."""
        for _ in range(int(REQUEST_SECONDS / _STEP_SECONDS)):
            self._client.poll(0)
            if self._worst is not None:
                raise self._connection(self._worst.code())
            try:
                return future.result(_STEP_SECONDS)
            except TimeoutError:
                continue
        raise self._connection(_ALL_DOWN)

    def _note(self, error: KafkaError) -> None:
        """Called back by the library from `poll`: keep what explains the failure, and the first such."""
        telling = {_AUTHENTICATION, _SSL, _ALL_DOWN}
        if self._worst is None and error.code() in telling:
            self._worst = error

    def _connection(self, code: int) -> TestamurError:
        if code == _AUTHENTICATION:
            return Misconfigured(f"{self.shown} refuses this user or password. Correct them in TESTAMUR_BUS.")
        if code == _SSL:
            return Misconfigured(f"TLS with {self.shown} fails. Check its certificate, and ca= in TESTAMUR_BUS.")
        return BusUnavailable(
            f"No broker answers at {self.shown}. Start it, or correct the address, security= or cert= in TESTAMUR_BUS."
        )

    def _refusal(self) -> TestamurError:
        return BusForbids(f"{self.shown} does not allow this user to do that. Name one in TESTAMUR_BUS who administers it.")

    def _sentence(self, error: KafkaException) -> TestamurError:
        code = _code(error)
        if code in _FORBIDDEN:
            return self._refusal()
        if code == KafkaError.INVALID_REPLICATION_FACTOR:
            return Misconfigured("There are fewer brokers than replicas wanted. Lower replication= in TESTAMUR_BUS.")
        if code in (KafkaError.POLICY_VIOLATION, KafkaError.INVALID_CONFIG):
            return Misconfigured(f"{self.shown} has a policy against these settings. Ask those who run it.")
        if code < 0 or code == KafkaError.REQUEST_TIMED_OUT:  # the library's own codes: of the connection, not of a broker
            return self._connection(code)
        return BusUnavailable(
            f"{self.shown} does not do that ({error.args[0].name()}). Look at the brokers' log, and repeat it."
        )


def _code(error: KafkaException) -> int:
    code: int = error.args[0].code()
    return code


def _right(binding: Any) -> Right:
    prefixed = binding.resource_pattern_type == ResourcePatternType.PREFIXED
    name = f"{binding.name}*" if prefixed else binding.name
    return Right(binding.principal, _KINDS[binding.restype], name, binding.operation.name)


def _binding(right: Right) -> Any:
    return AclBinding(
        ResourceType[right.kind.upper()],
        right.name,
        ResourcePatternType.LITERAL,
        right.principal,
        "*",
        AclOperation[right.operation],
        AclPermissionType.ALLOW,
    )

"""Kafka, MongoDB and MirrorMaker for tests: the real ones, in whichever form this machine has them.

    from tests import engines

    engines.kafka().url                      # the run's own broker, started once
    with engines.own_mongo() as mongo:       # one of this test alone, to be killed: mongo.kill(); mongo.start()
    with engines.own_kafka_cluster() as kafka:  # three brokers: kafka.leader_of(topic).kill(); own_mongo_set() likewise

Where an engine cannot be had, the test is skipped with the reason. On a shared engine each test has its own topics and
database by name. Everything here blocks; in an async test, `await asyncio.to_thread(...)`.

Read choice.py (which form), then broker.py, mongod.py, mirror.py (what is started), brokers.py, mongods.py (three of each
as one), engine.py and body.py (their verbs),
process.py and containers.py (the two forms), run.py (how all of it ends), cache.py and fetch.py (`make engines`),
plugin.py (the last lines).
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tests.engines import broker, brokers, choice, mirror, mongod, mongods
from tests.engines.body import EngineFailed
from tests.engines.broker import Kafka
from tests.engines.brokers import KafkaCluster
from tests.engines.choice import forms
from tests.engines.engine import Engine, Made, started
from tests.engines.mirror import MirrorMaker
from tests.engines.mongod import Mongo
from tests.engines.mongods import MongoSet

__all__ = [
    "Kafka",
    "KafkaCluster",
    "MirrorMaker",
    "Mongo",
    "MongoSet",
    "forms",
    "kafka",
    "mirror_maker",
    "mongo",
    "own_kafka",
    "own_kafka_cluster",
    "own_mongo",
    "own_mongo_set",
    "together",
]

Single = TypeVar("Single", bound=Engine)

_shared: dict[tuple[str, str, str], Engine | EngineFailed] = {}
_locks: defaultdict[tuple[str, str, str], threading.Lock] = defaultdict(threading.Lock)


def kafka(name: str = "main", form: str | None = None) -> Kafka:
    """A broker that the whole run shares, by name; `form` asks for `docker` or `process`.

    `main` is the one that the environment names, if it names one, in whatever form.
    """
    if (url := choice.address(choice.KAFKA)) and name == "main":
        return _once(choice.KAFKA, name, "environment", lambda: broker.foreign(url, choice.VARIABLES[choice.KAFKA]))
    picked = choice.pick(choice.KAFKA, choice.SHARED_ORDER, form)
    return _once(choice.KAFKA, name, picked, lambda: started(lambda: broker.broker(picked, {})))


def mongo(name: str = "main", form: str | None = None) -> Mongo:
    """A replica set of one member that the whole run shares, by name; `form` and the environment as for `kafka`."""
    if (url := choice.address(choice.MONGO)) and name == "main":
        return _once(choice.MONGO, name, "environment", lambda: mongod.foreign(url, choice.VARIABLES[choice.MONGO]))
    picked = choice.pick(choice.MONGO, choice.SHARED_ORDER, form)
    return _once(
        choice.MONGO, name, picked, lambda: started(lambda: mongod.mongod(picked, (), mongod.REPLICA_SET, None, ""))
    )


def own_kafka(
    *, users: Mapping[str, str] | None = None, start: bool = True, form: str | None = None, **properties: str
) -> Kafka:
    """A broker of this test alone; the caller ends it (`with`, or `discard`).

    `users` (name: password) adds a listener that asks for one, see `Kafka.url_as`. Properties have Kafka's own names:
    `own_kafka(**{"log.retention.ms": "500"})`. Without `start` it has its address and does not run yet.
    """
    picked = choice.pick(choice.KAFKA, choice.OWN_ORDER, form)
    return _own(lambda: broker.broker(picked, properties, users), start)


def own_mongo(
    *flags: str,
    replica_set: str | None = mongod.REPLICA_SET,
    user: str | None = None,
    password: str = "",
    start: bool = True,
    form: str | None = None,
) -> Mongo:
    """A MongoDB of this test alone, with further flags of mongod; the caller ends it (`with`, or `discard`).

    `replica_set` None makes a standalone. `user` and `password` make the root user, whom its `url` names; everybody is
    asked for one.
    """
    picked = choice.pick(choice.MONGO, choice.OWN_ORDER, form)
    return _own(lambda: mongod.mongod(picked, flags, replica_set, user, password), start)


def own_kafka_cluster(count: int = 3, *, form: str | None = None, **properties: str) -> KafkaCluster:
    """So many brokers as one cluster of this test alone; the caller ends it (`with`, or `discard`)."""
    picked = choice.pick(choice.KAFKA, choice.OWN_ORDER, form)
    return started(lambda: brokers.brokers(picked, count, properties))


def own_mongo_set(count: int = 3, *flags: str, form: str | None = None) -> MongoSet:
    """So many mongod as one replica set of this test alone; the caller ends it (`with`, or `discard`)."""
    picked = choice.pick(choice.MONGO, choice.OWN_ORDER, form)
    return started(lambda: mongods.mongods(picked, count, flags))


def mirror_maker(properties: str, *, start: bool = True, form: str | None = None) -> MirrorMaker:
    """A MirrorMaker of this test alone, from the text of its properties file; the caller ends it (`with`, or `discard`)."""
    picked = choice.pick(choice.MIRROR, choice.OWN_ORDER, form)
    return _own(lambda: mirror.mirror_maker(picked, properties), start)


def together(*makers: Callable[[], Made]) -> list[Made]:
    """What these make, all made at the same time: `ee, pt = together(own_kafka, own_kafka)`."""
    with ThreadPoolExecutor(len(makers)) as threads:
        return [future.result() for future in [threads.submit(maker) for maker in makers]]


def _own(make: Callable[[], Made], start: bool) -> Made:
    return started(make) if start else make()


def _once(kind: str, name: str, form: str, make: Callable[[], Single]) -> Single:
    """The engine by this name, made by the first who asks; one that could not be made is not tried again."""
    key = (kind, name, form)
    with _locks[key]:
        if key not in _shared:
            try:
                _shared[key] = make()
            except EngineFailed as failed:
                _shared[key] = failed
        known = _shared[key]
    if isinstance(known, EngineFailed):
        raise known
    return known  # type: ignore[return-value]

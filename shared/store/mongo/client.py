"""From a URL to a MongoDB client that keeps what it acknowledges, or to a sentence that says why not.

    mongodb://[user:password@]host[:port][,host[:port]...]/NAME[?option=value&...]

- A service's database is `NAME_service`; without a NAME it is `testamur_service`. A user is looked up in `admin` unless
  `authSource` says otherwise. All options are MongoDB's own, but for those that decide what is durable: they are ours.
- A replica set is needed (one member will do), since a standalone has no transactions; and MongoDB 8, for `bulkWrite`.
- What cannot heal by waiting is `Misconfigured`; what can is `StoreUnavailable`. Neither says the password.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pymongo.errors import ConnectionFailure, PyMongoError, ServerSelectionTimeoutError
from pymongo.uri_parser import parse_uri

from shared.errors import Misconfigured, TestamurError
from shared.store.mongo.errors import worded
from shared.store.mongo.idle import application
from shared.store.port import StoreUnavailable

DEFAULT_NAME = "testamur"

Connect = Callable[..., Any]
"""Makes a client from a URL and options: `AsyncMongoClient`, or Motor's."""

TIMEOUTS = {"serverSelectionTimeoutMS": 3_000, "connectTimeoutMS": 3_000, "socketTimeoutMS": 15_000}
"""Milliseconds, where the URL says nothing: nothing waits for ever for a server that is gone."""

DURABLE = {"w": "majority", "journal": True, "readConcernLevel": "majority"}
"""What is acknowledged is in the journals of most members, and what is read cannot be lost again."""

_WIRE_VERSION = 25
"""Of MongoDB 8.0, the first with `bulkWrite` over several collections."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
_FORM = "TESTAMUR_STORE has another form than mongodb://host:27017/NAME?replicaSet=rs0; correct it and start again."
_FILE = "A file that TESTAMUR_STORE names cannot be read. See that it is there and in PEM, and start again."
_STANDALONE = (
    "TESTAMUR_STORE names a standalone mongod, which has no transactions. Start it with --replSet rs0, run rs.initiate() in "
    "its shell once, and start again; or name a replica set."
)
_OTHER_SET = "The server in TESTAMUR_STORE belongs to a replica set of another name. Correct replicaSet and start again."
_OLD = "TESTAMUR_STORE names a MongoDB older than 8.0. Upgrade it and start again."
_NOT_INITIATED = "The replica set in TESTAMUR_STORE is not set up yet. Run rs.initiate() in its shell once."
_NO_PRIMARY = (
    "No primary of the replica set in TESTAMUR_STORE can be reached from here. Wait for its election; if that does not "
    "help, see that the names of its members in rs.conf() mean the same here."
)


@dataclass(frozen=True)
class MongoUrl:
    """One replica set, and how a node's databases are named there."""

    text: str = field(repr=False)
    name: str
    hosts: tuple[tuple[str, int], ...]
    options: dict[str, Any] = field(repr=False)
    """What is said to the client beside the URL."""
    given: dict[str, Any] = field(repr=False)
    """What the URL says itself."""

    @classmethod
    def parse(cls, text: str) -> MongoUrl:
        """Read the URL; `Misconfigured` with one sentence, which does not repeat it."""
        try:
            parts = parse_uri(text)
        except OSError:
            raise Misconfigured(_FILE) from None
        except (PyMongoError, ValueError):
            raise Misconfigured(_FORM) from None  # the cause may hold the password
        name = parts["database"] or DEFAULT_NAME
        if parts["collection"] or not _NAME.fullmatch(name):
            raise Misconfigured(_FORM)
        given = parts["options"]
        options: dict[str, Any] = {key: value for key, value in TIMEOUTS.items() if key not in given}
        if parts["username"] is not None and "authSource" not in given:
            options["authSource"] = "admin"
        return cls(text, name, tuple(parts["nodelist"]), {**options, **DURABLE}, given)

    def database(self, service: str) -> str:
        """The name of a service's database."""
        return f"{self.name}_{service}"


async def open_client(url: MongoUrl, service: str, connect: Connect) -> Any:
    """A client for a service's database, whose server was asked once whether it can do what a store needs."""
    try:
        client = connect(url.text, **url.options, appname=application(url.database(service)))
    except OSError:  # of TLS, too: what is in the file is no certificate
        raise Misconfigured(_FILE) from None
    except (PyMongoError, ValueError):
        raise Misconfigured(_FORM) from None
    try:
        hello = await client["admin"].command("hello")
        if (fault := _fault(hello)) is not None:
            raise fault
    except BaseException as error:
        await ready(client.close())
        if isinstance(error, ServerSelectionTimeoutError):
            raise await _why(url, connect) or worded(error) from error
        if isinstance(error, PyMongoError):
            raise worded(error) from error
        raise
    return client


def _fault(hello: dict[str, Any]) -> TestamurError | None:
    if "setName" not in hello:
        return StoreUnavailable(_NOT_INITIATED) if hello.get("isreplicaset") else Misconfigured(_STANDALONE)
    return Misconfigured(_OLD) if hello["maxWireVersion"] < _WIRE_VERSION else None


async def _why(url: MongoUrl, connect: Connect) -> TestamurError | None:
    """Ask each server by itself why no primary was found; None when none of them answers."""
    for host, port in url.hosts:
        alone = {**url.given, **url.options, "directConnection": True}
        for name in ("replicaSet", "authSource", "authMechanism", "loadBalanced"):
            alone.pop(name, None)
        client = connect(host, port, **alone)
        try:
            hello = await client["admin"].command("hello")
        except ConnectionFailure:
            continue
        except PyMongoError as error:
            return worded(error)
        finally:
            await ready(client.close())
        if (fault := _fault(hello)) is not None:
            return fault
        other = url.given.get("replicaSet", hello["setName"]) != hello["setName"]
        return Misconfigured(_OTHER_SET) if other else StoreUnavailable(_NO_PRIMARY)
    return None


async def ready(value: Any) -> Any:
    """PyMongo and Motor differ in which calls on a client or session have to be awaited."""
    return await value if inspect.isawaitable(value) else value

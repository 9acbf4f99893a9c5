"""MongoDB for tests: a replica set of one member (transactions need one), or a standalone to show that it is refused."""

from __future__ import annotations

import base64
import secrets
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from tests.engines import cache, containers
from tests.engines.body import Body, EngineFailed, Foreign
from tests.engines.engine import Engine
from tests.engines.ports import free_port
from tests.engines.process import Process
from tests.engines.run import RUN

REPLICA_SET = "rs0"
"""The name of the replica set."""
FLAGS = ("--wiredTigerCacheSizeGB", "1.0", "--setParameter", "diagnosticDataCollectionEnabled=false")
"""Small, with room in the cache for the transactions that tests fill at once (a fifth of it may be dirty), and without the
diagnostics that a server writes every second.
"""
_KEY_FILE = "/data/configdb/key"
_ALREADY_INITIALISED, _NOT_YET_REPLICATING = 23, 94
_UNAUTHORISED = 13
_ANSWER_MS = 1000


class Mongo(Engine):
    """A mongod; a standalone without `replica_set`. `url` names the server, `database(name)` what TESTAMUR_STORE takes."""

    kind = "MongoDB"

    def __init__(self, body: Body, url: str, replica_set: str | None = REPLICA_SET) -> None:
        super().__init__(body)
        self.url = url
        self._replica_set = replica_set
        self._parts = urlsplit(url)

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return self._parts.netloc.rpartition("@")[2]

    def database(self, name: str) -> str:
        """The URL of a database."""
        return urlunsplit(self._parts._replace(path=f"/{name}"))

    def answers(self) -> bool:
        """Whether it is primary, or answers as a standalone; makes the replica set and the user where there are none yet."""
        from pymongo.errors import PyMongoError

        try:
            with self.client() as client:
                hello = client.admin.command("hello")
                if self._replica_set and not hello.get("setName"):
                    self._initiate(client)
                    return False
                return bool(hello["isWritablePrimary"]) and self._has_its_user(client)
        except PyMongoError:
            return False

    def client(self) -> Any:
        """A client of this server alone, without a user."""
        from pymongo import MongoClient

        patience: dict[str, Any] = {
            "serverSelectionTimeoutMS": _ANSWER_MS,
            "connectTimeoutMS": _ANSWER_MS,
            "socketTimeoutMS": 5 * _ANSWER_MS,
        }
        return MongoClient(f"mongodb://{self.address}/?directConnection=true", **patience)

    def _initiate(self, client: Any) -> None:
        from pymongo.errors import OperationFailure

        member = {"_id": 0, "host": self.address}
        try:
            client.admin.command("replSetInitiate", {"_id": self._replica_set, "members": [member]})
        except OperationFailure as refused:
            # A member that starts again is in its set already, and knows it a moment later.
            if refused.code not in (_ALREADY_INITIALISED, _NOT_YET_REPLICATING, _UNAUTHORISED):
                raise EngineFailed(f"the replica set was refused: {refused.details}") from refused

    def _has_its_user(self, client: Any) -> bool:
        from pymongo.errors import OperationFailure

        if not self._parts.username:
            return True
        try:  # without a user there yet, a client from the same host may make the first one
            client.admin.command(
                "createUser", unquote(self._parts.username), pwd=unquote(self._parts.password or ""), roles=["root"]
            )
        except OperationFailure as refused:
            return refused.code == _UNAUTHORISED
        return True


def foreign(url: str, variable: str) -> Mongo:
    """The server that the environment names; nothing is changed on it but the databases that tests make."""
    from pymongo import MongoClient
    from pymongo.errors import PyMongoError

    try:
        with MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=3 * _ANSWER_MS) as client:
            client.admin.command("ping")
    except PyMongoError as failed:
        raise EngineFailed(f"no MongoDB answers at the address in {variable} ({type(failed).__name__})") from None
    RUN.used[Mongo.kind, Foreign.form] += 1
    return Mongo(Foreign(variable), url)


def mongod(form: str, flags: tuple[str, ...], replica_set: str | None, user: str | None, password: str) -> Mongo:
    """A server on a port of its own, not started yet. With a user, nobody comes in without one."""
    return Mongo(*_server(form, flags, replica_set, user, password), replica_set)


def member(form: str, flags: tuple[str, ...], replica_set: str) -> tuple[Body, str]:
    """The same for one of several, which reach each other: its body and its URL."""
    return _server(form, flags, replica_set, None, "", alone=False)


def _server(
    form: str, flags: tuple[str, ...], replica_set: str | None, user: str | None, password: str, *, alone: bool = True
) -> tuple[Body, str]:
    port = free_port()
    member = ("--replSet", replica_set) if replica_set else ()
    listen = containers.listen_address() if form == "docker" and alone else "127.0.0.1"
    command = ["--port", str(port), "--bind_ip", listen, *member, *FLAGS, *flags]
    body: Body = _process(command, user) if form == "process" else _container(command, [port] if alone else [], user)
    who = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user else ""
    return body, f"mongodb://{who}127.0.0.1:{port}/" + (f"?replicaSet={replica_set}" if replica_set else "")


def _process(command: list[str], user: str | None) -> Process:
    folder = RUN.folder("mongo")
    (folder / "data").mkdir()
    flags = ["--dbpath", str(folder / "data"), "--nounixsocket"]
    if user:
        key = folder / "key"
        key.write_text(_key())
        key.chmod(0o400)
        flags += ["--auth", "--keyFile", str(key)]
    return Process([str(cache.mongod()), *command, *flags], folder, cache.mongod_environment())


def _container(command: list[str], ports: list[int], user: str | None) -> containers.Container:
    secured = ["--auth", "--keyFile", _KEY_FILE] if user else []
    body = containers.Container(containers.MONGO_IMAGE, ports, [*command, *secured])
    if user:
        body.hold(_KEY_FILE, _key(), 0o400)
    return body


def _key() -> str:
    """What the members of a replica set with users share; MongoDB asks for base64."""
    return base64.b64encode(secrets.token_bytes(48)).decode()

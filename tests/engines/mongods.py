"""MongoDB for tests as a nation runs it: a replica set of several members, which elects another primary soon."""

from __future__ import annotations

from typing import Any

from tests.engines.body import EngineFailed
from tests.engines.engine import Several, eventually
from tests.engines.mongod import REPLICA_SET, Mongo, member

QUICK = {"electionTimeoutMillis": 3000, "heartbeatIntervalMillis": 500, "heartbeatTimeoutSecs": 3}
"""What shortens an election, and takes no member that is only slow for dead; MongoDB's own patience is ten seconds."""


class Member(Mongo):
    """One of several: it answers when it is primary or secondary, or waits to be told of the others."""

    initiated = False
    """Whether it was told of them."""

    def answers(self) -> bool:
        """Whether it is ready."""
        hello = self.hello()
        return bool(hello.get("isWritablePrimary") or hello.get("secondary")) if self.initiated else bool(hello)

    def is_primary(self) -> bool:
        """Whether it says that it is primary."""
        return self.body.is_alive() and bool(self.hello().get("isWritablePrimary"))

    def step_down(self) -> None:
        """Let it be primary no more for a while; it closes nothing, and another is elected."""
        with self.client() as client:
            client.admin.command({"replSetStepDown": 5, "secondaryCatchUpPeriodSecs": 2})

    def hello(self) -> dict[str, Any]:
        """What it says of itself; nothing when it does not answer."""
        from pymongo.errors import PyMongoError

        try:
            with self.client() as client:
                return dict(client.admin.command("hello"))
        except PyMongoError:
            return {}


class MongoSet(Several[Member]):
    """A replica set of several members. `url` names them all, `database(name)` is what TESTAMUR_STORE takes."""

    def __init__(self, members: list[Member]) -> None:
        super().__init__(members)
        self._addresses = [member.address for member in members]
        self.url = self._url("")

    def database(self, name: str) -> str:
        """The URL of a database."""
        return self._url(name)

    def start(self) -> None:
        """As of several engines; the first time they are told of each other. Returns when one is primary."""
        super().start()
        first = self.members[0]
        if not first.initiated:
            members = [{"_id": number, "host": address} for number, address in enumerate(self._addresses)]
            with first.client() as client:
                client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": members, "settings": QUICK})
            for member in self.members:
                member.initiated = True
        for member in self.members:
            eventually(member.answers, member)
        self.primary()

    def primary(self) -> Member:
        """The member that leads, once one does."""
        alive = next((member for member in self.members if member.body.is_alive()), None)
        if alive is None:
            raise EngineFailed("no member of the replica set runs")
        found: list[Member] = []
        eventually(lambda: found.extend(member for member in self.members if member.is_primary()) or found, alive)
        return found[-1]

    def _url(self, name: str) -> str:
        return f"mongodb://{','.join(self._addresses)}/{name}?replicaSet={REPLICA_SET}"


def mongods(form: str, count: int, flags: tuple[str, ...]) -> MongoSet:
    """A replica set of so many members, not started yet."""
    return MongoSet([Member(*member(form, flags, REPLICA_SET)) for _ in range(count)])

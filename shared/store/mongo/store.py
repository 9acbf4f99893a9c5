"""The store on MongoDB: a database a service, in a replica set.

    reads  -> reads                  many keys, one question
    writes -> writer                 one task: queue, retry, commit
                -> group             units side by side, then settled in order
                    -> transaction   one unit over what was read (snapshot)
                -> bulk              all changes in one command, with the guard
    table: how a collection lies there; client: the URL and the client; errors: the sentences
    idle: transactions whose owner will not end them

What is used of the driver is what PyMongo's asyncio client and Motor have in common, so that either may be handed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymongo import AsyncMongoClient

from shared.errors import Misconfigured
from shared.store.mongo.bulk import GUARD, GUARD_KEY
from shared.store.mongo.client import Connect, MongoUrl, open_client, ready
from shared.store.mongo.errors import in_words
from shared.store.mongo.reads import MongoReads
from shared.store.mongo.table import MongoTable, prepare_tables
from shared.store.mongo.writer import GroupWriter
from shared.store.port import Collection, T, Work

LAYOUT = 1
"""How documents lie; a database with a higher one was written by a newer version of this program."""


class MongoStore(MongoReads):
    """`Store` in one database; several of them, in one process or more, may share it. It belongs to one event loop."""

    def __init__(self, client: Any, database: str) -> None:
        tables: dict[str, MongoTable] = {}
        super().__init__(client[database], tables)
        self._client = client
        self._prepared = tables
        self._writer = GroupWriter(client, database, tables)

    async def prepare(self, collections: Sequence[Collection]) -> None:
        """Make what is missing, and the guard."""
        with in_words():
            guards = self._database[GUARD]
            guard = await guards.find_one({"_id": GUARD_KEY})
            if guard is None:  # another process may make it at the same time
                await guards.update_one({"_id": GUARD_KEY}, {"$setOnInsert": {"layout": LAYOUT, "commits": 0}}, upsert=True)
            elif guard["layout"] > LAYOUT:
                raise Misconfigured("TESTAMUR_STORE was written by a newer version of this program; start that version.")
            self._prepared.update(await prepare_tables(self._database, collections))

    async def transact(self, work: Work[T]) -> T:
        """Run `work`, in a group with whatever else waits, and return when the group is in the journals of most members."""
        return await self._writer.run(work)

    async def scrub(self) -> bool:
        """Nothing to do here: MongoDB's journal and oplog roll over by themselves, in a time that its operator sets."""
        return False

    async def close(self) -> None:
        """Commit what is queued, then let go of the sockets."""
        await self._writer.close()
        self.refuse()
        await ready(self._client.close())


async def open_mongo(
    url: str, service: str, collections: Sequence[Collection], connect: Connect = AsyncMongoClient
) -> MongoStore:
    """The service's database in the replica set that the URL names, with its collections prepared."""
    parsed = MongoUrl.parse(url)
    store = MongoStore(await open_client(parsed, service, connect), parsed.database(service))
    try:
        await store.prepare(collections)
    except BaseException:
        await store.close()
        raise
    return store

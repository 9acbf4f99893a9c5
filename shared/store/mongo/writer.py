"""Group commit: one task a store makes all that waits durable in one transaction of MongoDB.

- What is queued when the task looks is one group (`group`): its units are run, written in one command and committed.
  Nobody is answered before that. While a group commits the next one gathers.
- An error that MongoDB calls transient (another process was first, a connection broke) means that nothing was kept: the
  group is run again after a short pause of random length. An unknown result of a commit means that the commit is sent
  again, which MongoDB answers from what became of it (https://www.mongodb.com/docs/manual/core/transactions-in-applications/).
- An assumption that was wrong makes the group run again carefully, and the next groups too, since one seldom comes alone.
- What can be neither kept nor repeated is laid on those who brought it: the units of a group are then run one by one.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Mapping, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any

from pymongo import ReadPreference, WriteConcern
from pymongo.errors import ConnectionFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from shared.clock import Clock, SystemClock
from shared.store.mongo.bulk import Bulk, Refused
from shared.store.mongo.client import ready
from shared.store.mongo.errors import CLOSED, REFUSED, UNKNOWN, is_too_large, is_transient, worded
from shared.store.mongo.group import Group
from shared.store.mongo.idle import IDLE_SECONDS, end_idle
from shared.store.mongo.snapshot import DocumentKey, Snapshot
from shared.store.mongo.table import MongoTable
from shared.store.mongo.transaction import QueuedUnit
from shared.store.port import DuplicateKey, StoreUnavailable, T, Work

GROUP_UNITS = 512
"""The most units that share a commit; bounds what a failed commit takes with it."""

RETRY_SECONDS = 5.0
"""How long a group is run again, or its commit sent again, before its waiters are told."""

UNIT_SECONDS = 30.0
"""How long one attempt may take before its commit; half of what MongoDB gives a transaction."""

PAUSE_SECONDS = 0.002
"""The first pause before another attempt is up to so long; each further one up to twice the one before."""

LONGEST_PAUSE_SECONDS = 0.25

WARY_GROUPS = 16
"""So many groups are run carefully after an assumption was wrong."""

WRITE_CONCERN = WriteConcern("majority", j=True, wtimeout=10_000)
"""Kept by most members, in their journals; with a limit, after which the result is unknown and asked for again."""

SNAPSHOT = ReadConcern("snapshot")

_DUPLICATE_KEY = 11000
_ENDLESS = "A transaction took too long and was given up; nothing of it is kept. Ask for less at once."
_CLOCK = SystemClock()


class CommitUnknown(Exception):
    """The connection broke, or time ran out, while a commit was under way."""


@dataclass(eq=False)
class _Waiter:
    unit: QueuedUnit
    future: asyncio.Future[Any]


@dataclass
class _Attempts:
    """What the earlier attempts at one group have shown."""

    until: float
    look: float
    """When to look for a transaction whose owner will not end it."""
    careful: bool
    number: int = 0
    contended: bool = False
    places: set[DocumentKey] = field(default_factory=set)


class GroupWriter:
    """The one writer of a store. `run` is awaited from the event loop that the client belongs to."""

    def __init__(self, client: Any, database: str, tables: Mapping[str, MongoTable], clock: Clock = _CLOCK) -> None:
        self._client = client
        self._database = database
        self._tables = tables
        self._clock = clock
        self._queue: deque[_Waiter] = deque()
        self._task: asyncio.Task[None] | None = None
        self._wary = 0
        self._closed = False

    async def run(self, work: Work[T]) -> T:
        """Run `work` in the caller's context and return its result once that is durable.

        A waiter that is cancelled leaves its work in the queue: it may still commit.
        """
        if self._closed:
            raise StoreUnavailable(CLOSED)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiter(QueuedUnit(work, copy_context()), future))
        if self._task is None:
            self._task = asyncio.create_task(self._serve(), name="mongo-writer")
        return await future

    async def close(self) -> None:
        """Commit what is queued; closing twice is harmless."""
        self._closed = True
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _serve(self) -> None:
        """Run groups until nobody waits."""
        group: list[_Waiter] = []
        try:
            while self._queue:
                group = [self._queue.popleft() for _ in range(min(GROUP_UNITS, len(self._queue)))]
                left = await self._commit([waiter.unit for waiter in group])
                self._queue.extendleft(waiter for waiter in reversed(group) if waiter.unit in left)
                _answer([waiter for waiter in group if waiter.unit not in left])
        except BaseException as error:
            _fail([*group, *self._queue], error)
            self._queue.clear()
            raise
        finally:
            self._task = None

    async def _commit(self, units: list[QueuedUnit]) -> set[QueuedUnit]:
        """Bring a group to its commit, whatever that takes; what became of each is left in it. Returns who waits on."""
        try:
            return await self._repeat(units)
        except (Refused, PyMongoError) as error:
            if len(units) > 1 and (isinstance(error, Refused) or not is_transient(error) or is_too_large(error)):
                return await self._one_by_one(units)
            _lay(error, units)
        except CommitUnknown as error:
            _lay_words(StoreUnavailable(UNKNOWN), error, units)
        except TimeoutError as error:
            _lay_words(StoreUnavailable(_ENDLESS), error, units)
        return set()

    async def _one_by_one(self, units: list[QueuedUnit]) -> set[QueuedUnit]:
        left: set[QueuedUnit] = set()
        for unit in units:
            left |= await self._commit([unit])
        return left

    async def _repeat(self, units: list[QueuedUnit]) -> set[QueuedUnit]:
        self._wary = max(self._wary - 1, 0)
        now = self._clock.monotonic()
        attempts = _Attempts(now + RETRY_SECONDS, now + IDLE_SECONDS / 2, careful=self._wary > 0)
        while True:
            try:
                return await self._attempt(units, attempts)
            except Refused:
                if attempts.careful:
                    raise
                attempts.careful, self._wary = True, WARY_GROUPS
            except PyMongoError as error:
                parted = is_too_large(error) and len(units) > 1
                if parted or not is_transient(error) or self._clock.monotonic() > attempts.until:
                    raise
                attempts.contended = not isinstance(error, ConnectionFailure)
                await self._pause(attempts)
            attempts.number += 1

    async def _pause(self, attempts: _Attempts) -> None:
        await _pause(attempts.number)
        if attempts.contended and self._clock.monotonic() > attempts.look:
            attempts.look = self._clock.monotonic() + IDLE_SECONDS / 2
            await end_idle(self._client, self._database)

    async def _attempt(self, units: list[QueuedUnit], attempts: _Attempts) -> set[QueuedUnit]:
        session = await ready(self._client.start_session(causal_consistency=False))
        try:
            await ready(session.start_transaction(SNAPSHOT, WRITE_CONCERN, ReadPreference.PRIMARY))
            async with asyncio.timeout(UNIT_SECONDS):
                left = await self._transact(session, units, attempts)
            await self._send_commit(session)
            return left
        finally:
            await session.end_session()

    async def _transact(self, session: Any, units: list[QueuedUnit], attempts: _Attempts) -> set[QueuedUnit]:
        bulk = Bulk(self._client, self._database, self._tables, session)
        snapshot = Snapshot(self._client[self._database], session)
        group = Group(self._tables, snapshot, units, self._clock, careful=attempts.careful)
        if attempts.contended:
            await bulk.claim()
        try:
            await group.run(attempts.places)
            await group.write(bulk, claimed=attempts.contended)
        except Refused:
            attempts.places |= group.places()
            raise
        return set(group.left)

    async def _send_commit(self, session: Any) -> None:
        until, number = self._clock.monotonic() + RETRY_SECONDS, 0
        while True:
            try:
                await session.commit_transaction()
            except PyMongoError as error:
                if error.has_error_label("TransientTransactionError") or is_too_large(error):
                    raise
                if not error.has_error_label("UnknownTransactionCommitResult") or self._clock.monotonic() > until:
                    raise CommitUnknown from error
            else:
                return
            await _pause(number)
            number += 1


async def _pause(number: int) -> None:
    longest = min(PAUSE_SECONDS * 2 ** min(number, 16), LONGEST_PAUSE_SECONDS)
    await asyncio.sleep(random.uniform(0, longest))  # noqa: S311 - it spreads rivals and guards nothing


def _lay(error: Refused | PyMongoError, units: Sequence[QueuedUnit]) -> None:
    """Nothing of a group was kept, for this reason."""
    if isinstance(error, PyMongoError):
        _lay_words(worded(error), error, units)
    elif error.code == _DUPLICATE_KEY:
        _lay_words(DuplicateKey(), error, units)
    else:
        _lay_words(StoreUnavailable(REFUSED), error, units)


def _lay_words(words: Exception, cause: BaseException, units: Sequence[QueuedUnit]) -> None:
    words.__cause__ = cause
    for unit in units:
        unit.error = words


def _answer(waiters: Sequence[_Waiter]) -> None:
    for waiter in waiters:
        if waiter.future.done():  # its task was cancelled meanwhile
            continue
        if waiter.unit.error is None:
            waiter.future.set_result(waiter.unit.result)
        else:
            waiter.future.set_exception(waiter.unit.error)


def _fail(waiters: Sequence[_Waiter], error: BaseException) -> None:
    """The task itself ended: nobody may be left waiting."""
    for waiter in waiters:
        if not waiter.future.done():
            words = StoreUnavailable(UNKNOWN)
            words.__cause__ = error
            waiter.future.set_exception(words)

"""Group commit: one thread owns the write connection, and makes all that waits durable with one sync of the disk.

- What is queued runs in order inside one `BEGIN IMMEDIATE`, each step in a savepoint of its own: a step that raises is
  rolled back alone (https://sqlite.org/lang_savepoint.html).
- No waiter is answered before the commit of its group. If that fails, every waiter of the group fails.
- After a write error nothing is tried again: what a disk holds after a failed sync is unknown until the file is
  opened anew, so every later call is refused until the process restarts.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import Any, TypeVar

from shared.clock import Clock, SystemClock
from shared.errors import Unavailable
from shared.sqlite.file import is_fatal

T = TypeVar("T")
Step = Callable[[sqlite3.Connection], T]
"""What one waiter wants done on the write connection, inside the group's transaction."""

GROUP_STEPS = 512
"""The most steps that share a commit; bounds what a failed commit takes with it."""

GROUP_SECONDS = 0.05
"""No step joins a group that has run this long, so that the first one in it is answered in time."""

_CLOSED = "It was closed; start this service again."
_BUSY = "Another process holds the file; repeat the request."
_BROKEN = "The disk refused a write; see that it has space and is sound, then restart this service."
_CLOCK = SystemClock()


@dataclass(slots=True, eq=False)
class _Waiter:
    step: Step[Any]
    context: Context
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None


class Writer:
    """The one writer of a file. `run` may be awaited from any event loop; `unavailable` is the error that it raises."""

    def __init__(self, connection: sqlite3.Connection, unavailable: type[Unavailable], clock: Clock = _CLOCK) -> None:
        self._connection = connection
        self._unavailable = unavailable
        self._clock = clock
        self._refusal: str | None = None
        self._broken: sqlite3.Error | None = None
        self._closing = False
        self._queue: queue.SimpleQueue[_Waiter | None] = queue.SimpleQueue()
        # A daemon: what was acknowledged is durable already, and a forgotten `close` must not keep the process alive.
        self._thread = threading.Thread(target=self._serve, name="sqlite-writer", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise the unavailable error when the file was closed or a write to it has failed."""
        if self._refusal is not None:
            raise self._unavailable(self._refusal)

    async def run(self, step: Step[T]) -> T:
        """Run `step` on the writer's thread, in the caller's context, and return its result once that is durable.

        A waiter that is cancelled leaves its step in the queue: it may still commit.
        """
        self.check()
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put(_Waiter(step, copy_context(), future))
        return await future

    async def close(self) -> None:
        """Commit what is queued, then close the connection; closing twice is harmless."""
        self._refusal = self._refusal or _CLOSED
        if not self._closing:
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        self._connection.close()

    def _serve(self) -> None:
        while not self._closing:
            waiter = self._queue.get()
            if waiter is None:
                return
            self._answer(self._commit(waiter))

    def _commit(self, first: _Waiter) -> list[_Waiter]:
        """Run one group to its commit; what became of each is left in the waiters."""
        waiters: list[_Waiter] = []
        execute = self._connection.execute
        queued = self._queued(first)
        try:
            if self._broken is not None:
                raise self._broken
            execute("BEGIN IMMEDIATE")
            for waiter in queued:
                waiters.append(waiter)
                self._run(waiter)
            execute("COMMIT")
        except sqlite3.Error as error:
            waiters.extend(queued)
            self._fail(waiters, error)
        return waiters

    def _queued(self, first: _Waiter) -> Iterator[_Waiter]:
        yield first
        until = self._clock.monotonic() + GROUP_SECONDS
        for _ in range(GROUP_STEPS - 1):
            try:
                waiter = self._queue.get_nowait()
            except queue.Empty:
                return
            if waiter is None:
                self._closing = True
                return
            yield waiter
            if self._clock.monotonic() > until:
                return

    def _run(self, waiter: _Waiter) -> None:
        execute = self._connection.execute
        execute("SAVEPOINT step")
        try:
            waiter.result = waiter.context.run(waiter.step, self._connection)
        except BaseException as error:
            if isinstance(error, sqlite3.Error) and is_fatal(error):
                raise
            waiter.error = error
            execute("ROLLBACK TO step")
        # Fails, and with it the group, where SQLite itself has rolled the transaction back.
        execute("RELEASE step")

    def _fail(self, waiters: list[_Waiter], error: sqlite3.Error) -> None:
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        if is_fatal(error):
            self._broken, self._refusal = error, _BROKEN
        for waiter in waiters:
            waiter.error = self._unavailable(self._refusal or _BUSY)
            waiter.error.__cause__ = error

    def _answer(self, waiters: list[_Waiter]) -> None:
        """Wake each event loop once for its share of the group."""
        shares: dict[asyncio.AbstractEventLoop, list[_Waiter]] = {}
        for waiter in waiters:
            shares.setdefault(waiter.future.get_loop(), []).append(waiter)
        for loop, share in shares.items():
            with suppress(RuntimeError):  # the loop was closed; nobody waits there any more
                loop.call_soon_threadsafe(_deliver, share)


def _deliver(waiters: list[_Waiter]) -> None:
    for waiter in waiters:
        if waiter.future.done():  # its task was cancelled meanwhile
            continue
        if waiter.error is None:
            waiter.future.set_result(waiter.result)
        else:
            waiter.future.set_exception(waiter.error)

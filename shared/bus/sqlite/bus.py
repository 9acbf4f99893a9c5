"""The bus on SQLite: one file a node, no server.

- Delivery is at least once: a consumer's place lives in memory and moves as it polls; a new one starts at the
  committed one.
- An append in this process wakes the waiting consumers at once; another process's is seen within `REFRESH_SECONDS`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from shared.bus.port import Message, Record
from shared.bus.sqlite.log import SqliteLog
from shared.sqlite.file import directory_of

REFRESH_SECONDS = 0.1
"""Seconds between two looks at the file for what another process appended."""

SLICE_RECORDS = 500
"""Records read before the event loop gets its turn, a millisecond or two."""


class Bell:
    """Wakes all that wait in this process; safe to ring from any thread."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def ring(self) -> None:
        """Wake all that wait now."""
        for waiter in tuple(self._waiting):
            waiter.get_loop().call_soon_threadsafe(_wake, waiter)

    async def wait(self, seconds: float) -> None:
        """Return at the next ring, or after this long."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiting.add(waiter)
        alarm = loop.call_later(seconds, _wake, waiter)
        try:
            await waiter
        finally:
            alarm.cancel()
            self._waiting.discard(waiter)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class SqliteConsumer:
    """`Consumer` over the file."""

    def __init__(self, log: SqliteLog, bell: Bell, name: str) -> None:
        self._log = log
        self._bell = bell
        self._name = name
        self._places: dict[str, int] = {}
        self._closed = False

    def follow(self, topics: Sequence[str]) -> None:
        """Read these topics from now on; one that was followed already goes on from its place."""
        committed = self._log.positions(self._name)
        self._places = {topic: self._places.get(topic, committed.get(topic, 0)) for topic in topics}

    async def poll(self, limit: int, wait: float) -> list[Record]:
        """Up to `limit` next records, the first topics first; waits at most `wait` seconds for one."""
        records = await self._read(limit)
        if records or wait <= 0:
            return records
        try:
            async with asyncio.timeout(wait):
                while not self._closed and not self._has_more():
                    await self._bell.wait(REFRESH_SECONDS)
        except TimeoutError:
            return []
        return await self._read(limit)

    async def commit(self, offsets: Mapping[str, int]) -> None:
        """Set the committed positions, durably."""
        await self._log.save_positions(self._name, offsets)

    async def seek(self, topic: str, offset: int) -> None:
        """Read on after `offset`."""
        if topic not in self._places:
            raise LookupError("a consumer seeks on a topic that it follows")
        self._places = {**self._places, topic: offset}

    async def lag(self) -> dict[str, int]:
        """Records behind the committed position, by followed topic."""
        committed = self._log.positions(self._name)
        return {topic: self._log.end(topic) - committed.get(topic, 0) for topic in self._places}

    async def close(self) -> None:
        """Stop reading; a poll that waits returns empty."""
        self._closed = True
        self._bell.ring()

    def _has_more(self) -> bool:
        return any(self._log.end(topic) > place for topic, place in self._places.items())

    async def _read(self, limit: int) -> list[Record]:
        """A slice at a time; places move only when all is read, so a cancelled poll skips nothing."""
        records: list[Record] = []
        started = self._places
        places = dict(started)
        for topic in places:
            while not self._closed and (wanted := min(limit - len(records), SLICE_RECORDS)) > 0:
                got = self._log.read(topic, places[topic], wanted)
                if not got:
                    break
                records += got
                places[topic] = got[-1].offset
                if len(got) == SLICE_RECORDS:
                    await asyncio.sleep(0)
        if self._places is started:  # nobody sought or followed anew between two slices
            self._places = places
        return records


class _OpenFile:
    """One file and its bell, for all the buses of this process on it: their appends share commits and wake each other."""

    def __init__(self, path: Path) -> None:
        self.log = SqliteLog(path)
        self.bell = Bell()
        self.users = 0


_open_files: dict[Path, _OpenFile] = {}


class SqliteBus:
    """`Bus` in one file; several of them, in one process or more, may share it."""

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()
        if self._path not in _open_files:
            _open_files[self._path] = _OpenFile(self._path)
        self._file = _open_files[self._path]
        self._file.users += 1
        self._closed = False

    async def append(self, topic: str, messages: Sequence[Message]) -> int:
        """Append in this order; the last one's offset once all are on the disk."""
        last = await self._file.log.append(topic, messages)
        self._file.bell.ring()
        return last

    async def end(self, topic: str) -> int:
        """The last offset of a topic, 0 when it is empty."""
        return self._file.log.end(topic)

    def consumer(self, name: str) -> SqliteConsumer:
        """A reader of that name, which follows nothing yet."""
        return SqliteConsumer(self._file.log, self._file.bell, name)

    async def close(self) -> None:
        """Commit what is queued; the last bus on the file closes it. Closing twice is harmless."""
        if self._closed:
            return
        self._closed = True
        self._file.users -= 1
        if self._file.users == 0:
            del _open_files[self._path]
            await self._file.log.close()


async def open_sqlite(url: str) -> SqliteBus:
    """The file `bus.db` in the folder that the URL names."""
    return SqliteBus(directory_of(url, "TESTAMUR_BUS") / "bus.db")

"""Following a neighbour's log over HTTP: how nodes without a broker federate, and how holes are filled behind one.

- `GET <node>/registry/log/{stream}?after=N` long-polls for pages of entries. They are appended to this node's bus as
  the bytes that came, under their origin's topic, and treated like a stranger's from there on.
- It asks on from where the inbox stands. When the inbox does not come along (a hole, a forged entry), it starts again
  from the inbox's position, after longer and longer pauses, and asks the other members that hold the same log in
  turn.
- The sequences in a page are not verified yet, so no answer leads us away for long.
- Of a page of checkpoints only the newest is taken: it tells all that the others do.
- A member that stands in for an origin is asked for a moment only: news comes from the origin first.
- A node whose topics a mirror brings is asked only how far its log has come, by a long poll for its checkpoints. A
  chain is fetched only when the mirror is overdue with it (`mirror_watch`). A checkpoint that the mirror brings too
  is not put on the bus a second time. If the mirror does not bring one in time, it is taken to bring nothing: the
  entries that this checkpoint names are fetched at once.
- A suspended node is not followed. Whatever a neighbour sends, its other streams and the other neighbours go on.
- This node's own topics are never followed: an entry that claims to be ours and comes from outside is dropped, with
  an alarm.
- A budget of entries and bytes an origin bounds what a neighbour can make us store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from collections.abc import Set as AbstractSet

from shared.bus.port import Bus
from shared.clock import Clock
from shared.errors import TestamurError
from shared.events.base import CHECKPOINTS, PUBLIC
from shared.federation.log_client import LogClient, LogNotServed, LogPage, PageRequest
from shared.federation.mirror_watch import GRACE_LOOKS, LATE_LOOKS, LOOK_SECONDS, WELL_LOOKS, ChainWatch
from shared.home.membership import Membership
from shared.ids import topic_name
from shared.inbox.inbox import Inbox
from shared.tasks.backoff import pause_after
from shared.tasks.supervised import ended
from shared.telemetry import get_logger
from shared.trust.nodes import Node

LONG_POLL_SECONDS = 25.0
"""Seconds that a neighbour may keep us waiting for news."""

SETTLE_SECONDS = 2.0
"""Seconds within which the inbox should have taken in what was fetched."""

INBOX_WAIT_SECONDS = 0.05
"""Seconds between looks at an inbox that is still busy with what was fetched."""

RETRY_SECONDS = (0.2, 1.0, 5.0, 15.0, 60.0)
"""Seconds between tries at a neighbour that does not help; the last one is repeated."""

EMPTY_PAGE_SECONDS = 0.5
"""Seconds that an empty page takes at least: a neighbour that answers at once instead of waiting is not asked in a loop."""

AHEAD_ENTRIES = 10_000
"""How many entries fetching may be ahead of the inbox (`ordering.MOST_PENDING`): more would be stored and of no use yet."""

BYTES_A_SECOND = 32 * 1024 * 1024
"""Bytes a second that one stream of one origin may bring, averaged over a page."""

_log = get_logger("follow")


class Follower:
    """Follows every neighbour's public streams."""

    def __init__(
        self,
        bus: Bus,
        inbox: Inbox,
        membership: Membership,
        log_client: LogClient,
        clock: Clock,
        *,
        mirrored: AbstractSet[str] = frozenset(),
        reading: Callable[[], bool] = lambda: False,
    ) -> None:
        """`mirrored` are the nodes whose topics a mirror brings; `reading()`: whether this node's bus holds a backlog."""
        self._bus = bus
        self._inbox = inbox
        self._membership = membership
        self._log_client = log_client
        self._clock = clock
        self._mirrored = mirrored
        self._reading = reading
        self._not_mirrored: dict[str, int] = {}
        self._troubles: dict[str, str] = {}

    def trouble(self, origin: str) -> str | None:
        """Why a node's news cannot be had as it should be, for its operator; None when all is well."""
        refused = self._troubles.get(origin)
        if refused and origin in self._mirrored:
            return f"Its log does not answer over HTTP: only the mirror brings its news, and may leave some out. {refused}"
        if origin in self._not_mirrored:
            return "The mirror does not bring its news in time; it comes over HTTP. Look at the mirror."
        return refused

    async def run(self) -> None:
        """Follow every active node of the federation list, until cancelled."""
        tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        try:
            while True:
                self._membership.reload()
                active = [node for node in self._membership.neighbours() if node.status == "active"]
                wanted = {(node.name, stream) for node in active for stream in PUBLIC}
                for key in tasks.keys() - wanted:
                    tasks.pop(key).cancel()
                for key in [key for key, task in tasks.items() if task.done()]:
                    (failed,) = await asyncio.gather(tasks.pop(key), return_exceptions=True)
                    _log.error("following a log ended; it begins again", origin=key[0], stream=key[1], error=repr(failed))
                for key in wanted - tasks.keys():
                    tasks[key] = asyncio.create_task(self._follow(*key), name=f"follow {key}")
                await asyncio.sleep(1.0)
        finally:
            await ended(tasks.values())

    async def _follow(self, origin: str, stream: str) -> None:
        """Fetch page after page. `cursor` is the sequence to ask on from; `applied` is how far the inbox has come, since the
        moment `moved`; `attempt` counts the tries since then that did not help.
        """
        cursor, applied, moved, attempt = 0, -1, self._clock.monotonic(), 0
        while True:
            if self._is_left_to_mirror(origin, stream) and cursor <= self._reached(origin, stream):
                await self._until_overdue(origin, stream)
            if self._reached(origin, stream) != applied:
                applied, moved, attempt = self._reached(origin, stream), self._clock.monotonic(), 0
            hopeless = self._is_contradictory(origin)
            stuck = cursor > applied and self._clock.monotonic() - moved > SETTLE_SECONDS and not hopeless
            if cursor - applied > AHEAD_ENTRIES and not stuck and not hopeless:
                await asyncio.sleep(INBOX_WAIT_SECONDS)
                continue
            cursor = applied if stuck else max(cursor, applied)
            try:
                cursor = await self._page(origin, stream, cursor, patient=not stuck, attempt=attempt)
            except Exception as error:  # noqa: BLE001 - whatever a neighbour sends, following must go on
                self._troubles[origin] = _trouble(error)
                await asyncio.sleep(pause_after(attempt, RETRY_SECONDS))
                attempt += 1
                continue
            if stuck:
                await asyncio.sleep(pause_after(attempt, RETRY_SECONDS))
                attempt, moved = attempt + 1, self._clock.monotonic()
            elif cursor <= applied:
                attempt = 0

    def _is_left_to_mirror(self, origin: str, stream: str) -> bool:
        """Whether a mirror brings this chain. Of a log that contradicts itself nothing can be known to be missing: it is
        followed like any other's.
        """
        return origin in self._mirrored and stream != CHECKPOINTS.name and not self._is_contradictory(origin)

    async def _until_overdue(self, origin: str, stream: str) -> None:
        """Leave a chain to the mirror, until it is overdue with something."""
        watch = ChainWatch()
        while self._is_left_to_mirror(origin, stream):
            view, reading = self._inbox.origin(origin), self._reading()
            reaches = view.reaches(stream)
            brings_nothing = not reading and self._not_mirrored.get(origin) == view.checkpoint_seq
            overdue = watch.is_overdue(view.position(stream)[:2], reaches, reading=reading)
            if overdue or (brings_nothing and reaches is not None):
                _log.warning("the mirror left something out; the log is asked for over HTTP", origin=origin, stream=stream)
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def _is_mirrored_in_time(self, origin: str, seq: int) -> bool:
        """Whether a mirror brings a checkpoint in its time. If so, there is no hurry to ask for the next one."""
        looks = 0
        while self._reached(origin, CHECKPOINTS.name) < seq:
            if looks >= (LATE_LOOKS if self._reading() else GRACE_LOOKS):
                self._not_mirrored[origin] = seq
                return False
            await asyncio.sleep(LOOK_SECONDS)
            looks += 1
        self._not_mirrored.pop(origin, None)
        await asyncio.sleep(WELL_LOOKS * LOOK_SECONDS)
        return True

    def _reached(self, origin: str, stream: str) -> int:
        """How far the inbox has come; on checkpoints, which are no chain, the newest one that it took."""
        view = self._inbox.origin(origin)
        return view.checkpoint_seq if stream == CHECKPOINTS.name else view.seq(stream)

    def _is_contradictory(self, origin: str) -> bool:
        """Whether the inbox stands still because the log contradicts itself: fetching again would not help."""
        return self._inbox.origin(origin).contradictory

    async def _page(self, origin: str, stream: str, after: int, *, patient: bool, attempt: int) -> int:
        """Fetch one page and append it; returns the sequence to ask on from."""
        holder = self._holder(origin, attempt)
        # a short poll while the inbox has yet to come along, so that a hole is seen without waiting for news
        settled = holder.name == origin and after <= self._reached(origin, stream)
        is_news = settled and not self._is_left_to_mirror(origin, stream)
        wait = (LONG_POLL_SECONDS if is_news else SETTLE_SECONDS) if patient else 0.0
        asked = self._clock.monotonic()
        epoch = self._inbox.origin(origin).position(stream).epoch
        page = await self._log_client.ask(holder, PageRequest(origin, stream, epoch, after, wait))
        if holder.name == origin:
            self._troubles.pop(origin, None)
        if not page.entries:
            await asyncio.sleep(max(page.size / BYTES_A_SECOND, EMPTY_PAGE_SECONDS - (self._clock.monotonic() - asked)))
            return after
        reached = await self._append(origin, stream, page)
        if stream != CHECKPOINTS.name:
            reached = min(reached, after + len(page.entries))  # a chain has no gaps
        await asyncio.sleep(page.size / BYTES_A_SECOND)
        if reached <= after:
            raise LogNotServed(f"{holder.name} sent nothing that goes on from {after} on {stream}.")
        return reached

    async def _append(self, origin: str, stream: str, page: LogPage) -> int:
        newest, reached = max(page.entries, key=lambda one: one[1])
        taken = [message for message, _ in page.entries]
        if stream == CHECKPOINTS.name:
            mirrored = origin in self._mirrored and await self._is_mirrored_in_time(origin, reached)
            taken = [] if mirrored else [newest]
        if taken:
            await self._bus.append(topic_name(origin, stream), taken)
        return reached

    def _holder(self, origin: str, attempt: int) -> Node:
        """The node to ask: the origin; after a failure each other member in turn, since every one holds every log."""
        others = [node for node in self._membership.neighbours() if node.name != origin and node.status == "active"]
        node = self._membership.node(origin)
        candidates = [*([node] if node else []), *others]
        return candidates[attempt % len(candidates)]


def _trouble(error: Exception) -> str:
    if isinstance(error, TestamurError):
        return error.detail
    _log.error("following a log failed", error=type(error).__name__)
    return "Its answer could not be taken in. Look at the log of this node."

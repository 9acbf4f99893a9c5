"""Following a neighbour's log over HTTP: how nodes without a broker federate, and how holes are filled behind one.

- `GET <node>/registry/log/{stream}?after=N` long-polls for pages of entries; they are appended to the local bus as the bytes
  that came, under their origin's topic, and treated like a stranger's from there on.
- It asks on from where the inbox stands. When the inbox does not come along (a hole, a torn entry), it starts again from
  the inbox's position, after longer and longer pauses, and asks the other members that hold the same log in turn.
- Nobody's word counts for how far that is: the places in a page are not verified yet, so none leads us away for long.
- Of a page of checkpoints only the newest is taken: the others tell nothing that it does not.
- Whoever stands in for an origin is asked for a moment only: news comes from the origin first.
- A suspended node is not followed. Whatever a neighbour sends, its other streams and the other neighbours go on.
- Own topics are never followed: what claims to be ours and comes from outside is dropped and alarmed.
- A budget of entries and bytes an origin bounds what a neighbour can make us store.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from shared.bus.inbox import Inbox
from shared.bus.membership import Membership
from shared.bus.port import Bus, Message
from shared.clock import Clock
from shared.errors import TestamurError
from shared.events.base import CHECKPOINTS, PUBLIC
from shared.events.entry import MAX_ENTRY_BYTES, message_headers, parse
from shared.ids import topic_name
from shared.jose import strict_json
from shared.telemetry import get_logger
from shared.trust.nodes import Node

PAGE = 500
LONG_POLL = 25.0
"""Seconds that a neighbour may keep us waiting for news."""

MAX_PAGE_BYTES = 8 * 1024 * 1024
SETTLE = 2.0
"""Seconds within which the inbox should have taken in what was fetched."""

BACKOFF = (0.2, 1.0, 5.0, 15.0, 60.0)
EMPTY = 0.5
"""Seconds that an empty page takes at least: a neighbour that answers at once instead of waiting is not asked in a loop."""

AHEAD = 10_000
"""How many entries fetching may be ahead of the inbox (`ordering.PENDING_CAP`): more would be stored and of no use yet."""

BUDGET_BYTES = 32 * 1024 * 1024
"""Bytes a second that one stream of one origin may bring, averaged over a page."""

TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context, version 0; what looks otherwise is left out."""

_log = get_logger("follow")


class Answer(Protocol):
    """What fetching returns."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def body(self) -> bytes:
        """The whole body."""
        ...


class Fetch(Protocol):
    """The one way out (`shared.web.fetch.Fetcher`)."""

    async def get(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - a deadline over the whole exchange
        max_bytes: int | None = None,
    ) -> Answer:
        """Fetch a URL within a deadline and a size."""
        ...


class Follower:
    """Follows every neighbour's public streams."""

    def __init__(
        self,
        bus: Bus,
        inbox: Inbox,
        membership: Membership,
        fetch: Fetch,
        token: Callable[[str], str],
        clock: Clock,
    ) -> None:
        """`token(node)` mints a node token for that node."""
        self._bus = bus
        self._inbox = inbox
        self._membership = membership
        self._fetch = fetch
        self._token = token
        self._clock = clock
        self.heard_of: dict[str, str] = {}

    async def run(self) -> None:
        """Follow whoever the federation list names, until cancelled."""
        tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        try:
            while True:
                self._membership.reload()
                active = [node for node in self._membership.neighbours() if node.status == "active"]
                wanted = {(node.name, stream) for node in active for stream in PUBLIC}
                for key in tasks.keys() - wanted:
                    tasks.pop(key).cancel()
                for key in wanted - tasks.keys():
                    tasks[key] = asyncio.create_task(self._follow(*key), name=f"follow {key}")
                await asyncio.sleep(1.0)
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)

    async def _follow(self, origin: str, stream: str) -> None:
        cursor, stood, moved, attempt = 0, -1, self._clock.monotonic(), 0
        while True:
            standing = self._standing(origin, stream)
            if standing != stood:
                stood, moved, attempt = standing, self._clock.monotonic(), 0
            stuck = cursor > standing and self._clock.monotonic() - moved > SETTLE and not self._is_torn(origin)
            if cursor - standing > AHEAD and not stuck and not self._is_torn(origin):
                await asyncio.sleep(0.05)
                continue
            cursor = standing if stuck else max(cursor, standing)
            try:
                cursor = await self._page(origin, stream, cursor, patient=not stuck, attempt=attempt)
            except Exception as error:  # noqa: BLE001 - whatever a neighbour sends, following must go on
                self.heard_of[origin] = _trouble(error)
                await asyncio.sleep(BACKOFF[min(attempt, len(BACKOFF) - 1)])
                attempt += 1
                continue
            if stuck:
                await asyncio.sleep(BACKOFF[min(attempt, len(BACKOFF) - 1)])
                attempt, moved = attempt + 1, self._clock.monotonic()
            elif cursor <= standing:
                attempt = 0

    def _standing(self, origin: str, stream: str) -> int:
        """How far the inbox has come; on checkpoints, which are no chain, the newest one that it took."""
        view = self._inbox.origin(origin)
        return view.checkpoint_seq if stream == CHECKPOINTS.name else view.seq(stream)

    def _is_torn(self, origin: str) -> bool:
        """Whether the inbox stands still because the log contradicts itself; fetching again would not help."""
        return self._inbox.origin(origin).contradictory

    async def _page(self, origin: str, stream: str, after: int, *, patient: bool, attempt: int) -> int:
        """Fetch one page and append it; returns the sequence to ask on from."""
        holder = self._holder(origin, attempt)
        epoch = self._epoch(origin, stream)
        # a short poll while the inbox has yet to come along, so that a hole is seen without waiting for news
        settled = holder.name == origin and after <= self._standing(origin, stream)
        wait = (LONG_POLL if settled else SETTLE) if patient else 0.0
        url = (
            f"{holder.url.rstrip('/')}/registry/log/{stream}"
            f"?origin={origin}&epoch={epoch}&after={after}&limit={PAGE}&wait={wait:g}"
        )
        headers = {"Authorization": f"Bearer {self._token(holder.name)}", "Accept": "application/json"}
        asked = self._clock.monotonic()
        answer = await self._fetch.get(url, headers, timeout=wait + 10.0, max_bytes=MAX_PAGE_BYTES)
        if answer.status != 200:
            raise LogNotServed(f"{holder.name} answered {answer.status} for {stream}. Its operator may need to look.")
        self.heard_of.pop(origin, None)
        entries = list(_entries(answer.body))
        if not entries:
            await asyncio.sleep(max(0.0, EMPTY - (self._clock.monotonic() - asked)))
            return after
        reached = await self._append(origin, stream, entries)
        if stream != CHECKPOINTS.name:
            reached = min(reached, after + len(entries))  # a chain has no gaps
        await asyncio.sleep(len(answer.body) / BUDGET_BYTES)
        if reached <= after:
            raise LogNotServed(f"{holder.name} sent nothing that goes on from {after} on {stream}.")
        return reached

    async def _append(self, origin: str, stream: str, entries: list[tuple[str, str]]) -> int:
        topic = topic_name(origin, stream)
        read = [_message(raw, trace, topic) for raw, trace in entries]
        newest = max(read, key=lambda one: one[1])
        taken = [newest] if stream == CHECKPOINTS.name else read
        await self._bus.append(topic, [message for message, _ in taken])
        return newest[1]

    def _holder(self, origin: str, attempt: int) -> Node:
        """Whom to ask: the origin; after a failure, each other member in turn, since every one holds every log."""
        others = [node for node in self._membership.neighbours() if node.name != origin and node.status == "active"]
        node = self._membership.node(origin)
        candidates = [*([node] if node else []), *others]
        return candidates[attempt % len(candidates)]

    def _epoch(self, origin: str, stream: str) -> int:
        position = self._inbox.origin(origin).positions.get(stream)
        return position.epoch if position else 1


class LogNotServed(TestamurError):
    """503: a neighbour did not serve its log."""

    status = 503
    title = "A neighbour does not serve its log."


def _trouble(error: Exception) -> str:
    if isinstance(error, TestamurError):
        return error.detail
    _log.error("following a log failed", error=type(error).__name__)
    return "Its answer could not be taken in. Look at the log of this node."


def _entries(body: bytes) -> Iterator[tuple[str, str]]:
    """The entries of a page, each with the trace context that came beside it."""
    page: Any = strict_json.loads(body)
    entries = page.get("entries") if isinstance(page, dict) else None
    if not isinstance(entries, list) or len(entries) > PAGE or not all(isinstance(one, str) for one in entries):
        raise LogNotServed("The page is not what a log serves: a list of compact entries.")
    traces = page.get("traces")
    beside = traces if isinstance(traces, list) and len(traces) == len(entries) else [""] * len(entries)
    for entry, trace in zip(entries, beside, strict=True):
        yield entry, trace if isinstance(trace, str) and TRACEPARENT.fullmatch(trace) else ""


def _message(raw: str, trace: str, topic: str) -> tuple[Message, int]:
    """An entry as a bus message; bytes that are no entry are passed on as they are, for the inbox to refuse and keep."""
    try:
        entry = parse(raw)
    except TestamurError:
        return Message("", raw.encode("utf-8", "surrogatepass")[:MAX_ENTRY_BYTES], ()), 0
    place = entry.envelope
    return Message(place.sub, entry.token.payload, message_headers(entry, trace)), place.seq if place.top == topic else 0

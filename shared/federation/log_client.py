"""Asking a registry for a page of a log: `GET <node>/registry/log/{stream}?after=N`, with a node token.

What comes is bytes: an entry becomes a bus message as it is, and is judged like any stranger's when it is taken in.
- A page is refused unparsed when it holds more brackets or commas than so many entries explain, or any escape.
- It is refused when its bytes are not its entries': a node that sends megabytes has to send entries, which the budget
  counts.
- A large page is taken apart in a thread, so that the node goes on answering.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from shared.bus.port import Message
from shared.clock import Clock
from shared.errors import TestamurError
from shared.events.entry import MAX_ENTRY_BYTES, message_headers, parse
from shared.home.folder import Home
from shared.ids import topic_name
from shared.jose import strict_json
from shared.trust import node_token
from shared.trust.nodes import Node

PAGE_ENTRIES = 500
"""Entries of one page at most."""
MAX_PAGE_BYTES = 8 * 1024 * 1024
"""Bytes of one page at most."""
MOST_CONTAINERS = 8
"""Objects and lists on a page: itself, its entries, their traces and its head are four."""
MOST_COMMAS = 2 * PAGE_ENTRIES + 32
"""Commas on a page: between its entries, between their traces, between its members."""
FRAME_BYTES = 4 * 1024
"""Bytes of a page beside its entries."""
ENTRY_FRAME_BYTES = 128
"""Bytes beside each entry: quotes, a comma, a trace context, spaces."""
THREAD_BYTES = 64 * 1024
"""Bytes of a page from which on it is taken apart in a thread."""

ANSWER_SECONDS = 10.0
"""Seconds for an answer, beyond those that the registry was asked to wait for news."""

TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context, version 0; what looks otherwise is left out."""


class LogNotServed(TestamurError):
    """503: a registry did not serve a log."""

    status = 503
    title = "A registry does not serve its log."


class Fetched(Protocol):
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
    """The one way out (`shared.web.outgoing.fetch.Fetcher`)."""

    async def get(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - a deadline over the whole exchange
        max_bytes: int | None = None,
    ) -> Fetched:
        """Fetch a URL within a deadline and a size."""
        ...


class PageRequest(NamedTuple):
    """Which page: of whose log, after which sequence of which epoch, how many seconds to wait for its first entry, and how
    many entries at most.
    """

    origin: str
    stream: str
    epoch: int
    after: int
    wait: float = 0.0
    limit: int = PAGE_ENTRIES


class LogPage(NamedTuple):
    """What came: messages, each with the sequence that it claims on that topic (0: none), and the page's size in bytes."""

    entries: tuple[tuple[Message, int], ...]
    size: int


class LogClient:
    """Asks registries for pages of logs."""

    def __init__(self, fetch: Fetch, token: Callable[[str], str]) -> None:
        """`token(node)` mints a node token for that node."""
        self._fetch = fetch
        self._token = token

    @classmethod
    def of(cls, home: Home, fetch: Fetch, clock: Clock) -> LogClient:
        """Asking in the name of the node of that folder."""
        settings = home.settings

        def token(audience: str) -> str:
            signer, certificate = home.certified("node-token")
            fed, me, now = settings.federation, settings.node, clock.now()
            return node_token.mint(signer, certificate, federation=fed, node=me, audience=audience, now=now)

        return cls(fetch, token)

    async def ask(self, holder: Node, wanted: PageRequest) -> LogPage:
        """One page from `holder`; raises `LogNotServed` or what fetching raises."""
        url = (
            f"{holder.url.rstrip('/')}/registry/log/{wanted.stream}"
            f"?origin={wanted.origin}&epoch={wanted.epoch}&after={wanted.after}&limit={wanted.limit}&wait={wanted.wait:g}"
        )
        headers = {"Authorization": f"Bearer {self._token(holder.name)}", "Accept": "application/json"}
        answer = await self._fetch.get(url, headers, timeout=wanted.wait + ANSWER_SECONDS, max_bytes=MAX_PAGE_BYTES)
        if answer.status != 200:
            raise LogNotServed(f"{holder.name} answered {answer.status} for {wanted.stream}. Its operator may need to look.")
        topic = topic_name(wanted.origin, wanted.stream)
        return (
            _page(answer.body, topic)
            if len(answer.body) < THREAD_BYTES
            else await asyncio.to_thread(_page, answer.body, topic)
        )


def _page(body: bytes, topic: str) -> LogPage:
    return LogPage(tuple(_message(raw, trace, topic) for raw, trace in _entries(body)), len(body))


def _entries(body: bytes) -> Iterator[tuple[str, str]]:
    """The entries of a page, each with the trace context that came beside it."""
    if body.count(b"{") + body.count(b"[") > MOST_CONTAINERS or body.count(b",") > MOST_COMMAS or b"\\" in body:
        raise LogNotServed("The page holds other things than entries. It was not read.")
    page: Any = strict_json.loads(body)
    entries = page.get("entries") if isinstance(page, dict) else None
    if not isinstance(entries, list) or len(entries) > PAGE_ENTRIES or not all(isinstance(one, str) for one in entries):
        raise LogNotServed("The page is not what a log serves: a list of compact entries.")
    if len(body) > FRAME_BYTES + sum(len(one) + ENTRY_FRAME_BYTES for one in entries):
        raise LogNotServed("The page is larger than its entries. It was not taken in.")
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
    return Message(place.sub, entry.token.payload, message_headers(entry, trace)), place.seq if place.topic == topic else 0

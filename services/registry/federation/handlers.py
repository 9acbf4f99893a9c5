"""Reading the log for another node: what is there, or what comes within the time that it is willing to wait."""

from __future__ import annotations

import asyncio

from services.registry.federation import repository
from services.registry.federation.domain import PAGE_BYTES, LogPage, LogQuery, OriginUnknown
from shared.events.base import REGISTRATIONS, STREAMS
from shared.home.membership import Membership
from shared.ids import topic_name
from shared.store.port import Reader
from shared.tasks.wakeups import Wakeups

POLL_SECONDS = 1.0
"""Between two looks while waiting: what another process of this node wrote does not wake a request here."""


async def read_log(store: Reader, membership: Membership, log_advanced: Wakeups, query: LogQuery) -> LogPage:
    """The entries after a sequence; when there are none, waits for the first. Raises `OriginUnknown` or `StreamPrivate`."""
    if membership.node(query.origin) is None:
        raise OriginUnknown("Name a node of the federation list; GET /federation shows it.")
    query.check_public(membership.me)
    own = query.origin == membership.me and STREAMS[query.stream].writer == REGISTRATIONS.writer
    topic = topic_name(query.origin, query.stream)
    ends = asyncio.get_running_loop().time() + query.wait
    while True:
        page = await _page(store, topic, query, own=own)
        remaining = ends - asyncio.get_running_loop().time()
        if page.entries or remaining <= 0:
            return page
        await log_advanced.wait(topic, min(remaining, POLL_SECONDS))


async def _page(store: Reader, topic: str, query: LogQuery, *, own: bool) -> LogPage:
    head = await repository.head(store, topic, own=own)
    run = await repository.entries_after(store, topic, query.epoch, query.after, query.limit, PAGE_BYTES)
    return LogPage(
        origin=query.origin,
        stream=query.stream,
        epoch=run.epoch,
        entries=run.entries,
        traces=run.traces,
        next=run.last,
        head=head,
    )

"""What `testamur migrate` does with the stores: look, copy, compare, go back; each returns once it is done.

- Whoever copies takes the lead of each service first, so that a node that still runs is noticed. From then on the marks of
  `shared.store.copy` keep one from starting.
- All services are copied and compared before the first is handed over: a node never has one service here and one there.
- A signal is heard after each page; what was copied by then stays, and the next run goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.cli.output import err
from services.node import collections_of
from services.verifier.repository import FACTS
from shared.clock import SystemClock
from shared.engine.leadership import ANSWER_SECONDS, LEADERS, LOOK_SECONDS, REST_SECONDS, Leadership
from shared.errors import Conflict, Misconfigured
from shared.log.lease import LEASES
from shared.status.facts import from_document
from shared.status.fold import hash_of_lines, state_line
from shared.store.compare import Compared, Step, walk
from shared.store.copy import COPIES, Copy, CopyRefused
from shared.store.open import open_store
from shared.store.port import Collection, Reader, Store
from shared.tasks.supervised import ended

UNTIL_LEADING = REST_SECONDS + ANSWER_SECONDS + 4 * LOOK_SECONDS
"""Seconds within which the lead becomes ours, unless somebody answers for it."""

NOT_DATA = frozenset({COPIES.name, LEADERS.name, LEASES.name})
"""Collections that stay where they are: what a copy is, and what running processes hold."""


class CopyStopped(Conflict):
    """Ctrl-C or SIGTERM in the middle."""

    title = "The copy was stopped."


class StoresDiffer(Conflict):
    """Two stores that should hold the same do not; `differences` names service, collection and first key."""

    title = "The two stores differ."


class MigrationPlan(NamedTuple):
    """What is to be copied: whose (`<federation>/<node>`), from and to which URL (`shown`: without its password), and which
    services' stores.
    """

    owner: str
    source: str
    target: str
    shown: str
    services: tuple[str, ...]


class MigrationOutcome(NamedTuple):
    """What a comparison found: a line a collection by service, and the state hash of each node in both verifiers."""

    compared: Mapping[str, Sequence[Compared]]
    states: tuple[Mapping[str, str], Mapping[str, str]]

    @property
    def differences(self) -> list[dict[str, str]]:
        """Each collection that differs, with the first key at which it does."""
        return [
            {"service": service, "collection": one.collection, "key": one.differs_at}
            for service, found in self.compared.items()
            for one in found
            if one.differs_at is not None
        ]


async def look(plan: MigrationPlan, _: asyncio.Event) -> dict[str, int]:
    """How many documents each service has; raises what would keep them from being copied."""
    _require_source(plan)
    if not _is_there(plan.target):
        async with AsyncExitStack() as closing:
            return await _counts(await _open(closing, plan, plan.source))
    async with _copies(plan) as copies:
        for copy in copies.values():
            await copy.check()
        return await _counts({service: copy.source for service, copy in copies.items()})


async def move(plan: MigrationPlan, stop: asyncio.Event) -> MigrationOutcome:
    """Copy, compare, and hand over; what differs is copied once more, since the node may have run after it was copied."""
    async with _copies(plan) as copies, AsyncExitStack() as closing:
        for copy in copies.values():
            await copy.check()
        total = sum((await _counts({service: copy.source for service, copy in copies.items()})).values())
        await closing.enter_async_context(_leading([(copy.source, service) for service, copy in copies.items()]))
        for copy in copies.values():
            await copy.claim()
        for copy in copies.values():
            await copy.begin(plan.shown)
        with _bar("copying", total, stop) as step:
            for copy in copies.values():
                await copy.carry(step)
        found = await _compare(copies, stop)
        if found.differences:
            with _bar("copying what changed", total, stop) as step:
                for service, copy in copies.items():
                    await copy.mend([one for one in found.compared[service] if one.differs_at is not None], step)
            found = await _compare(copies, stop)
        _require_equal(found)
        for copy in copies.values():
            await copy.leave()
        for copy in copies.values():
            await copy.arrive()
        return found


async def compare_only(plan: MigrationPlan, stop: asyncio.Event) -> MigrationOutcome:
    """Compare both ends; raises `StoresDiffer`."""
    if not _is_there(plan.target):
        raise Misconfigured("The folder that --to names is not there. Name the store that was copied to.")
    async with _copies(plan) as copies:
        found = await _compare(copies, stop)
    _require_equal(found)
    return found


async def go_back(plan: MigrationPlan, stop: asyncio.Event) -> None:
    """Let the node run on the old store again; raises `StoresDiffer` where it has run on the new one."""
    async with _copies(plan) as copies, AsyncExitStack() as closing:
        for copy in copies.values():
            await copy.check()
        ends = [(store, service) for service, copy in copies.items() for store in (copy.source, copy.target)]
        await closing.enter_async_context(_leading(ends))
        if any([await copy.is_whole() for copy in copies.values()]):
            _require_equal(await _compare(copies, stop))
        for copy in copies.values():
            await copy.undo()


async def state_hashes(store: Reader) -> dict[str, str]:
    """The state hash of every node in a verifier's store, by name. Of each fact one line is kept in memory."""
    lines: dict[str, set[str]] = {}
    async for row in walk(store, FACTS):
        lines.setdefault(row.key.partition("/")[0], set()).add(state_line(from_document(row.body)))
    return {node: hash_of_lines(kept) for node, kept in lines.items()}


@asynccontextmanager
async def _copies(plan: MigrationPlan) -> AsyncIterator[dict[str, Copy]]:
    """One copy a service, with both its stores open."""
    _require_source(plan)
    async with AsyncExitStack() as closing:
        sources, targets = await _open(closing, plan, plan.source), await _open(closing, plan, plan.target)
        yield {
            service: Copy(sources[service], targets[service], _data_of(service), f"{plan.owner}/{service}")
            for service in plan.services
        }


async def _open(closing: AsyncExitStack, plan: MigrationPlan, url: str) -> dict[str, Store]:
    stores = {}
    for service in plan.services:
        stores[service] = await open_store(url, service, collections_of(service))
        closing.push_async_callback(stores[service].close)
    return stores


def _data_of(service: str) -> list[Collection]:
    return [collection for collection in collections_of(service) if collection.name not in NOT_DATA]


def _require_source(plan: MigrationPlan) -> None:
    if not _is_there(plan.source):
        raise Misconfigured("The folder that --from names is not there. Name that of the old store.")


def _is_there(url: str) -> bool:
    """False for an embedded store in a folder that is not there: looking for it must not make it."""
    scheme, _, path = url.partition(":///")
    return scheme != "sqlite" or Path(unquote(path)).is_dir()


async def _counts(stores: Mapping[str, Reader]) -> dict[str, int]:
    counts = {
        service: sum([await store.count(collection) for collection in _data_of(service)])
        for service, store in stores.items()
    }
    if not any(counts.values()):
        raise CopyRefused("The store that --from names holds nothing. Name the old store, or simply start on the new one.")
    return counts


async def _compare(copies: Mapping[str, Copy], stop: asyncio.Event) -> MigrationOutcome:
    total = sum((await _counts({service: copy.source for service, copy in copies.items()})).values())
    with _bar("comparing", 2 * total, stop) as step:
        compared = {service: await copy.compare(step) for service, copy in copies.items()}
    verifier = copies.get("verifier")
    if verifier is None:
        return MigrationOutcome(compared, ({}, {}))
    return MigrationOutcome(compared, (await state_hashes(verifier.source), await state_hashes(verifier.target)))


def _require_equal(found: MigrationOutcome) -> None:
    differences = found.differences
    if differences:
        first, more = differences[0], len(differences) - 1
        others = f"; {more} more collections differ" if more else ""
        raise StoresDiffer(
            f"{first['service']}: the collection {first['collection']} differs first at the key {first['key']}{others}."
            " Stop every process of the node; one that has run on either store since the copy has to go on there.",
            differences=differences,
        )
    if found.states[0] != found.states[1]:
        raise StoresDiffer("All documents are equal and the state hashes are not: report this as a fault.")


@asynccontextmanager
async def _leading(stores: Sequence[tuple[Store, str]]) -> AsyncIterator[None]:
    """Lead a service on each store while the block runs; `CopyRefused` where a process of the node does."""
    led = [(Leadership(store, service, SystemClock()), service) for store, service in stores]
    leading = [asyncio.create_task(leadership.run()) for leadership, _ in led]
    try:
        await asyncio.gather(*(_until_ours(leadership, service) for leadership, service in led))
        yield
    finally:
        await ended(leading)


async def _until_ours(leadership: Leadership, service: str) -> None:
    try:
        async with asyncio.timeout(UNTIL_LEADING):
            await leadership.while_leading(_nothing)
    except TimeoutError:
        raise CopyRefused(f"The {service} of this node runs on that store. Stop every process of the node first.") from None


async def _nothing() -> None:
    return


@contextmanager
def _bar(label: str, total: int, stop: asyncio.Event) -> Iterator[Step]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task(label, total=total)

        def step(documents: int) -> None:
            progress.advance(task, documents)
            if stop.is_set():
                raise CopyStopped(
                    "What was copied stays: the same command goes on. Or go back to the old store with --back."
                )

        yield step

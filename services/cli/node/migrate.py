"""A node's documents carried from one store to another, as from the embedded one to a database server.

    testamur migrate --to URL            looks, counts, and says what it would do
    testamur migrate --to URL --yes      copies, compares both ends, and hands over
    testamur migrate --to URL --verify   compares two stores and writes nothing
    testamur migrate --to URL --back     lets the node run on the old store again, while it has not run on the new one

The node is stopped meanwhile. Stopped or killed at any point, the same command goes on. The bus is not copied: a new one is
filled from the archive.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Group
from rich.text import Text

from services.cli import local
from services.cli.local import AsJson, HomeFolder, NodeName
from services.cli.node.serving import until_stopped
from services.cli.output import answer, note, rows
from services.cli.remote import SERVICES
from shared.settings import NodeSettings
from shared.store.copy import CopyRefused

if TYPE_CHECKING:
    from services.cli.node.migration import MigrationOutcome, MigrationPlan

T = TypeVar("T")

app = typer.Typer()

GUARD = (
    "The new store holds the keys that open the encrypted credentials, as the old one does: protect it likewise, and destroy"
    " the old one once you need not go back."
)

_PASSWORD = re.compile(r"(?<=://)([^:@/]*):[^@/]*@")
_USER_ALONE = re.compile(r"[a-z0-9+]+://[^:@/]+@.+")


@app.command()
def migrate(
    to: Annotated[str, typer.Option("--to", help="The new store's URL.", show_default=False)],
    source: Annotated[str | None, typer.Option("--from", help="The old store's URL; by default TESTAMUR_STORE.")] = None,
    service: Annotated[
        list[str] | None, typer.Option("--service", help="Only this service's store; by default all.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it, only say what would be done.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Only compare the two stores.")] = False,
    back: Annotated[bool, typer.Option("--back", help="Let the node run on the old store again.")] = False,
    node: NodeName = None,
    home: HomeFolder = None,
    as_json: AsJson = False,
) -> None:
    """Copy a stopped node's documents to another store, and compare them all. Repeated after an interruption, it goes on."""
    if yes + verify + back > 1:
        raise typer.BadParameter("Take one of --yes, --verify and --back.")
    plan = _plan(local.find(node, home), source, to, service)
    from services.cli.node import migration

    if back:
        _run(migration.go_back, plan)
        sentence = "The node may run on the old store again. What was copied stays in the new one, for another try."
        answer({"detail": sentence}, Text(sentence), as_json=as_json)
    elif verify:
        _show(_run(migration.compare_only, plan), as_json=as_json)
    elif yes:
        _show(_run(migration.move, plan), as_json=as_json)
        _hand_over(plan)
    else:
        counts = _run(migration.look, plan)
        sentence = (
            f"This would copy {sum(counts.values())} documents to {plan.shown}. Repeat it with --yes, the node stopped."
        )
        listed = [{"service": name, "documents": count} for name, count in counts.items()]
        table = Group(rows(("service", "documents"), listed, ""), Text(sentence))
        answer({"dry_run": True, "to": plan.shown, "documents": counts}, table, as_json=as_json)


def shown(url: str) -> str:
    """A URL without its password, for people to read."""
    return _PASSWORD.sub(r"\1@", url)


def _plan(settings: NodeSettings, source: str | None, target: str, services: Sequence[str] | None) -> MigrationPlan:
    from services.cli.node.migration import MigrationPlan

    local.require_set_up(settings)
    if strange := set(services or ()) - set(SERVICES):
        raise typer.BadParameter(f"There is no service {min(strange)!r}. Take one of: {', '.join(SERVICES)}.")
    old, new = _url(settings, source or settings.store), _url(settings, target)
    if old == new:
        raise CopyRefused("The two stores are one and the same. Name the old one with --from and the new one with --to.")
    return MigrationPlan(f"{settings.federation}/{settings.node}", old, new, shown(target), tuple(services or SERVICES))


def _url(settings: NodeSettings, url: str) -> str:
    """The URL with TESTAMUR_STORE_PASSWORD, where it names a user without a password."""
    return settings.model_copy(update={"store": url}).store_url if _USER_ALONE.fullmatch(url) else url


def _run(work: Callable[[MigrationPlan, asyncio.Event], Awaitable[T]], plan: MigrationPlan) -> T:
    """Do it until it is done, or until Ctrl-C or SIGTERM."""
    done: list[T] = []

    async def watched(stop: asyncio.Event) -> None:
        done.append(await work(plan, stop))

    until_stopped(watched)
    return done[0]


def _show(outcome: MigrationOutcome, *, as_json: bool) -> None:
    found = [(service, one) for service, collections in outcome.compared.items() for one in collections]
    listed = [
        {"service": service, "collection": one.collection, "documents": one.documents, "sha256": one.digest}
        for service, one in found
    ]
    counts = [
        {"service": service, "collections": len(held), "documents": sum(one.documents for one in held)}
        for service, collections in outcome.compared.items()
        for held in [[one for one in collections if one.documents]]
    ]
    states = [{"node": name, "state hash": digest} for name, digest in outcome.states[1].items()]
    table = Group(
        rows(("service", "collections", "documents"), counts, ""),
        rows(("node", "state hash"), states, "No facts of any node yet."),
        Text(f"Equal to the last member: {sum(one.documents for _, one in found)} documents.", style="bold green"),
    )
    answer({"equal": True, "collections": listed, "state_hashes": outcome.states[1]}, table, as_json=as_json)


def _hand_over(plan: MigrationPlan) -> None:
    note(f"Next: set TESTAMUR_STORE={plan.shown}, start the node, and run testamur doctor.", "")
    note("If the bus moves too, set TESTAMUR_BUS at the same time: the new bus is filled from the archive by itself.")
    note(GUARD)

"""The doctor: looks at a node's folder, engines and services, and says of each thing whether it is well and what to do.

An embedded bus or store is part of the folder. A bus or store that runs elsewhere is looked at separately.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple

import typer
from rich.text import Text

from services.cli import local
from services.cli.broker.topics import wanted_topics
from services.cli.exit_codes import Code
from services.cli.local import AsJson, HomeFolder, NodeName
from services.cli.output import out, print_json
from services.cli.remote import SERVICES, Token, Url, connect
from shared.bus.open import open_admin
from shared.bus.topics import Difference, differences
from shared.client import Client, NodeUnreachable, ProblemError
from shared.clock import SystemClock
from shared.errors import TestamurError
from shared.home.folder import CERTIFIED, Home
from shared.settings import NodeSettings
from shared.store.open import open_store
from shared.trust import federation_list

app = typer.Typer()

FREE_DISK_BYTES = 1024**3
"""Bytes that should be free on the disk: a day's work of a busy node, and time to act."""


class Diagnosis(NamedTuple):
    """One thing looked at: whether it is well, and a sentence that says so or what to do."""

    what: str
    well: bool
    detail: str


@app.command()
def doctor(
    node: NodeName = None,
    home: HomeFolder = None,
    offline: Annotated[bool, typer.Option("--offline", help="Look at the folder only.")] = False,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Look a node over. Exit code 0 when all is well, 1 when something is not, 4 when the node does not answer."""
    found = [Diagnosis("Python", sys.version_info >= (3, 11), sys.version.split()[0])]
    unreachable = False
    if local.at_hand() or node or home:
        settings = local.find(node, home)
        found += _folder(settings)
        if not offline:
            found += [*_bus(settings), *_store(settings)]
    if not offline:
        try:
            with connect(url, token) as client:
                found += _running(client)
        except NodeUnreachable as error:
            unreachable = True
            found.append(
                Diagnosis("node", False, f"{error} Start it with `testamur up`, or look at the folder with --offline.")
            )
        except TestamurError as error:
            found.append(Diagnosis("node", False, error.detail))
    _show(found, as_json=as_json)
    if unreachable:
        raise typer.Exit(Code.UNREACHABLE)
    raise typer.Exit(Code.FINE if all(one.well for one in found) else Code.REFUSED)


def _folder(settings: NodeSettings) -> Iterator[Diagnosis]:
    try:
        home = local.require_set_up(settings)
        missing = sorted({"root", *CERTIFIED, "access-token"} - set(home.keys.names()))
    except TestamurError as error:
        yield Diagnosis("folder", False, error.detail)
        return
    offline_root = "The root is kept elsewhere, as it should be." if missing == ["root"] else "All keys open."
    yield Diagnosis("keys", missing in ([], ["root"]), offline_root if missing in ([], ["root"]) else f"Missing: {missing}.")
    yield from _list(home, settings)
    free = shutil.disk_usage(home.folder).free
    yield Diagnosis(
        "disk",
        free >= FREE_DISK_BYTES,
        f"{free / FREE_DISK_BYTES:.1f} GB free" + ("" if free >= FREE_DISK_BYTES else "; make room for the log."),
    )


def _list(home: Home, settings: NodeSettings) -> Iterator[Diagnosis]:
    try:
        listed = local.listed_in(settings)
    except TestamurError as error:
        yield Diagnosis("federation list", False, error.detail)
        return
    if listed is None:
        yield Diagnosis("federation list", False, f"{home.federation_file} is missing. Put the federation's list there.")
        return
    list_state = federation_list.list_state(listed, SystemClock().now())
    nodes = "1 node" if len(listed.nodes) == 1 else f"{len(listed.nodes)} nodes"
    detail = f"{listed.federation} version {listed.version}, {nodes}, until {listed.expires:%Y-%m-%d}"
    yield Diagnosis("federation list", list_state is federation_list.ListState.CURRENT, detail)
    if listed.node(settings.node) is None:
        yield Diagnosis(
            "membership",
            False,
            "The list does not name this node. Send the anchor what `testamur federation describe` prints.",
        )


def _bus(settings: NodeSettings) -> Iterator[Diagnosis]:
    """What differs on the broker, without the topics that this user may not look at: they belong to another service."""
    try:
        if (admin := open_admin(settings.bus_url)) is None:
            return
        topics = wanted_topics(settings)
        seen = admin.look(topics)
        visible = [topic for topic in topics if topic not in seen.hidden]
        differing = differences(visible, seen.there, seen.copies)
    except TestamurError as error:
        yield Diagnosis("bus", False, error.detail)
        return
    for one in differing:
        detail = (
            "it is missing." if one.missing else f"{one.setting} is {one.found or 'not set'}, and should be {one.wanted}."
        )
        yield Diagnosis(f"topic {one.topic}", False, f"{detail} {_mend(one)}")
    well = len(visible) - len({one.topic for one in differing})
    yield Diagnosis("bus", not differing, f"{admin.shown}: {well} of {len(visible)} topics are as they should be")


def _mend(one: Difference) -> str:
    if one.setting == "replication":
        return "`testamur topics plan` says how to give it more."
    return "Run `testamur topics plan`." if one.changeable else "It cannot be changed in place: ask who runs the broker."


def _store(settings: NodeSettings) -> Iterator[Diagnosis]:
    """Whether the store takes this node in; opening it is what checks that."""
    if settings.store.startswith("sqlite:"):
        return

    async def ask() -> None:
        store = await open_store(settings.store_url, "registry", ())
        await store.close()

    try:
        asyncio.run(ask())
    except TestamurError as error:
        yield Diagnosis("store", False, error.detail)
    else:
        yield Diagnosis("store", True, "it answers")


def _running(client: Client) -> Iterator[Diagnosis]:
    for name in SERVICES:
        try:
            client.get(f"/{name}/readyz")
            yield Diagnosis(name, True, "ready")
        except ProblemError as problem:
            waiting = problem.document.get("waiting") or {}
            yield Diagnosis(name, False, "; ".join(map(str, waiting.values())) or problem.detail or problem.title)
    yield from _nodes(client)


def _nodes(client: Client) -> Iterator[Diagnosis]:
    try:
        known = client.get("/verifier/nodes")
        troubles = {one["node"]: one.get("trouble") for one in client.get("/registry/nodes")}
    except ProblemError as problem:
        yield Diagnosis("nodes", False, f"{problem.title} {problem.detail}")
        return
    for one in known:
        age = one["age_seconds"]
        trouble = "its log contradicts itself" if one["contradictory"] else troubles.get(one["node"])
        detail = _how_old(one)
        yield Diagnosis(
            f"node {one['node']}", age is not None and not trouble, f"{detail}; {trouble}" if trouble else detail
        )


def _how_old(node: Mapping[str, Any]) -> str:
    if node["age_seconds"] is not None:
        return f"known as of {node['age_seconds']:.1f} s ago"
    if node["checkpoint"] is None:
        return "never heard"
    return f"known as of {node['checkpoint']}, which lies ahead of this node's clock: set the clock right"


def _show(found: list[Diagnosis], *, as_json: bool) -> None:
    if as_json:
        print_json([one._asdict() for one in found])
        return
    for one in found:
        line = Text("✓ " if one.well else "✗ ", style="green" if one.well else "bold red")
        out.print(line.append(f"{one.what}: ", style="bold").append(one.detail, style=""))

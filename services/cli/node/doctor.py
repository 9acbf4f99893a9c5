"""The doctor: looks at a node's folder, engines and services, and says of each thing whether it is well and what to do.

An embedded bus or store is part of the folder; looked at by itself is one that runs elsewhere.
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

ROOM = 1024**3
"""Bytes that should be free on the disk: a day's work of a busy node, and time to act."""


class Finding(NamedTuple):
    """One thing looked at: whether it is well, and a sentence that says so or what to do."""

    what: str
    well: bool
    said: str


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
    found = [Finding("Python", sys.version_info >= (3, 11), sys.version.split()[0])]
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
                Finding("node", False, f"{error} Start it with `testamur up`, or look at the folder with --offline.")
            )
        except TestamurError as error:
            found.append(Finding("node", False, error.detail))
    _show(found, as_json=as_json)
    if unreachable:
        raise typer.Exit(Code.UNREACHABLE)
    raise typer.Exit(Code.FINE if all(one.well for one in found) else Code.REFUSED)


def _folder(settings: NodeSettings) -> Iterator[Finding]:
    try:
        home = local.require_set_up(settings)
        missing = sorted({"root", *CERTIFIED, "access-token"} - set(home.keys.names()))
    except TestamurError as error:
        yield Finding("folder", False, error.detail)
        return
    offline_root = "The root is kept elsewhere, as it should be." if missing == ["root"] else "All keys open."
    yield Finding("keys", missing in ([], ["root"]), offline_root if missing in ([], ["root"]) else f"Missing: {missing}.")
    yield from _list(home, settings)
    free = shutil.disk_usage(home.folder).free
    yield Finding("disk", free >= ROOM, f"{free / ROOM:.1f} GB free" + ("" if free >= ROOM else "; make room for the log."))


def _list(home: Home, settings: NodeSettings) -> Iterator[Finding]:
    try:
        listed = local.listed_in(settings)
    except TestamurError as error:
        yield Finding("federation list", False, error.detail)
        return
    if listed is None:
        yield Finding("federation list", False, f"{home.federation_file} is missing. Put the federation's list there.")
        return
    list_state = federation_list.list_state(listed, SystemClock().now())
    nodes = "1 node" if len(listed.nodes) == 1 else f"{len(listed.nodes)} nodes"
    said = f"{listed.federation} version {listed.version}, {nodes}, until {listed.expires:%Y-%m-%d}"
    yield Finding("federation list", list_state is federation_list.ListState.CURRENT, said)
    if listed.node(settings.node) is None:
        yield Finding(
            "membership", False, "The list does not name this node. Hand the anchor `testamur federation describe`."
        )


def _bus(settings: NodeSettings) -> Iterator[Finding]:
    """What differs on the broker; topics that this user may not look at are another service's matter, and left out."""
    try:
        if (admin := open_admin(settings.bus_url)) is None:
            return
        topics = wanted_topics(settings)
        seen = admin.look(topics)
        visible = [topic for topic in topics if topic not in seen.hidden]
        differing = differences(visible, seen.there, seen.copies)
    except TestamurError as error:
        yield Finding("bus", False, error.detail)
        return
    for one in differing:
        said = "it is missing." if one.missing else f"{one.setting} is {one.found or 'not set'}, and should be {one.wanted}."
        yield Finding(f"topic {one.topic}", False, f"{said} {_mend(one)}")
    well = len(visible) - len({one.topic for one in differing})
    yield Finding("bus", not differing, f"{admin.shown}: {well} of {len(visible)} topics are as they should be")


def _mend(one: Difference) -> str:
    if one.setting == "replication":
        return "`testamur topics plan` says how to give it more."
    return "Run `testamur topics plan`." if one.changeable else "It cannot be changed in place: ask who runs the broker."


def _store(settings: NodeSettings) -> Iterator[Finding]:
    """Whether the store takes this node in; opening it is what checks that."""
    if settings.store.startswith("sqlite:"):
        return

    async def ask() -> None:
        store = await open_store(settings.store_url, "registry", ())
        await store.close()

    try:
        asyncio.run(ask())
    except TestamurError as error:
        yield Finding("store", False, error.detail)
    else:
        yield Finding("store", True, "it answers")


def _running(client: Client) -> Iterator[Finding]:
    for name in SERVICES:
        try:
            client.get(f"/{name}/readyz")
            yield Finding(name, True, "ready")
        except ProblemError as problem:
            waiting = problem.document.get("waiting") or {}
            yield Finding(name, False, "; ".join(map(str, waiting.values())) or problem.detail or problem.title)
    yield from _nodes(client)


def _nodes(client: Client) -> Iterator[Finding]:
    try:
        known = client.get("/verifier/nodes")
        troubles = {one["node"]: one.get("trouble") for one in client.get("/registry/nodes")}
    except ProblemError as problem:
        yield Finding("nodes", False, f"{problem.title} {problem.detail}")
        return
    for one in known:
        age = one["age_seconds"]
        trouble = "its log contradicts itself" if one["contradictory"] else troubles.get(one["node"])
        said = _how_old(one)
        yield Finding(f"node {one['node']}", age is not None and not trouble, f"{said}; {trouble}" if trouble else said)


def _how_old(node: Mapping[str, Any]) -> str:
    if node["age_seconds"] is not None:
        return f"known as of {node['age_seconds']:.1f} s ago"
    if node["checkpoint"] is None:
        return "never heard"
    return f"known as of {node['checkpoint']}, which lies ahead of this node's clock: set the clock right"


def _show(found: list[Finding], *, as_json: bool) -> None:
    if as_json:
        print_json([one._asdict() for one in found])
        return
    for one in found:
        line = Text("✓ " if one.well else "✗ ", style="green" if one.well else "bold red")
        out.print(line.append(f"{one.what}: ", style="bold").append(one.said, style=""))

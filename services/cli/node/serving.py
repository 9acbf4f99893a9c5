"""Commands that run a node, or one service of it, until they are told to stop.

SIGTERM or Ctrl-C once: no new request is taken, those under way finish, every loop ends where it stands; what was
acknowledged is durable before that. A second one ends the process at once, and loses nothing either.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer
from rich.text import Text

from services.cli import local
from services.cli.exit_codes import Code
from services.cli.local import AsJson, HomeFolder, NodeName
from services.cli.output import answer, err, fields, note, print_json
from services.cli.remote import SERVICES
from shared.clock import SystemClock
from shared.home.folder import Home
from shared.home.membership import Membership
from shared.settings import NodeSettings, unknown_variables

if TYPE_CHECKING:
    from services.node import RunningNode

app = typer.Typer()

Port = Annotated[int | None, typer.Option("--port", envvar="TESTAMUR_PORT", help="The port to listen on.", min=0, max=65535)]

START = ("registry", "issuer", "verifier", "notifier")
"""The order in which a whole node's services start: the registry first, since the others hear it."""

OURS = frozenset({"TESTAMUR_URL", "TESTAMUR_TOKEN"})
"""Variables of the command line's own, which are no settings of a node."""


@app.command()
def up(node: NodeName = None, home: HomeFolder = None, port: Port = None, as_json: AsJson = False) -> None:
    """Run a whole node here. An empty folder becomes a node of its own: keys, certificates, a federation of one."""
    _run(_settings(node, home, port or _listed_port(node, home)), START, as_json=as_json)


@app.command("run")
def run_service(
    service: Annotated[str, typer.Argument(help=f"One of: {', '.join(SERVICES)}.", show_default=False)],
    node: NodeName = None,
    home: HomeFolder = None,
    port: Port = None,
    as_json: AsJson = False,
) -> None:
    """Run one service of a node, under the same path as in the whole node."""
    if service not in SERVICES:
        raise typer.BadParameter(f"There is no such service. Take one of: {', '.join(SERVICES)}.")
    _run(_settings(node, home, port), (service,), as_json=as_json)


@app.command()
def init(node: NodeName = None, home: HomeFolder = None, as_json: AsJson = False) -> None:
    """Make a node's folder and run nothing: its keys, and a federation of one unless it has joined another.

    After this, services that make no keys (all but the issuer) get by with a folder that they cannot write to.
    """
    settings = _settings(node, home, None)
    folder = Home(settings)
    if not folder.federation_file.exists():
        note("This makes a federation of one. To belong to another, a new folder joins it first: testamur federation join.")
    folder.set_up(SystemClock().now())
    listed = Membership(folder, SystemClock()).list
    note(
        f"Next: testamur up --node {settings.node}, or testamur run SERVICE --node {settings.node} for each of its services"
    )
    found = {"folder": str(folder.folder), "node": settings.node, "federation": listed.federation, "version": listed.version}
    answer(found, fields(found), as_json=as_json)


def until_stopped(work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run `work` on the fast loop with an event that SIGTERM or Ctrl-C sets; a second signal ends the process."""
    import uvloop

    async def main() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()

        def end() -> None:
            if stop.is_set():
                os._exit(128 + signal.SIGTERM)
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end)
        await work(stop)

    uvloop.run(main())


def spare_the_collector() -> None:
    """Keep the garbage collector from looking again and again at what lives as long as the process, and let it look at the
    rest less often: a busy node makes and drops small objects by the thousand, hardly ever in cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)


def _listed_port(node: str | None, home: Path | None) -> int | None:
    """The port of a node that its federation list has on this machine, unless another is set: no restart needs `--port`."""
    listed = None if "TESTAMUR_PORT" in os.environ else local.address(local.find(node, home))
    at = urlsplit(listed or "")
    return at.port if at.scheme == "http" and at.hostname in ("127.0.0.1", "localhost", "::1") else None


def _settings(node: str | None, home: Path | None, port: int | None) -> NodeSettings:
    given = {} if port is None else {"port": port}
    settings = local.find(node, home, **given)
    for name in unknown_variables([NodeSettings]):
        if name not in OURS and not name.startswith(tuple(f"TESTAMUR_{service.upper()}_" for service in SERVICES)):
            note(f"{name} is no setting of a node; it has no effect.", "yellow")
    listed = local.address(settings)
    if listed not in (None, settings.public_url):
        note(f"The federation list has this node at {listed}, and what it signs would name {settings.public_url}.", "yellow")
        note(f"Set TESTAMUR_PUBLIC_URL={listed} for each of its services.", "yellow")
    return settings


def _run(settings: NodeSettings, services: tuple[str, ...], *, as_json: bool) -> None:
    from services.node import running_node  # loads what serves, which other commands do not need

    fresh = not (Path(settings.home) / "federation.json").exists()

    async def work(stop: asyncio.Event) -> None:
        async with running_node(settings, services=services) as running:
            spare_the_collector()
            _greet(running, services, fresh=fresh, as_json=as_json)
            await stop.wait()
            note("Stopping: finishing what is under way.")

    until_stopped(work)
    note("Stopped.")
    raise typer.Exit(Code.FINE)


def _greet(running: RunningNode, services: tuple[str, ...], *, fresh: bool, as_json: bool) -> None:
    settings = running.settings
    if as_json:
        print_json({"url": running.url, "node": settings.node, "federation": settings.federation, "services": services})
        return
    err.print(Text(f"Node {settings.node} is up at {running.url}", style="bold green"))
    err.print(fields({"services": services, "folder": settings.home, "API docs": f"{running.url}/{services[0]}/docs"}))
    if fresh:
        note("Its keys are new: the folder's keys/root.jwe belongs where no network is, once others trust this node.")
    if len(services) < len(START):
        return  # what comes next needs the others too
    where = "" if Path(settings.home) == Path(f"testamur-{settings.node}") else f"TESTAMUR_HOME={settings.home} "
    where = where or ("" if len(local.names_here()) < 2 else f"TESTAMUR_NODE={settings.node} ")
    note("Next, in another terminal of the same folder:", "")
    note(
        f'  {where}testamur institution add tartu --name "University of Tartu" --country {settings.node[:2].upper()}', "bold"
    )

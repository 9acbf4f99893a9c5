"""Watching a node's log: the entries as its members see them, one a line."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Any

import typer
from rich.text import Text

from services.cli import local
from services.cli.exit_codes import Code
from services.cli.local import HomeFolder, NodeName
from services.cli.output import out, print_json
from services.cli.remote import DEFAULT_URL, Url
from shared.client import Client
from shared.clock import rfc3339
from shared.events.base import PUBLIC, STREAMS
from shared.events.entry import Entry, parse
from shared.jose import strict_json

app = typer.Typer(help="Events: watch a node's log.", no_args_is_help=True)

WAIT = 20
"""Seconds that the node may keep us waiting for news."""

CHAINED = tuple(name for name in PUBLIC if STREAMS[name].chained)
"""What is shown unless streams are named: checkpoints are many and say little to a person."""

_WIDEST = max(map(len, PUBLIC))

LAST = 20
"""How many entries of the past are shown first."""


@app.callback()
def _group() -> None:
    """A group of one command keeps its name only with a callback."""


@app.command()
def tail(
    stream: Annotated[list[str] | None, typer.Option(help=f"One of: {', '.join(PUBLIC)}. May be repeated.")] = None,
    origin: Annotated[str | None, typer.Option(help="Whose log, as this node holds it; its own by default.")] = None,
    last: Annotated[int, typer.Option(help="How many entries of the past.", min=0, max=500)] = LAST,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")] = False,
    node: NodeName = None,
    home: HomeFolder = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document a line.")] = False,
    url: Url = None,
) -> None:
    """Show the last entries of a node's public streams; this needs the node's folder, whose key lets it read the log."""
    unknown = set(stream or ()) - set(PUBLIC)
    if unknown or (follow and len(stream or ()) != 1):
        raise typer.BadParameter(f"Name streams of {', '.join(PUBLIC)}; with --follow exactly one.")
    settings = local.find(node, home)
    bearer = local.node_bearer(settings, settings.node)
    with Client(url or local.address(settings) or DEFAULT_URL, bearer, timeout=WAIT + 10) as client:
        found = [_entries(client, name, origin or settings.node, last, follow=follow) for name in stream or CHAINED]
        for entry in found[0] if follow else sorted(chain(*found), key=lambda one: one.envelope.iat):
            _show(entry, as_json=as_json)
    raise typer.Exit(Code.FINE)


def _entries(client: Client, stream: str, origin: str, last: int, *, follow: bool) -> Iterator[Entry]:
    path = f"/registry/log/{stream}"
    head = client.get(path, origin=origin, limit=1)["head"]
    epoch, after = head["epoch"], max(0, head["seq"] - last)
    while True:
        page = client.get(path, origin=origin, epoch=epoch, after=after, limit=100, wait=WAIT if follow else 0)
        for raw in page["entries"]:
            entry = parse(raw)
            after = entry.envelope.seq
            yield entry
        if not page["entries"] and not follow:
            return


def _show(entry: Entry, *, as_json: bool) -> None:
    place = entry.envelope
    value: Any = strict_json.loads(entry.token.payload)
    if as_json:
        shown = {"stream": entry.stream, "epoch": place.epoch, "seq": place.seq, "kind": place.kind, "event": value}
        print_json(shown, one_line=True)
        return
    line = Text(f"{rfc3339(place.issued_at)}  ", style="dim")
    line.append(f"{place.origin} {entry.stream:<{_WIDEST}} {place.seq:>5}  ", style="cyan")
    line.append(f"{place.kind}  ", style="bold").append(place.sub, style="")
    out.print(line)

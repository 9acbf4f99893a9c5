"""Dead letters: records that a service could not take in, kept with the reason; look at them, and try them again."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.text import Text

from services.cli.local import AsJson
from services.cli.output import answer, fields, note, print_json, rows
from services.cli.remote import SERVICES, Token, Url, connect
from shared.client import Client, ProblemError
from shared.errors import NotFound

app = typer.Typer(help="Dead letters: list them, show one, try them again.", no_args_is_help=True)


class ServiceName(StrEnum):
    """The services, each of which keeps its own dead letters."""

    ISSUER = "issuer"
    REGISTRY = "registry"
    VERIFIER = "verifier"
    NOTIFIER = "notifier"


Which = Annotated[ServiceName | None, typer.Option("--service", help="Only this service's; by default all.")]
Letter = Annotated[str, typer.Argument(help="The dead letter's id.", show_default=False)]


@app.command("list")
def list_all(service: Which = None, as_json: AsJson = False, url: Url = None, token: Token = None) -> None:
    """List what could not be taken in, by service."""
    with connect(url, token) as node:
        found = _all(node, service)
    columns = ("id", "service", "origin", "topic", "family", "reason", "at")
    answer(found, rows(columns, found, "There are no dead letters."), as_json=as_json)


@app.command()
def show(letter: Letter, service: Which = None, as_json: AsJson = False, url: Url = None, token: Token = None) -> None:
    """Show one dead letter with its reason."""
    with connect(url, token) as node:
        where = _where(node, letter, service)
        found = node.get(f"/{where}/dead-letters/{letter}")
    answer(found, fields({"service": where, **found}), as_json=as_json)


@app.command()
def replay(
    letters: Annotated[list[str] | None, typer.Argument(help="Ids of dead letters.", show_default=False)] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    service: Which = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it, --all only says what it would do.")] = False,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Try dead letters again, for example after an update. What is still not good comes back with its reason."""
    if bool(letters) == everything:
        raise typer.BadParameter("Name ids, or --all: one of the two.")
    with connect(url, token) as node:
        chosen = [(one["service"], one["id"]) for one in _all(node, service)] if everything else []
        chosen = chosen or [(_where(node, letter, service), letter) for letter in letters or ()]
        if everything and not yes:
            plan = {"dry_run": True, "would_replay": [letter for _, letter in chosen]}
            answer(plan, Text(f"This would try {len(chosen)} again. Repeat it with --yes."), as_json=as_json)
            return
        done = [node.post(f"/{where}/dead-letters/{letter}/replay", {}) for where, letter in chosen]
    note(f"{len(done)} tried again.")
    if as_json:
        print_json(done)


def _all(node: Client, service: ServiceName | None) -> list[dict[str, Any]]:
    wanted = [service.value] if service else SERVICES
    return [{"service": name, **one} for name in wanted for one in node.pages(f"/{name}/dead-letters")]


def _where(node: Client, letter: str, service: ServiceName | None) -> str:
    """The service that keeps the letter; raises `NotFound` when none does."""
    for name in [service.value] if service else SERVICES:
        try:
            node.get(f"/{name}/dead-letters/{letter}")
        except ProblemError as problem:
            if problem.status != 404:
                raise
        else:
            return str(name)
    raise NotFound("No service keeps a dead letter of that id. `testamur dead list` shows those that there are.")

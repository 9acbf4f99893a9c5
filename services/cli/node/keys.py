"""Commands about the node's service keys: list them, and rotate one. They work in the node's folder, running or not.

    keys list
    keys rotate registry                      says what it would do
    keys rotate registry --yes                with the root at hand: done. Without: prints what the root is to certify
    keys certify REQUEST.json                 where the root is: prints the certificate
    keys rotate registry --certificate FILE --yes

Running services take a new key up by themselves, within seconds; a node that stands still does at its next start.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from services.cli import local
from services.cli.credential.drafts import read_file
from services.cli.local import AsJson, HomeFolder, NodeName
from services.cli.output import answer, fields, note, print_json, rows
from shared.clock import SystemClock
from shared.errors import Malformed
from shared.home import rotation
from shared.home.folder import Home
from shared.home.generations import UNCERTIFIED
from shared.jose.signers import Signer

app = typer.Typer(help="The node's service keys: list them, rotate one.", no_args_is_help=True)

Which = StrEnum("Which", {name: name for name in rotation.ROTATED})  # type: ignore[misc]
"""The service keys."""


class Why(StrEnum):
    """Why a key is to sign no more."""

    SUPERSEDED = "superseded"
    COMPROMISED = "compromised"


@app.command("list")
def list_all(node: NodeName = None, home: HomeFolder = None, as_json: AsJson = False) -> None:
    """List the node's service keys, the earlier ones too."""
    folder = local.require_set_up(local.find(node, home))
    found = [row for name in rotation.ROTATED for row in _keys(folder, name)]
    answer(found, rows(("key", "file", "kid", "state"), found, "There are no keys yet."), as_json=as_json)


@app.command()
def rotate(
    key: Annotated[Which, typer.Argument(help="Which key.", show_default=False)],
    reason: Annotated[
        Why, typer.Option(help="superseded: what it signed stands. compromised: it was stolen.")
    ] = Why.SUPERSEDED,
    certificate: Annotated[
        Path | None, typer.Option(help="What the root certified elsewhere; - for standard input.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it, only says what it would do.")] = False,
    node: NodeName = None,
    home: HomeFolder = None,
    as_json: AsJson = False,
) -> None:
    """Let a new key sign in place of the one in use; repeated after an interruption, it goes on where it was."""
    folder = local.require_set_up(local.find(node, home))
    name, here = key.value, "root" in folder.keys.names()
    if not yes:
        _say_plan(folder, name, reason, here, as_json=as_json)
        return
    if name == UNCERTIFIED:
        rotation.prepare(folder, name, reason.value)
    elif certificate is not None:
        rotation.finish(folder, name, read_file(certificate).decode("utf-8", "replace").strip())
    else:
        made = rotation.prepare(folder, name, reason.value)
        asked = rotation.request(folder, name, made.verification_key())
        if not here:
            print_json(asked.model_dump())
            note(f"The root is not here, and {name} signs on with the key it has. Take this to the root, run `testamur keys")
            note(f"certify FILE` there, and bring back its answer: testamur keys rotate {name} --certificate FILE --yes")
            return
        rotation.finish(folder, name, rotation.answer(folder.signer("root"), asked, SystemClock().now()))
    found = _keys(folder, name)
    note("Running services take it up by themselves. Back the folder up, encrypted: it holds a new key.")
    answer(found, rows(("key", "file", "kid", "state"), found, ""), as_json=as_json)


@app.command()
def certify(
    request: Annotated[Path, typer.Argument(help="What `keys rotate` printed; - for standard input.", show_default=False)],
    node: NodeName = None,
    home: HomeFolder = None,
) -> None:
    """Have the root certify a new key, in a folder that holds the root: prints the certificate."""
    settings = local.find(node, home)
    try:
        asked = rotation.Request.model_validate_json(read_file(request))
    except ValidationError:
        raise Malformed(f"{request} asks for nothing. Make it with `testamur keys rotate NAME --yes`.") from None
    if asked.node != settings.node:
        raise Malformed(f"It is a request of the node {asked.node}, not of {settings.node}. Take it to that node's root.")
    root: Signer = Home(settings).signer("root")
    print(rotation.answer(root, asked, SystemClock().now()))


def _keys(home: Home, name: str) -> list[dict[str, Any]]:
    found = home.generations.of(name)
    shown: list[tuple[str, str]] = [
        (one.name, "in use" if one is found[-1] else one.retired or Why.SUPERSEDED.value) for one in found
    ]
    if rotation.is_prepared(home, name):
        shown.append((home.generations.next_name(name), "waits for its certificate"))
    return [{"key": name, "file": file, "kid": home.load(file).kid, "state": state} for file, state in shown]


def _say_plan(home: Home, name: str, reason: Why, here: bool, *, as_json: bool) -> None:
    current = _keys(home, name)[len(home.generations.of(name)) - 1]
    root = "not needed" if name == UNCERTIFIED else "here" if here else "elsewhere"
    plan = {"dry_run": True, "would_retire": current["kid"], "reason": reason.value, "root": root}
    answer(plan, fields(plan), as_json=as_json)
    note(f"This would let a new key sign in place of {current['file']}. Repeat it with --yes.")

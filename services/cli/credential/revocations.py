"""Commands that take a credential back: revoke (one, many, all of a key), suspend, reinstate.

One revocation asks for a yes where somebody sits at a terminal. Many, and every one where nobody sits there, are only shown
until `--yes` is given, since there is no undo.
"""

from __future__ import annotations

import sys
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.text import Text

from services.cli.credential.credentials import Ref, check_ref
from services.cli.datetimes import in_utc
from services.cli.local import AsJson
from services.cli.output import answer, fields, note
from services.cli.remote import Token, Url, connect

app = typer.Typer()


class Reason(StrEnum):
    """The public reason codes (protocol, section 1)."""

    ERROR = "error"
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"
    UNSPECIFIED = "unspecified"


Yes = Annotated[bool, typer.Option("--yes", help="Do it, without asking.")]


@app.command()
def revoke(
    refs: Annotated[
        list[str] | None, typer.Argument(help="References; several are one operation.", show_default=False)
    ] = None,
    reason: Annotated[Reason, typer.Option(help="Why; everybody can read it.")] = Reason.UNSPECIFIED,
    key: Annotated[str | None, typer.Option(help="Revoke all credentials of this key instead.")] = None,
    stand_to: Annotated[int, typer.Option(help="With --key: registrations up to this sequence stand.", min=0)] = 0,
    confirm: Annotated[str | None, typer.Option(help="Confirm, as a second person, this pending operation.")] = None,
    yes: Yes = False,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Revoke a credential, many, or all of a key. There is no undo: one is asked about at a terminal; many need --yes, and
    so does one where nobody sits at a terminal. Without it they are only shown.
    """
    path, body, what = _revocation(list(map(check_ref, refs or ())), reason, key, stand_to, confirm)
    alone = refs is not None and len(refs) == 1 and not key and not confirm
    if not yes and not (alone and sys.stdin.isatty()):
        answer({"dry_run": True, **body}, Text(f"This would revoke {what}. Repeat it with --yes."), as_json=as_json)
        return
    if not yes:
        typer.confirm(f"Revoke {what} for good?", abort=True, err=True)
    with connect(url, token) as node:
        found = node.post(path, body)
    if found.get("status") == "pending":
        note(f"A second person must confirm it: testamur revoke --confirm {found['operation']} --yes", "yellow")
    answer(found, fields(found), as_json=as_json)


@app.command()
def suspend(
    ref: Ref,
    until: Annotated[datetime | None, typer.Option(help="When it is reinstated by itself (UTC).")] = None,
    reason: Annotated[Reason, typer.Option(help="Why; everybody can read it.")] = Reason.UNSPECIFIED,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Suspend a credential for a time."""
    body: dict[str, Any] = {"reason": reason.value}
    if until is not None:
        body["until"] = in_utc(until)
    with connect(url, token) as node:
        found = node.suspend(ref, **body)
    answer(found, fields(found), as_json=as_json)


@app.command()
def reinstate(ref: Ref, as_json: AsJson = False, url: Url = None, token: Token = None) -> None:
    """End a suspension."""
    with connect(url, token) as node:
        found = node.reinstate(ref)
    answer(found, fields(found), as_json=as_json)


def _revocation(
    refs: list[str], reason: Reason, key: str | None, stand_to: int, confirm: str | None
) -> tuple[str, dict[str, Any], str]:
    """The path, the command and its description; exactly one of refs, key and confirm is asked for."""
    if sum((bool(refs), key is not None, confirm is not None)) != 1:
        raise typer.BadParameter("Name references, or --key, or --confirm: one of the three.")
    if confirm is not None:
        return f"/registry/revocations/{confirm}/confirm", {}, f"what operation {confirm} names"
    if key is not None:
        body = {"key": key, "registrations_stand_to": stand_to, "reason": reason.value}
        return "/registry/revocations", body, f"everything by key {key} registered after {stand_to}"
    if len(refs) == 1:
        return f"/registry/credentials/{refs[0]}/revoke", {"reason": reason.value}, refs[0]
    return "/registry/revocations", {"refs": refs, "reason": reason.value}, f"{len(refs)} credentials"

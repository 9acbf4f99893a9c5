"""Commands about one credential: issue, correct, verify, and how it stands."""

from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.text import Text

from services.cli.credential.drafts import DraftSource, From, Settings, read_draft, read_file
from services.cli.credential.sealed import LARGEST_SEALED, Shapes, TrustedLists, looks_sealed, verify_sealed
from services.cli.datetimes import in_utc
from services.cli.exit_codes import OF_VERDICT
from services.cli.local import AsJson
from services.cli.output import answer, fields, note, print_json, report, verdict
from services.cli.remote import Token, Url, connect
from shared import ids
from shared.errors import Invalid

app = typer.Typer()


class OutUnwritable(Invalid):
    """The file for the answer cannot be written there."""

    title = "The answer cannot be written."


File = Annotated[Path, typer.Argument(help="The file, or - for standard input.", show_default=False)]


def check_ref(text: str) -> str:
    """The reference, or a usage error where it is none."""
    if not re.fullmatch(ids.REF, text):
        raise typer.BadParameter("A credential's reference is a UUID in lower case, as `issue` printed it.")
    return text


Ref = Annotated[str, typer.Argument(help="The credential's reference, a UUID.", parser=check_ref, show_default=False)]
Out = Annotated[Path | None, typer.Option("--out", help="Write the signed credential here and not to standard output.")]


@app.command()
def issue(
    file: File,
    institution: Annotated[str, typer.Option(help="Which institution issues it, such as tartu.")],
    source: From = DraftSource.DRAFT,
    settings: Settings = None,
    offer: Annotated[
        str | None, typer.Option(help="Issue from this offer; the file says what is the learner's own.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Say what the issuer would say; issue nothing.")] = False,
    form: Annotated[
        list[str] | None,
        typer.Option("--format", help="vc+jwt, dc+sd-jwt or openbadge+jwt; several are one credential in each."),
    ] = None,
    out: Out = None,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Issue a credential from a file. The signed credential goes to standard output."""
    draft = read_draft(file, source, settings, quiet=as_json, complete=offer is None)
    check_out(out)
    more = {"offer": offer} if offer else {}
    with connect(url, token) as node:
        if check:
            body = {"institution": institution, "credential": draft, **more}
            found = node.post("/issuer/credentials/check", body, key=False)
            answer(found, Text("It can be issued.", style="green"), as_json=as_json)
            return
        issued = node.issue(institution, draft, **more, **({"formats": form} if form else {}))
    print_issued(issued, out, as_json=as_json)


@app.command()
def correct(
    ref: Ref,
    file: File,
    source: From = DraftSource.DRAFT,
    settings: Settings = None,
    out: Out = None,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Issue a corrected credential from a file, in place of an earlier one, which is then superseded."""
    draft = read_draft(file, source, settings, quiet=as_json)
    check_out(out)
    with connect(url, token) as node:
        issued = node.correct(ref, draft)
    note(
        f"{ref} is superseded as soon as the new one is registered. Beyond ten an hour it waits for a second person:"
        f" `testamur revoke --confirm {issued['ref']} --yes`."
    )
    print_issued(issued, out, as_json=as_json)


@app.command()
def verify(
    file: File,
    as_of: Annotated[datetime | None, typer.Option(help="Judge for that moment, by what is known now (UTC).")] = None,
    known_at: Annotated[datetime | None, typer.Option(help="Judge its status by what was known then (UTC).")] = None,
    country: Annotated[str | None, typer.Option(help="Say what its level means there, such as PT.")] = None,
    trusted_list: TrustedLists = None,
    shapes: Shapes = None,
    nonce: Annotated[str | None, typer.Option(help="What its holder was asked to sign (dc+sd-jwt).")] = None,
    audience: Annotated[str | None, typer.Option(help="Whom its holder was asked to present it to.")] = None,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Ask whether a credential is true. Exit code 0 valid, 1 invalid, 3 indeterminate.

    A sealed Europass file is checked here, by the file alone and the trusted lists that are given; no node is asked.
    """
    raw = read_file(file, LARGEST_SEALED)
    if looks_sealed(raw.strip()):
        verify_sealed(raw.strip(), trusted_list or [], shapes, as_json=as_json)
    credential = raw.decode("ascii", "replace").strip()
    question: dict[str, Any] = {"as_of": in_utc(as_of), "known_at": in_utc(known_at), "country": country and country.upper()}
    question |= {"nonce": nonce, "audience": audience}
    with connect(url, token) as node:
        found = node.verify(credential, **{name: value for name, value in question.items() if value is not None})
    answer(found, Group(verdict(found), report(found)), as_json=as_json)
    raise typer.Exit(OF_VERDICT[found["verdict"]])


@app.command()
def status(ref: Ref, as_json: AsJson = False, url: Url = None, token: Token = None) -> None:
    """Say how a credential stands at its registry."""
    with connect(url, token) as node:
        found = node.status(ref)
    answer(found, fields(found), as_json=as_json)


def check_out(out: Path | None) -> None:
    """Refuse a place that cannot be written before anything is issued, not after."""
    if out is not None and (out.is_dir() or not os.access(out if out.exists() else out.parent, os.W_OK)):
        raise OutUnwritable(f"{out} cannot be written, so nothing was issued. Name another file with --out.")


def print_issued(issued: dict[str, Any], out: Path | None, *, as_json: bool) -> None:
    """The credential to where it was asked for, the rest of the answer to the person."""
    compact = str(issued["credential"])
    note(
        f"Issued {issued['ref']}. Verify it with `testamur verify FILE`, look it up with `testamur status {issued['ref']}`."
    )
    if out is not None:
        out.write_text(compact + "\n")
        note(f"The signed credential is in {out}.")
    if as_json:
        print_json(issued)
    elif out is None:
        print(compact)

"""`testamur stack`: a larger credential from smaller ones, each verified on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.cli.credential.credentials import Out, check_out, print_issued
from services.cli.credential.drafts import LARGEST_CREDENTIAL, DraftSource, Settings, read_draft, read_file
from services.cli.local import AsJson
from services.cli.remote import Token, Url, connect

app = typer.Typer()


@app.command()
def stack(
    parts: Annotated[list[Path], typer.Argument(help="The signed credentials that it is made of.", show_default=False)],
    institution: Annotated[str, typer.Option(help="Which institution issues it, such as tartu.")],
    draft: Annotated[Path | None, typer.Option(help="The larger credential, or what its offer does not say (YAML).")] = None,
    offer: Annotated[str | None, typer.Option(help="The offer whose rule and template are used.")] = None,
    settings: Settings = None,
    out: Out = None,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Issue a larger credential from parts. Its learner and its credits are the parts', unless the draft says them."""
    larger = read_draft(draft, DraftSource.DRAFT, settings, complete=False) if draft else {}
    small = [read_file(path, LARGEST_CREDENTIAL).decode("ascii", "replace").strip() for path in parts]
    check_out(out)
    with connect(url, token) as node:
        issued = node.stack(institution, small, larger, **({"offer": offer} if offer else {}))
    print_issued(issued, out, as_json=as_json)

"""`testamur erase`: what a credential says of its learner, for good. Only shown until `--yes` is given: there is no undo."""

from __future__ import annotations

import typer
from rich.text import Text

from services.cli.credential.credentials import Ref
from services.cli.credential.revocations import Yes
from services.cli.local import AsJson
from services.cli.output import answer, fields, note
from services.cli.remote import Token, Url, connect

app = typer.Typer()


@app.command()
def erase(ref: Ref, yes: Yes = False, as_json: AsJson = False, url: Url = None, token: Token = None) -> None:
    """Destroy the key that opens a credential at its issuer. What the learner holds still verifies; it is not revoked."""
    with connect(url, token) as node:
        if not yes:
            kept = {name: value for name, value in node.credential(ref).items() if name != "credential"}
            shown = Text(f"This would erase what {ref} says of its learner, for good. Repeat it with --yes.")
            answer({"dry_run": True, **kept}, shown, as_json=as_json)
            return
        found = node.erase(ref)
    note("It is erased at its issuer. The learner's own copy still verifies: revoke it where that is meant too.")
    answer(found, fields(found), as_json=as_json)

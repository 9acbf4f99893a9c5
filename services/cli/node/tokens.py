"""Access tokens of the embedded node: made with the key in its own folder, for people and programs that have no other."""

from __future__ import annotations

from typing import Annotated

import typer

from services.cli import local
from services.cli.local import AsJson, HomeFolder, NodeName
from services.cli.output import print_json
from shared.web.auth.scopes import ROLES

app = typer.Typer()

HOUR = 3600


@app.command()
def token(
    role: Annotated[str, typer.Option(help=f"One of: {', '.join(ROLES)}.")],
    institution: Annotated[
        str | None, typer.Option(help="The one institution that its bearer acts for; without it, all of the node's.")
    ] = None,
    subject: Annotated[str | None, typer.Option(help="Who its bearer is; by default you.")] = None,
    lifetime: Annotated[int, typer.Option(help="Seconds that it holds.", min=1, max=30 * 24 * HOUR)] = HOUR,
    node: NodeName = None,
    home: HomeFolder = None,
    as_json: AsJson = False,
) -> None:
    """Make an access token for this node. Its bearer needs nothing else: treat it as a password."""
    if role not in ROLES:
        raise typer.BadParameter(f"There is no such role. Take one of: {', '.join(ROLES)}.")
    settings = local.find(node, home)
    made = local.access_token(settings, role, institution=institution, subject=subject, lifetime=lifetime)
    if as_json:
        print_json({"access_token": made, "token_type": "Bearer", "expires_in": lifetime, "scope": sorted(ROLES[role])})
    else:
        print(made)

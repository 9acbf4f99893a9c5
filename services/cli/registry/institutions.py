"""Commands about institutions: accredit one and give it a key in one step, or list them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from services.cli.datetimes import in_utc
from services.cli.local import AsJson
from services.cli.output import answer, fields, note, rows
from services.cli.remote import Token, Url, connect
from shared.client import Client

app = typer.Typer(help="Institutions: accredit them, list them.", no_args_is_help=True)

MICRO_CREDENTIAL = "micro-credential"
"""The type of credential that a draft has unless it names another."""


@app.command()
def add(
    slug: Annotated[str, typer.Argument(help="Its short name in web addresses, such as tartu.", show_default=False)],
    name: Annotated[str, typer.Option(help="Its legal name.")],
    country: Annotated[str, typer.Option(help="Its country, such as EE.")],
    types: Annotated[list[str] | None, typer.Option("--type", help="Credential types it may award.")] = None,
    eqf_max: Annotated[int, typer.Option(help="The highest EQF level it may award.", min=1, max=8)] = 8,
    fields_of_study: Annotated[list[str] | None, typer.Option("--field", help="ISCED-F prefixes; none means all.")] = None,
    identifier: Annotated[list[str] | None, typer.Option(help="An identifier: eter=EE0001. May be repeated.")] = None,
    valid_until: Annotated[datetime | None, typer.Option(help="When the accreditation ends (UTC).")] = None,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Accredit an institution, make its signing key, and announce it. Repeated, it renews the first and adds a key."""
    scope = {"credential_types": types or [MICRO_CREDENTIAL], "eqf_max": eqf_max, "isced_f": fields_of_study or []}
    accredit: dict[str, Any] = {"institution": slug, "name": name, "country": country.upper(), "scope": scope}
    if identifier:
        accredit["identifiers"] = dict(map(_identifier, identifier))
    if valid_until is not None:
        accredit["valid_until"] = in_utc(valid_until)
    with connect(url, token) as node:
        found = accredit_with_key(node, accredit)
    note(f"Next: testamur issue FILE --institution {slug}")
    answer(found, fields({"institution": slug, "name": name, "kid": found["key"]["kid"]}), as_json=as_json)


@app.command("list")
def list_all(as_json: AsJson = False, url: Url = None, token: Token = None) -> None:
    """List the institutions that this node accredits."""
    with connect(url, token) as node:
        found = node.institutions()
    answer(found, rows(("institution", "name", "country"), found, "No institution is accredited yet."), as_json=as_json)


def accredit_with_key(node: Client, accredit: dict[str, Any]) -> dict[str, Any]:
    """Accredit, have the issuer make the key, and register its public half: the three steps that belong together."""
    slug = accredit["institution"]
    accredited = node.post("/registry/institutions", accredit)
    key = node.post(f"/issuer/institutions/{slug}/keys", {})
    public = {"kid": key["kid"], "jwk": key["jwk"]}
    node.post(f"/registry/institutions/{slug}/keys", public)
    return {"institution": accredited, "key": public}


def _identifier(text: str) -> tuple[str, str]:
    scheme, equals, value = text.partition("=")
    if not equals or not scheme or not value:
        raise typer.BadParameter("Write an identifier as scheme=value, such as eter=EE0001.")
    return scheme, value

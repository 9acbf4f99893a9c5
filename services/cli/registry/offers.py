"""Commands about offers: publish and withdraw one's own, search and show everybody's."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from services.cli.credential.credentials import File
from services.cli.credential.drafts import DraftSource, Settings, read_draft
from services.cli.local import AsJson
from services.cli.output import answer, fields, note, rows
from services.cli.remote import Token, Url, connect

app = typer.Typer(help="Offers: publish micro-credentials, search what all nodes offer.", no_args_is_help=True)

Institution = Annotated[str, typer.Option(help="Which institution offers it, such as tartu.")]
OfferSlug = Annotated[str, typer.Argument(help="Its name there, such as data-literacy.", show_default=False)]
COLUMNS = ("name", "title", "country", "eqf", "ects", "languages")


@app.command()
def publish(
    name: OfferSlug,
    file: File,
    institution: Institution,
    settings: Settings = None,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Offer a micro-credential from a file, in all the federation. Repeated, it publishes a new version."""
    document = read_draft(file, DraftSource.DRAFT, settings, complete=False)
    with connect(url, token) as node:
        found = node.publish_offer(institution, name, document)
    note(f"Next: testamur issue FILE --institution {institution} --offer {name}")
    answer(found, fields({"name": found["name"], "version": found["version"]}), as_json=as_json)


@app.command()
def withdraw(
    name: OfferSlug, institution: Institution, as_json: AsJson = False, url: Url = None, token: Token = None
) -> None:
    """Offer it no more. What was issued from it stands."""
    with connect(url, token) as node:
        found = node.post(f"/registry/offers/{institution}/{name}/withdraw", {})
    answer(found, fields({"withdrawn": found["name"]}), as_json=as_json)


@app.command()
def search(
    words: Annotated[list[str] | None, typer.Argument(help="Words, all of which it says.", show_default=False)] = None,
    eqf: Annotated[int | None, typer.Option(help="EQF level.", min=1, max=8)] = None,
    ects_min: Annotated[float | None, typer.Option(help="ECTS credits at least.", min=0)] = None,
    ects_max: Annotated[float | None, typer.Option(help="ECTS credits at most.", min=0)] = None,
    field: Annotated[str | None, typer.Option(help="Field of education: ISCED-F, or its beginning.")] = None,
    language: Annotated[str | None, typer.Option(help="A language it is taught in, such as et.")] = None,
    country: Annotated[str | None, typer.Option(help="The awarding body's country, such as PT.")] = None,
    stacks_into: Annotated[str | None, typer.Option(help="A larger offer: node/institution/offer.")] = None,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Search what all nodes of the federation offer."""
    sought: dict[str, Any] = {
        "text": " ".join(words or ()),
        "eqf": eqf,
        "ects_min": ects_min,
        "ects_max": ects_max,
        "isced_f": field,
        "language": language,
        "country": country.upper() if country else None,
        "stacks_into": stacks_into,
    }
    with connect(url, token) as node:
        found = node.catalogue(**sought)
    shown = [{**one, "title": _said(one["title"]), "languages": " ".join(one["languages"])} for one in found]
    answer(found, rows(COLUMNS, shown, "Nothing like that is offered."), as_json=as_json)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Its full name: node/institution/offer.", show_default=False)],
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Show one offer, whole."""
    if name.count("/") != 2:
        raise typer.BadParameter("Name it as node/institution/offer, as `testamur offer search` prints it.")
    with connect(url, token) as node:
        found = node.get(f"/registry/catalogue/{name}")
    further = {member: value for member, value in found.items() if member not in ("document", "title", "awarding_body")}
    named = {"title": _said(found["title"]), "awarding body": _said(found["awarding_body"])}
    outcomes = {
        f"outcome {number}": _said(outcome["title"])
        for number, outcome in enumerate(found["document"]["learningOutcomes"], 1)
    }
    answer(found, fields({**named, **further, "languages": " ".join(found["languages"]), **outcomes}), as_json=as_json)


def _said(text: dict[str, str]) -> str:
    """A text in English, or else in its first language."""
    return text.get("en") or next(iter(text.values()))

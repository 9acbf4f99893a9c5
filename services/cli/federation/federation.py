"""Commands of a federation's anchor and of its members: who belongs, signed offline.

    federation init europe                 an anchor and an empty draft, in the folder federation-europe
    federation describe --node ee > ee.json    what a node hands to the anchor (public)
    federation add-node ee.json            into the draft; the same name again replaces the entry
    federation sign                        the next version of the list, signed: federation.json and anchors.json
    federation join FOLDER --node ee       a node goes by that list from now on
    federation show [FOLDER]

The anchor's folder needs no network; what leaves it is federation.json and anchors.json.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import orjson
import typer

from services.cli import local
from services.cli.credential.drafts import read_file
from services.cli.federation.anchor import AnchorFolder
from services.cli.local import AsJson, HomeFolder, NodeName
from services.cli.output import answer, fields, note, print_json, rows
from shared.clock import SystemClock, rfc3339
from shared.errors import Malformed
from shared.home.folder import Home
from shared.trust import federation_list
from shared.trust.nodes import FederationList, Node

app = typer.Typer(help="The federation: who belongs, signed by its anchors.", no_args_is_help=True)

Folder = Annotated[Path | None, typer.Option("--folder", help="The anchor's folder, federation-<name> by default.")]


@app.command()
def init(
    name: Annotated[str, typer.Argument(help="The federation's name, such as europe.", show_default=False)],
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Begin a federation: an anchor's key and an empty draft of its list."""
    anchor = AnchorFolder.begin(folder or Path(f"federation-{name}"), name)
    note(f"Next: testamur federation add-node NODE.json --folder {anchor.folder}")
    answer({"folder": str(anchor.folder)}, fields({"folder": anchor.folder}), as_json=as_json)


@app.command()
def describe(node: NodeName = None, home: HomeFolder = None) -> None:
    """Print what a node hands to the anchor: its name, jurisdictions, address and public root key, as JSON."""
    described = Home(local.find(node, home)).node()
    print_json(described.model_dump(mode="json", exclude_none=True))


@app.command("add-node")
def add_node(
    file: Annotated[
        Path, typer.Argument(help="What `federation describe` printed; - for standard input.", show_default=False)
    ],
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Put a node into the draft; check its key with its people by another way first."""
    anchor = AnchorFolder.at(folder)
    try:
        node = Node.model_validate_json(read_file(file))
    except ValueError:
        raise Malformed(f"{file} describes no node. Make it with `testamur federation describe`.") from None
    anchor.add(node)
    note(f"Next: testamur federation sign --folder {anchor.folder}")
    answer(node.model_dump(mode="json"), fields({"node": node.name, "root": ", ".join(node.root_keys())}), as_json=as_json)


@app.command()
def sign(
    folder: Folder = None,
    days: Annotated[int, typer.Option(help="Days until it expires.", min=1, max=3650)] = 365,
    as_json: AsJson = False,
) -> None:
    """Sign the draft as the list's next version."""
    anchor = AnchorFolder.at(folder)
    listed = anchor.sign(SystemClock().now(), timedelta(days=days))
    note(
        f"Hand federation.json and anchors.json of {anchor.folder} to every member: testamur federation join {anchor.folder}"
    )
    _show(listed, as_json=as_json)


@app.command()
def join(
    folder: Annotated[Path, typer.Argument(help="Where federation.json and anchors.json lie.", show_default=False)],
    node: NodeName = None,
    home: HomeFolder = None,
    as_json: AsJson = False,
) -> None:
    """Let a node go by this list from now on. Its anchors, and how many of them must sign, are pinned: check the folder's
    origin first.
    """
    now, anchor = SystemClock().now(), AnchorFolder.public(folder)
    raw, theirs = anchor.signed(), anchor.pinned()
    listed, remembered = federation_list.verify(raw, pinned=theirs, now=now)
    settings = local.find(node, home, federation=listed.federation)
    own = Home(settings)
    if own.pins_any(theirs.anchors):  # the same federation's next list, which those pinned so far have to sign
        federation_list.verify(raw, pinned=own.pinned(), remembered=own.held, now=now)
    own.join(raw, theirs.anchors, max(theirs.threshold, listed.threshold))
    own.note_list(remembered)  # here, since a running service may be unable to write to the folder
    if listed.node(settings.node) is None:
        note(f"The list does not name {settings.node} yet: others will not hear it.", "yellow")
    note(f"Next: testamur up --node {settings.node}, or testamur init --node {settings.node} for a process a service")
    _show(listed, as_json=as_json)


@app.command()
def show(
    folder: Annotated[Path | None, typer.Argument(help="An anchor's or a node's folder.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Show a signed list, checked against the anchors pinned beside it."""
    found = AnchorFolder.public(folder or Home(local.find()).folder)
    _show(found.listed(SystemClock().now()), as_json=as_json)


def _show(listed: FederationList, *, as_json: bool) -> None:
    document = orjson.loads(listed.model_dump_json(exclude_none=True))
    list_state = federation_list.list_state(listed, SystemClock().now()).value
    note(f"{listed.federation}, version {listed.version}, {list_state}, until {rfc3339(listed.expires)}")
    answer(document, rows(("name", "jurisdictions", "url", "status"), document["nodes"], "No node yet."), as_json=as_json)

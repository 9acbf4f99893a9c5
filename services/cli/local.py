"""Which node's folder is at hand: named by option or environment, or the only one in the present folder.

What a folder already says is not asked again: the federation is that of its list, the address the one listed there.
"""

from __future__ import annotations

import getpass
import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from shared.clock import SystemClock
from shared.errors import Misconfigured, TestamurError
from shared.home.folder import Home
from shared.ids import is_node_name
from shared.settings import NodeSettings
from shared.trust import federation_list, node_token
from shared.trust.nodes import FederationList
from shared.web.auth.authorities import mint_access_token
from shared.web.auth.scopes import ROLES

HomeFolder = Annotated[Path | None, typer.Option("--home", envvar="TESTAMUR_HOME", help="The node's folder.")]
NodeName = Annotated[str | None, typer.Option("--node", envvar="TESTAMUR_NODE", help="The node's name, such as ee.")]
AsJson = Annotated[bool, typer.Option("--json", help="Answer with one JSON document.")]

_FOLDER = "testamur-"


def find(node: str | None = None, home: Path | None = None, **given: Any) -> NodeSettings:
    """The settings of the node that is meant; raises `Misconfigured` when that cannot be told."""
    folder = home or _environment("TESTAMUR_HOME")
    name = node or os.environ.get("TESTAMUR_NODE") or _name_of(folder) or _only_one()
    if name is None:
        raise Misconfigured("Which node is meant? Name it with --node, as in --node ee, or set TESTAMUR_NODE.")
    chosen = {"node": name, **({"home": folder} if folder else {}), **given}
    settings = NodeSettings.load(**chosen)
    listed = listed_in(settings)
    if listed is None or "TESTAMUR_FEDERATION" in os.environ or "federation" in given:
        return settings
    return NodeSettings.load(**chosen, federation=listed.federation)


def at_hand() -> NodeSettings | None:
    """The settings of the node whose folder is at hand, or None when there is none or it is not set up."""
    try:
        settings = find()
    except TestamurError:
        return None
    return settings if Home(settings).federation_file.exists() else None


def names_here() -> list[str]:
    """The names of the nodes that have folders in the present one."""
    return sorted(name for path in Path().glob(f"{_FOLDER}*/federation.json") if (name := _name_of(path.parent)))


def refuse_to_choose() -> None:
    """Raise `Misconfigured` when several nodes have folders here and nothing says which is meant."""
    named = os.environ.get("TESTAMUR_NODE") or os.environ.get("TESTAMUR_HOME")
    if not named and len(found := names_here()) > 1:
        raise Misconfigured(f"Which node is meant, {' or '.join(found)}? Set TESTAMUR_NODE, as in TESTAMUR_NODE={found[0]}.")


def require_set_up(settings: NodeSettings) -> Home:
    """The node's folder; raises `Misconfigured` when `up` has not made it yet."""
    home = Home(settings)
    if not home.federation_file.exists():
        raise Misconfigured(f"{home.folder} is no node's folder yet. Run `testamur up --node {settings.node}` first.")
    return home


def listed_in(settings: NodeSettings) -> FederationList | None:
    """The federation list in the node's folder, checked against the anchors pinned there; None when there is none."""
    home = Home(settings)
    if not home.federation_file.exists():
        return None
    raw = home.federation_file.read_bytes()
    return federation_list.verify(raw, pinned=home.pinned(), now=SystemClock().now()).list


def address(settings: NodeSettings) -> str | None:
    """Where the federation list says that this node answers."""
    listed = listed_in(settings)
    me = listed.node(settings.node) if listed else None
    return me.url if me else None


def access_token(
    settings: NodeSettings,
    role: str = "operator",
    *,
    institution: str | None = None,
    subject: str | None = None,
    lifetime: int = 300,
) -> str:
    """An access token of the node itself, made with the key in its folder; `lifetime` in seconds."""
    return mint_access_token(
        require_set_up(settings).signer("access-token"),
        issuer=settings.audience,
        audience=settings.audience,
        subject=subject or _me(),
        scopes=ROLES[role],
        institution=institution,
        lifetime=lifetime,
        now=SystemClock().now(),
    )


def node_bearer(settings: NodeSettings, audience: str) -> str:
    """A token by which this node shows itself to the node `audience`, to read its log."""
    home = require_set_up(settings)
    return node_token.mint(
        *home.certified("node-token"),
        federation=settings.federation,
        node=settings.node,
        audience=audience,
        now=SystemClock().now(),
        lifetime=timedelta(minutes=5),
    )


def _me() -> str:
    try:
        return f"{getpass.getuser()} at the command line"
    except (OSError, KeyError):
        return "somebody at the command line"


def _environment(name: str) -> Path | None:
    return Path(os.environ[name]) if os.environ.get(name) else None


def _name_of(folder: Path | None) -> str | None:
    name = folder.resolve().name.removeprefix(_FOLDER) if folder else ""
    return name if is_node_name(name) else None


def _only_one() -> str | None:
    """The name of the only node that has a folder in the present one."""
    found = names_here()
    return found[0] if len(found) == 1 else None

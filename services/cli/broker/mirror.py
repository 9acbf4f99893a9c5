"""The mirror between nodes' brokers: its configuration file, written from the federation list that this node goes by.

    mirror config --cluster ee=HOST:PORT --cluster pt=HOST:PORT --only-into pt > mm2.properties

Each node best runs a MirrorMaker of its own beside its own cluster, which fetches what the others say (`--only-into`). It
may read the others' public topics and nothing else there; `testamur topics apply` gives those rights.
"""

from __future__ import annotations

from typing import Annotated

import typer

from services.cli import local
from services.cli.local import HomeFolder, NodeName
from services.cli.output import note
from shared.bus.kafka.mirror_maker import password_variable, properties
from shared.bus.kafka.url import KafkaUrl
from shared.errors import Misconfigured
from shared.ids import is_node_name
from shared.settings import NodeSettings
from shared.trust.nodes import FederationList

app = typer.Typer(help="The mirror between brokers: write its configuration.", no_args_is_help=True)

Cluster = Annotated[
    list[str],
    typer.Option(
        "--cluster",
        help="A node and its brokers: ee=HOST:PORT, or ee=kafka://USER@HOST:PORT?security=...; for each node.",
        show_default=False,
    ),
]
OnlyInto = Annotated[
    list[str] | None, typer.Option("--only-into", help="Only what goes into this node's cluster; the mirror runs beside it.")
]


@app.callback()
def _group() -> None:
    pass


@app.command()
def config(cluster: Cluster, only_into: OnlyInto = None, node: NodeName = None, home: HomeFolder = None) -> None:
    """Print MirrorMaker 2's properties: from each active node's cluster only that node's public topics."""
    listed = _list(local.find(node, home))
    given = _clusters(cluster)
    active = _active(listed, given)
    targets = list(dict.fromkeys(only_into or active))
    if strangers := [name for name in targets if name not in active]:
        raise Misconfigured(
            f"--only-into {strangers[0]} is no active node with a --cluster. Add --cluster {strangers[0]}=HOST:PORT."
        )
    print(properties(active, targets), end="")
    for name, url in active.items():
        if url.user:
            note(f"MirrorMaker takes its password at {name} from the environment: {password_variable(name)}.")
    if len(targets) > 1:
        note("Each node best runs a mirror of its own: --only-into NODE writes that file.")


def _list(settings: NodeSettings) -> FederationList:
    local.require_set_up(settings)
    listed = local.listed_in(settings)
    assert listed is not None  # a folder that is set up has one
    return listed


def _clusters(given: list[str]) -> dict[str, KafkaUrl]:
    clusters: dict[str, KafkaUrl] = {}
    for one in given:
        name, equals, address = one.partition("=")
        if not (equals and address and is_node_name(name)):
            raise typer.BadParameter("Write each --cluster as NODE=HOST:PORT, such as ee=kafka.example.org:9092.")
        if name in clusters:
            raise typer.BadParameter(f"{name} is given twice. Several brokers of one cluster are HOST:PORT,HOST:PORT.")
        clusters[name] = _address(name, address)
    return clusters


def _address(name: str, address: str) -> KafkaUrl:
    try:
        return KafkaUrl.parse(address if "://" in address else f"kafka://{address}")
    except Misconfigured as fault:
        raise Misconfigured(fault.detail.replace("TESTAMUR_BUS", f"--cluster {name}", 1)) from None


def _active(listed: FederationList, given: dict[str, KafkaUrl]) -> dict[str, KafkaUrl]:
    """The clusters between which to mirror; a node that is suspended or has left is left out, and said."""
    active = {}
    for name, url in given.items():
        node = listed.node(name)
        if node is None:
            known = ", ".join(one.name for one in listed.nodes)
            raise Misconfigured(f"The federation list names no node {name}. It names: {known}.")
        if node.status == "active":
            active[name] = url
        else:
            note(f"{name} is left out: the federation list says that it is {node.status}.", "yellow")
    if len(active) < 2:
        raise Misconfigured("A mirror needs the clusters of two active nodes. Give --cluster for each.")
    return active

"""The topics of a node's broker: what differs from what they should be, and making it so.

    topics plan      what is missing, what is set otherwise, and who would be given which right; changes nothing
    topics apply     does that; a change that lets the broker throw records away waits for --yes

It is for whoever administers the broker: TESTAMUR_BUS names a user who may make topics and give rights. The services run
with users of their own, who may not. Only this node's topics and rights are touched, and none is ever deleted or taken away.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.console import Group
from rich.text import Text

from services.cli import local
from services.cli.exit_codes import Code
from services.cli.local import AsJson, HomeFolder, NodeName
from services.cli.output import answer, note, out, print_json, rows
from shared.bus.access import PREFIX, Right, rights_of, writers_beside
from shared.bus.admin import Admin
from shared.bus.open import open_admin
from shared.bus.topics import Difference, differences, settings_of, topics_of
from shared.errors import Misconfigured
from shared.settings import NodeSettings

app = typer.Typer(help="The topics of this node's broker: see what differs, and set them up.", no_args_is_help=True)

LOOK, LOOKS = 0.2, 50
"""Seconds between two looks at what was just made, and how many there are at most."""

MORE_COPIES = (
    "by hand: run kafka-reassign-partitions.sh with a file that names so many brokers, then `testamur topics apply`"
)
"""What gives a topic more copies. It moves data between brokers: who runs them chooses the hour, and which."""

EMBEDDED = "Nothing to do: the embedded bus makes its topics itself."

WithRights = Annotated[
    bool | None,
    typer.Option("--acls/--no-acls", help="Rights of each service's user too; by default when TESTAMUR_BUS names a user."),
]
Prefix = Annotated[
    str, typer.Option("--principal-prefix", help="What the users of services begin with: <prefix><node>-<service>.")
]
Whole = Annotated[
    bool, typer.Option("--whole-node", help="Rights for a user <prefix><node>-node as well, who runs all services in one.")
]


class TopicsPlan(NamedTuple):
    """What differs on a broker, and why no rights are planned where none are."""

    topics: list[Difference]
    copies: int
    rights: list[Right]
    beside: list[Right]
    note: str

    @property
    def settled(self) -> bool:
        """Whether nothing differs."""
        return not self.topics and not self.rights


@app.command()
def plan(
    node: NodeName = None,
    home: HomeFolder = None,
    acls: WithRights = None,
    principal_prefix: Prefix = PREFIX,
    whole_node: Whole = False,
    as_json: AsJson = False,
) -> None:
    """Show what `apply` would do, and do nothing. Exit code 0 when nothing differs, 1 when something does."""
    settings, admin = _open(node, home, as_json=as_json)
    found = _plan(settings, admin, acls, principal_prefix, whole_node=whole_node)
    _show(admin, found, as_json=as_json)
    raise typer.Exit(Code.FINE if found.settled else Code.REFUSED)


@app.command()
def apply(
    node: NodeName = None,
    home: HomeFolder = None,
    acls: WithRights = None,
    principal_prefix: Prefix = PREFIX,
    whole_node: Whole = False,
    yes: Annotated[bool, typer.Option("--yes", help="Also make changes that let the broker throw records away.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make topics and give rights, as `plan` shows. Exit code 0 when nothing differs afterwards, 1 when something does."""
    settings, admin = _open(node, home, as_json=as_json)
    found = _plan(settings, admin, acls, principal_prefix, whole_node=whole_node)
    _carry_out(admin, found, yes=yes)
    left = _shown_after(lambda: _plan(settings, admin, acls, principal_prefix, whole_node=whole_node))
    _show(admin, left, as_json=as_json)
    raise typer.Exit(Code.FINE if left.settled else Code.REFUSED)


def wanted_topics(settings: NodeSettings) -> tuple[str, ...]:
    """The topics that belong on this node's broker, by the federation list it goes by."""
    return topics_of(settings.node, _neighbours(settings))


def _open(node: str | None, home: Path | None, *, as_json: bool) -> tuple[NodeSettings, Admin]:
    """The node that is meant and its broker; leaves with a sentence where there is nothing to set up."""
    settings = local.find(node, home)
    local.require_set_up(settings)
    admin = open_admin(settings.bus_url)
    if admin is None:
        answer({"detail": EMBEDDED}, Text(EMBEDDED), as_json=as_json)
        raise typer.Exit(Code.FINE)
    return settings, admin


def _neighbours(settings: NodeSettings) -> list[str]:
    listed = local.listed_in(settings)
    nodes = listed.nodes if listed else ()
    return [node.name for node in nodes if node.name != settings.node and node.status != "left"]


def _plan(settings: NodeSettings, admin: Admin, acls: bool | None, prefix: str, *, whole_node: bool) -> TopicsPlan:
    topics = wanted_topics(settings)
    seen = admin.look(topics)
    if seen.hidden:
        raise Misconfigured(
            f"This user may not look at {len(seen.hidden)} of {len(topics)} topics, such as {min(seen.hidden)}."
            " Name one in TESTAMUR_BUS who administers the broker."
        )
    differing = differences(topics, seen.there, seen.copies)
    if acls is False or (acls is None and not admin.identified):
        why = "" if acls is False else "No rights are planned, since TESTAMUR_BUS names no user: --acls plans them."
        return TopicsPlan(differing, seen.copies, [], [], why)
    given = admin.rights()
    if given is None:
        why = "This broker checks no rights: it has no authorizer. So none are planned."
        return TopicsPlan(differing, seen.copies, [], [], why)
    wanted = rights_of(settings.node, _neighbours(settings), prefix, whole=whole_node)
    present = set(given)
    missing = [right for right in wanted if right not in present]
    return TopicsPlan(differing, seen.copies, missing, writers_beside(wanted, given, topics), "")


def _carry_out(admin: Admin, found: TopicsPlan, *, yes: bool) -> None:
    """Do what the plan says, and say each thing that was done."""
    for one in found.topics:
        if one.missing:
            admin.create(one.topic, settings_of(one.topic, found.copies), found.copies)
            note(f"Made {one.topic}: {one.wanted}.")
        elif _doable(one, yes=yes):
            admin.change(one.topic, {one.setting: one.wanted})
            note(f"Set {one.setting} of {one.topic} to {one.wanted}; it was {one.found or 'not set'}.")
    if found.rights:
        admin.grant(found.rights)
        principals = len({right.principal for right in found.rights})
        note(f"Gave {len(found.rights)} rights to {principals} users.")


def _shown_after(plan: Callable[[], TopicsPlan]) -> TopicsPlan:
    """What still differs. A broker shows what it made a moment after it said so: what is missing is looked for again."""
    for _ in range(LOOKS):
        found = plan()
        if not found.rights and not any(one.missing for one in found.topics):
            return found
        time.sleep(LOOK)
    return plan()


def _doable(one: Difference, *, yes: bool) -> bool:
    return one.changeable and (yes or not one.drops)


def _show(admin: Admin, found: TopicsPlan, *, as_json: bool) -> None:
    for right in found.beside:
        note(f"{right.principal} may {right.operation} {right.name} too; it is left as it is.", "yellow")
    if found.note:
        note(found.note)
    if as_json:
        print_json(_document(admin, found))
        return
    if found.settled:
        out.print(Text(f"Nothing differs on {admin.shown}."))
        return
    shown = ({**one._asdict(), "what to do": _step(one)} for one in found.topics)
    tables = [rows(("topic", "setting", "found", "wanted", "what to do"), shown, "All topics are as they should be.")]
    if found.rights:
        tables += [Text(), rows(("user", "rights to give", "on"), _by_user(found.rights), "")]
    out.print(Group(*tables))


def _document(admin: Admin, found: TopicsPlan) -> dict[str, Any]:
    return {
        "broker": admin.shown,
        "topics": [{**one._asdict(), "what_to_do": _step(one)} for one in found.topics],
        "rights": [right._asdict() for right in found.rights],
        "writers_beside": [right._asdict() for right in found.beside],
        "detail": found.note,
    }


def _step(one: Difference) -> str:
    if one.missing:
        return "make"
    if one.setting == "replication":
        return MORE_COPIES
    if not one.changeable:
        return "by hand: it cannot be changed in place"
    return "change with --yes: the broker may throw records away" if one.drops else "change"


def _by_user(rights: Iterable[Right]) -> list[dict[str, Any]]:
    """A line for each user and what he may do, with all the topics and groups to which he may do it."""
    operations: dict[tuple[str, str], list[str]] = {}
    for right in rights:
        operations.setdefault((right.principal.removeprefix("User:"), right.name), []).append(right.operation)
    lines: dict[tuple[str, str], list[str]] = {}
    for (user, name), allowed in operations.items():
        lines.setdefault((user, ", ".join(sorted(allowed))), []).append(name)
    return [{"user": user, "rights to give": allowed, "on": names} for (user, allowed), names in lines.items()]

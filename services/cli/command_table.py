"""Which module holds which command. A command line loads the module of its own command: all of them take a second."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from typer.core import TyperGroup
from typer.main import get_group

MODULES: Mapping[str, tuple[str, ...]] = {
    "demo.command": ("demo",),
    "node.serving": ("up", "run", "init"),
    "credential.credentials": ("issue", "correct", "verify", "status"),
    "credential.cohorts": ("issue-batch",),
    "credential.export": ("export",),
    "credential.erasure": ("erase",),
    "credential.present": ("present",),
    "credential.stacks": ("stack",),
    "credential.revocations": ("revoke", "suspend", "reinstate"),
    "node.tokens": ("token",),
    "node.doctor": ("doctor",),
    "node.migrate": ("migrate",),
}
"""Modules by what they hold of the commands without a group, in the order of the help."""

GROUPS: Mapping[str, str] = {
    "institution": "registry.institutions",
    "offer": "registry.offers",
    "federation": "federation.federation",
    "events": "node.events",
    "keys": "node.keys",
    "dead": "node.dead_letters",
    "topics": "broker.topics",
    "mirror": "broker.mirror",
}
"""The groups that have a name of their own, and the module of each."""

_MODULE_OF = {command: module for module, commands in MODULES.items() for command in commands}


class Commands(TyperGroup):
    """All commands of `testamur`, each loaded when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - as Click asks
        """The names of all, none of them loaded."""
        return [*_MODULE_OF, *GROUPS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """One command or group, or None where there is none of that name."""
        if cmd_name in GROUPS:
            group = load(GROUPS[cmd_name])
            group.name = cmd_name
            return group
        return load(_MODULE_OF[cmd_name]).commands[cmd_name] if cmd_name in _MODULE_OF else None


def load(module: str) -> TyperGroup:
    """The commands of a module, which is imported now."""
    return get_group(import_module(f"services.cli.{module}").app)

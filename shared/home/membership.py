"""Who belongs to the federation: the signed list, checked against the pinned anchors, and read again when it changes.

A list that is older than the one in use, or not signed by as many of the pinned anchors as are asked for, changes nothing
and is said in the log.
"""

from __future__ import annotations

from datetime import datetime

from shared.clock import Clock
from shared.errors import Misconfigured, TestamurError
from shared.home.folder import Home
from shared.telemetry import get_logger
from shared.trust import federation_list
from shared.trust.federation_list import NO_LIST, RememberedList, Taken
from shared.trust.nodes import Node

_log = get_logger("membership")


class Membership:
    """This node's view of the federation."""

    def __init__(self, home: Home, clock: Clock) -> None:
        self._home = home
        self._clock = clock
        self.me = home.settings.node
        self.federation = home.settings.federation
        self.list, self._held = self._read(NO_LIST)
        self._read_at = self._modified()

    def node(self, name: str) -> Node | None:
        """The listed node of that name, or None where the list names no such node."""
        return self.list.node(name)

    def neighbours(self) -> tuple[Node, ...]:
        """Every other listed node that has not left."""
        return tuple(node for node in self.list.nodes if node.name != self.me and node.status != "left")

    def list_state(self, now: datetime) -> federation_list.ListState:
        """Whether the list is current, in its grace period, or expired."""
        return federation_list.list_state(self.list, now)

    def reload(self) -> bool:
        """Read the list again where its file has changed; returns whether a newer list is in use now."""
        modified = self._modified()
        if modified == self._read_at:
            return False
        self._read_at = modified
        try:
            newer, self._held = self._read(self._held)
        except TestamurError as error:
            _log.error("federation list refused; the one before stays in use", detail=error.detail)
            return False
        self.list = newer
        return True

    def _read(self, before: RememberedList) -> Taken:
        path = self._home.federation_file
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise Misconfigured(
                f"{path} cannot be read: run `testamur up` once, or put the federation's list there."
            ) from error
        held = max(before, self._home.held)  # another process may be ahead of us, or have been
        taken = federation_list.verify(
            raw, pinned=self._home.pinned(), remembered=held, now=self._clock.now(), federation=self.federation
        )
        self._home.note_list(taken.remembered)
        return taken

    def _modified(self) -> int:
        try:
            return self._home.federation_file.stat().st_mtime_ns
        except OSError:
            return 0

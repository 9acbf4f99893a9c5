"""Who belongs to the federation: the signed list, checked against the pinned anchors, and read again when it changes.

A list that is older than the one in use, or not signed by the pinned anchors, changes nothing and is said in the log.
"""

from __future__ import annotations

from datetime import datetime

from shared.clock import Clock
from shared.errors import Misconfigured, TestamurError
from shared.home import Home
from shared.telemetry import get_logger
from shared.trust import federation
from shared.trust.nodes import FederationList, Node

_log = get_logger("membership")


class Membership:
    """This node's view of the federation."""

    def __init__(self, home: Home, clock: Clock) -> None:
        self._home = home
        self._clock = clock
        self.me = home.settings.node
        self.federation = home.settings.federation
        self.list = self._read(at_least=home.newest_list)
        self._read_at = self._modified()

    def node(self, name: str) -> Node | None:
        """The listed node of that name, or None: a nation that nobody here knows."""
        return self.list.node(name)

    def neighbours(self) -> tuple[Node, ...]:
        """Every other listed node that has not left."""
        return tuple(node for node in self.list.nodes if node.name != self.me and node.status != "left")

    def standing(self, now: datetime) -> federation.Standing:
        """Whether the list is current, in its grace period, or expired."""
        return federation.standing(self.list, now)

    def reload(self) -> bool:
        """Read the list again where its file has changed; returns whether a newer list is in use now."""
        modified = self._modified()
        if modified == self._read_at:
            return False
        self._read_at = modified
        try:
            newer = self._read(at_least=self.list.version)
        except TestamurError as error:
            _log.error("federation list refused; the one before stays in use", detail=error.detail)
            return False
        self.list = newer
        return True

    def _read(self, at_least: int) -> FederationList:
        path = self._home.federation_file
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise Misconfigured(
                f"{path} cannot be read: run `testamur up` once, or put the federation's list there."
            ) from error
        anchors = self._home.anchors()
        listed = federation.verify(
            raw, federation=self.federation, anchors=anchors, at_least_version=at_least, now=self._clock.now()
        )
        self._home.note_list(listed.version)
        return listed

    def _modified(self) -> int:
        try:
            return self._home.federation_file.stat().st_mtime_ns
        except OSError:
            return 0

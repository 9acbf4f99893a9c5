"""What another node may ask of the log, and the page it gets. Pure.

- Only members of the federation read the log, and only its public streams (protocol, section 3). `issuance` never leaves the
  node: the node itself may read its own, for its issuer's store may have been restored from an older backup.
- Every node serves every origin's entries, so that a hole can be filled from any node that has them.
- A page is of one epoch. Its `next` is what to ask on from; its entity tag moves when the page or the head does.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import orjson

from shared.errors import NotFound
from shared.events.base import ISSUANCE
from shared.events.chain import Position

ServedStream = Literal["checkpoints", "trust", "status", "registrations", "catalogue", "issuance"]
"""The public streams (`shared.events.base.PUBLIC`), and the one that only this node itself may read here."""

MAX_ENTRIES = 500
"""The most entries on a page."""
PAGE_BYTES = 4 * 1024 * 1024
"""The most bytes on a page, unless one entry alone is larger."""
MAX_WAIT_SECONDS = 30.0
"""The longest that a long poll waits for the first entry."""


class OriginUnknown(NotFound):
    """404: the federation list names no such node."""

    title = "There is no such node in this federation."


class StreamPrivate(NotFound):
    """404: the stream never leaves its node."""

    title = "There is no such stream for other nodes."


class LogQuery(NamedTuple):
    """Which entries are wanted: whose, of which stream, after which sequence, how many, and how long to wait for one."""

    origin: str
    stream: str
    epoch: int
    after: int
    limit: int
    wait: float
    asker: str = ""
    """The node that asks."""

    def check_public(self, me: str) -> None:
        """Raise `StreamPrivate` where another node would read what never leaves its own."""
        if self.stream == ISSUANCE.name and {self.asker, self.origin} != {me}:
            raise StreamPrivate("Ask for one of the public streams: trust, status, registrations, catalogue, checkpoints.")


class LogPage(NamedTuple):
    """A page of a log. `entries` are compact tokens, the bytes that were signed; `traces` the trace context of each,
    which is not signed; `head` is how far this node has the log without a gap.
    """

    origin: str
    stream: str
    epoch: int
    entries: list[str]
    traces: list[str]
    next: int
    head: Position

    @property
    def etag(self) -> str:
        """An entity tag for the page at its address."""
        return f'"{self.epoch}.{self.next}.{self.head.epoch}.{self.head.seq}.{self.head.hash[:16]}"'

    def body(self) -> bytes:
        """The page as JSON."""
        return orjson.dumps({**self._asdict(), "head": self.head._asdict()})

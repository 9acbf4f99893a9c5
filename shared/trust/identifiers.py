"""Whose institution a global identifier (ETER, DEQAR, VAT) names, where nodes do not agree. Pure.

- An identifier is a claim of the node that accredits. It counts while the accreditation that holds it is in force, made by
  an active node in a country that it speaks for; so a contest ends with the claim of either.
- What two nodes claim at once makes the institutions of both doubtful, whoever claimed first: a node that was early is no
  better than one that is right.
- The node that verifies may decide whose claim stands. The others' institutions stay doubtful.
- Nodes write one identifier differently, so letter case and blanks make no difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from shared.trust.accreditation import Identifier, TrustBook, identifier
from shared.trust.nodes import Node


class NodeBook(NamedTuple):
    """A listed node, and what is known here of whom it accredits."""

    node: Node
    book: TrustBook

    def claims(self, claimed: Identifier, on: datetime, institution: str | None = None) -> bool:
        """Whether one of its institutions, or that one, goes by the identifier on that moment."""
        return self.node.status == "active" and any(
            self.node.covers(event.country) and claimed in {identifier(*one) for one in event.identifiers.items()}
            for slug in ([institution] if institution else self.book.claimants(claimed))
            for event in self.book.accreditation(slug, at=None, on=on)
        )


class Contest(NamedTuple):
    """An identifier, such as `eter:EE0001`, and the nodes that claim it, in order."""

    identifier: str
    nodes: tuple[str, ...]


Decided = Mapping[Identifier, str]
"""Whose claim stands here, by identifier: the name of a node."""


def contest(own: NodeBook, institution: str, others: list[NodeBook], decided: Decided, on: datetime) -> Contest | None:
    """The first identifier of the institution that another node claims too, unless it is decided for its own; or None."""
    ever = own.book.identifiers(institution)
    for claimed in sorted({both for other in others for both in ever & other.book.claimed()}):
        if decided.get(claimed) == own.node.name or not own.claims(claimed, on, institution):
            continue
        names = [other.node.name for other in others if other.claims(claimed, on)]
        if names:
            return Contest(":".join(claimed), tuple(sorted([own.node.name, *names])))
    return None

"""The catalogue stream: which micro-credentials a node's institutions offer.

Neither event reduces trust: what was issued from an offer stands whether or not it is still offered. So both wait for their
turn, and the last one said of an offer is how it is.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from shared.events.base import OFFERS, Event, Slug, Stream, catalogued


@catalogued
class OfferPublished(Event):
    """An institution offers a micro-credential; said again of the same offer, it takes the place of what was said before."""

    kind: ClassVar[str] = "offer.published.v1"
    stream: ClassVar[Stream] = OFFERS

    institution: Slug
    offer: Slug
    """Its name inside the institution's namespace."""
    version: int = Field(ge=1, lt=2**31)
    """Rises with each publication of the same offer."""
    document: dict[str, Any] = Field(max_length=64)
    """What is offered, as `shared.credential.offer.Offer` is published: what Annex I wants known, and nothing of anybody."""

    def subject(self) -> str:
        """The offer, with its institution."""
        return f"{self.institution}/{self.offer}"


@catalogued
class OfferWithdrawn(Event):
    """An institution offers it no more."""

    kind: ClassVar[str] = "offer.withdrawn.v1"
    stream: ClassVar[Stream] = OFFERS

    institution: Slug
    offer: Slug

    def subject(self) -> str:
        """The offer, with its institution."""
        return f"{self.institution}/{self.offer}"

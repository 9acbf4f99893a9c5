"""Stacks: what a larger credential says of its parts, and the rule that parts must fulfil.

- A part is named by its id and the digest of what its issuer signed, so no other can take its place; its title, awarding
  body, workload and level stay visible.
- A rule is data, in the offer of the larger credential.
"""

from __future__ import annotations

import operator
from typing import Annotated

from pydantic import Field, StringConstraints

from shared.credential.levels import eqf_of
from shared.credential.parts import AwardingBody, LevelOrNot, Workload
from shared.credential.text import MOST_ITEMS, Multilingual, Name, Part, Quantity
from shared.ids import NODE_NAME, REF, SLUG, parse_institution

OfferName = Annotated[str, StringConstraints(pattern=f"^{NODE_NAME}/{SLUG}/{SLUG}$")]
"""An offer anywhere in the federation: node, institution and offer, as in `pt/coimbra/data-science`."""

InstitutionName = Annotated[str, StringConstraints(pattern=f"^{NODE_NAME}/{SLUG}$")]
"""An institution anywhere in the federation: `pt/coimbra`."""

NodeName = Annotated[str, StringConstraints(pattern=f"^{NODE_NAME}$")]

CredentialUrn = Annotated[str, StringConstraints(pattern=f"^urn:uuid:{REF}$")]
InstitutionUrn = Annotated[str, StringConstraints(pattern=f"^urn:testamur:{SLUG}:{NODE_NAME}:institution:{SLUG}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")]


class PartReference(Part):
    """One part of a larger credential, as its own issuer signed it."""

    id: CredentialUrn
    issuer: InstitutionUrn
    """The institution that signed it, in its node's namespace."""
    format: Name
    commitment: Digest
    """SHA-256 of what was signed, base64url: what its node registered."""
    title: Multilingual
    awarding_body: AwardingBody
    workload: Workload
    level: LevelOrNot
    offer: OfferName | None = None
    """What it was issued from."""
    includes: Annotated[tuple[CredentialUrn, ...], Field(max_length=1_000, exclude_if=operator.not_)] = ()
    """The parts that it has itself, and theirs."""

    @property
    def ref(self) -> str:
        """Its reference."""
        return self.id.removeprefix("urn:uuid:")

    @property
    def institution(self) -> str:
        """Who issued it: `pt/coimbra`."""
        named = parse_institution(self.issuer)
        return f"{named.node}/{named.slug}" if named else ""

    @property
    def eqf(self) -> int | None:
        """Its EQF level, where it has one."""
        return eqf_of(self.level, self.awarding_body.country)


class Overlap(Part):
    """What two offers have in common, in ECTS credits: it counts once."""

    offers: Annotated[tuple[OfferName, ...], Field(min_length=2, max_length=2)]
    ects: Quantity


class StackRule(Part):
    """What a larger credential is made of. What is not said is not asked."""

    parts: Annotated[int, Field(strict=True, ge=1, le=MOST_ITEMS)] = 2
    """How many parts at least."""
    ects_min: Quantity | None = None
    """Credits of the parts together, at least."""
    required: Annotated[tuple[OfferName, ...], Field(max_length=MOST_ITEMS, exclude_if=operator.not_)] = ()
    """Offers of each of which there must be a part."""
    choose_from: Annotated[tuple[OfferName, ...], Field(max_length=MOST_ITEMS, exclude_if=operator.not_)] = ()
    """Where any are named: each part is of one of these, or of one that is required."""
    institutions: Annotated[tuple[InstitutionName, ...], Field(max_length=MOST_ITEMS, exclude_if=operator.not_)] = ()
    """Where any are named: each part is from one of these."""
    nodes: Annotated[tuple[NodeName, ...], Field(max_length=MOST_ITEMS, exclude_if=operator.not_)] = ()
    """Where any are named: each part is from one of these nodes."""
    eqf_min: Annotated[int | None, Field(ge=1, le=8)] = None
    """The lowest EQF level of a part."""
    beyond_parts: Quantity | None = None
    """Credits at most that the larger credential may have beyond its parts, for work of its own."""
    overlaps: Annotated[tuple[Overlap, ...], Field(max_length=MOST_ITEMS, exclude_if=operator.not_)] = ()


ANY = StackRule()
"""Two parts or more, from anywhere."""

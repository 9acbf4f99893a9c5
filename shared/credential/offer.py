"""`Offer`: what an institution says of a micro-credential before anybody has earned it, for learners and for its own use.

- It holds what Annex I of Council Recommendation 2022/C 243/02 asks for, but for what belongs to one learner: who (1), the
  date of issuing (5), the grade (14). So it is the template from which credentials are issued.
- What a learner wants to know beside that: in which languages it is taught, from when until when, at what price, where to
  apply; and into which larger ones it stacks.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field

from shared.credential.model import DEFAULT_TYPE, MicroCredential
from shared.credential.parts import (
    Assessment,
    AwardingBody,
    LearningOutcome,
    LevelOrNot,
    QualityAssurance,
    Stackability,
    Term,
    Workload,
)
from shared.credential.stack import OfferName, StackRule
from shared.credential.text import MOST_ITEMS, Day, IscedField, Language, Multilingual, Part, Slug, Uri

LEARNERS_OWN = frozenset({"holder", "issued", "valid_from", "valid_until", "offer", "parts"})
"""Members of a credential that no offer can know beforehand."""


class Offer(Part):
    """One offer. Raises pydantic's `ValidationError`."""

    title: Multilingual
    awarding_body: AwardingBody
    learning_outcomes: Annotated[tuple[LearningOutcome, ...], Field(min_length=1, max_length=MOST_ITEMS)]
    workload: Workload
    level: LevelOrNot
    assessment: Assessment
    participation: Term
    quality_assurance: QualityAssurance

    prerequisites: Multilingual | None = None
    stackability: Stackability | None = None
    further_information: Multilingual | None = None

    credential_type: Slug = DEFAULT_TYPE
    isced_f: IscedField | None = None
    language: Language = "en"

    taught_in: Annotated[tuple[Language, ...], Field(max_length=MOST_ITEMS, exclude_if=operator.not_)] = ()
    """In which languages; the credential's own language where none is named."""
    begins: Day | None = None
    ends: Day | None = None
    apply: Uri | None = None
    """Where to apply."""
    price: Multilingual | None = None
    """What it costs, in words: `free of charge`."""
    stacks_into: Annotated[tuple[OfferName, ...], Field(max_length=MOST_ITEMS, exclude_if=operator.not_)] = ()
    """Larger offers that take it as a part, by their institutions' own or mutual word."""

    rule: StackRule | None = None
    """What it is made of, where it is stacked from parts."""

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages in which it is taught."""
        return self.taught_in or (self.language,)

    def template(self) -> dict[str, Any]:
        """The draft of a credential from it, whole but for what is a learner's own."""
        return self.model_dump(mode="json", include=_IN_BOTH, exclude_none=True)

    @classmethod
    def published(cls, document: Mapping[str, Any]) -> Self:
        """An offer as it was published; members of the whole that a newer sender added are left aside."""
        known = {name: value for name, value in document.items() if name in _PUBLISHED}
        return cls.model_validate(known, by_alias=True, by_name=False, strict=False)

    def document(self) -> dict[str, Any]:
        """The offer as it is published: names in camel case, nothing that says nothing."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


_IN_BOTH = set(Offer.model_fields) & set(MicroCredential.model_fields)
_PUBLISHED = {field.alias or name for name, field in Offer.model_fields.items()}

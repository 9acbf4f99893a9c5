"""`MicroCredential`: the one model of a micro-credential, whatever format it is written in.

The fields follow Annex I of Council Recommendation 2022/C 243/02; the eleven mandatory elements cannot be left out, the
others can. What belongs to one issuance (ref, status index, salt, signer) is not here but in `shared/formats/port.py`.
"""

from __future__ import annotations

import operator
from typing import Annotated

from pydantic import Field

from shared.credential.parts import (
    Assessment,
    AwardingBody,
    Holder,
    LearningOutcome,
    LevelOrNot,
    QualityAssurance,
    Stackability,
    Term,
    WithheldHolder,
    Workload,
)
from shared.credential.stack import OfferName, PartReference
from shared.credential.text import MOST_ITEMS, IscedField, Language, Moment, Multilingual, Part, Slug

DEFAULT_TYPE = "micro-credential"
"""The credential type that an accreditation's scope names when nothing narrower was agreed."""


class MicroCredential(Part):
    """A complete micro-credential. Raises pydantic's `ValidationError`, which `faults.from_validation` turns into faults."""

    holder: Holder
    title: Multilingual
    awarding_body: AwardingBody
    issued: Moment
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
    valid_from: Moment | None = None
    valid_until: Moment | None = None

    offer: OfferName | None = None
    """What it was issued from, in the catalogue of the federation."""
    parts: Annotated[tuple[PartReference, ...], Field(max_length=MOST_ITEMS, exclude_if=operator.not_)] = ()
    """The smaller credentials that it is stacked from."""


class ShownCredential(MicroCredential):
    """A micro-credential as its holder shows it, perhaps without a name. Only presentations are read as one."""

    holder: Holder | WithheldHolder

"""From a file that a person wrote to an `Offer`, or every fault at once; and from an offer to a learner's draft.

An offer is whole when a specimen issued from it would be: its faults are those of that specimen, and those of what only an
offer says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from shared.credential import coherence, faults
from shared.credential.draft import DraftRefused, IncoherentCredential, MalformedCredential, build
from shared.credential.faults import Fault
from shared.credential.model import MicroCredential
from shared.credential.offer import LEARNERS_OWN, Offer
from shared.credential.shorthand import expand

_SPECIMEN = {"full_name": "Specimen Learner"}
"""Stands where the learner will: an offer is judged as if it had been issued to somebody."""


def read_offer(
    draft: Mapping[str, Any], now: datetime, policy: coherence.CoherencePolicy = coherence.DEFAULT_POLICY
) -> Offer:
    """The offer that a draft describes. Raises `DraftRefused`, by whichever name tells the first thing to mend, with every
    fault; warnings stop nothing.
    """
    full = expand(draft)
    refused: DraftRefused | None = None
    known = {name: value for name, value in full.items() if name in MicroCredential.model_fields.keys() - LEARNERS_OWN}
    try:
        build({**known, "holder": _SPECIMEN}, now, policy)
    except DraftRefused as refusal:
        refused = refusal
    try:
        offer = Offer.model_validate(full)
    except ValidationError as error:
        found = (*faults.from_validation(error), *_beforehand(full))
        raise refused.and_also(found) if refused else MalformedCredential((), found, {}) from None
    found = tuple(_beforehand(full))
    if refused:
        raise refused.and_also(found)
    if found:
        raise IncoherentCredential((), found, {})
    return offer


def drafted_from(template: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """A learner's draft: what the offer's template says, and over it what is said of the learner alone, member by member."""
    return _merged(template, expand({"language": template.get("language"), **own}))


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    whole = dict(below)
    for name, value in above.items():
        held = whole.get(name)
        whole[name] = _merged(held, value) if isinstance(held, Mapping) and isinstance(value, Mapping) else value
    return whole


def _beforehand(full: Mapping[str, Any]) -> Iterator[Fault]:
    """What cannot be said, or not so, before anybody has earned it."""
    assessment = full.get("assessment")
    if isinstance(assessment, Mapping) and assessment.get("grade") is not None:
        yield Fault("assessment.grade", "not-beforehand", "a grade is a learner's, not an offer's; leave it out")
    begins, ends = full.get("begins"), full.get("ends")
    if isinstance(begins, str) and isinstance(ends, str) and ends < begins:
        yield Fault("ends", "ends-before-start", "it ends before it begins")

"""When credentials may become parts of a larger one. Pure.

- What counts is what this node's own verifier found of a part some minutes ago, not what the part says of itself.
- All parts are one learner's, each compared with each: the same key or the same name (without regard to case, forms of
  writing and spaces), and no two dates of birth.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

from shared.credential.faults import Fault, as_members, sentences
from shared.credential.parts import Holder
from shared.credential.stack import PartReference
from shared.errors import Invalid
from shared.formats.port import Reading
from shared.ids import credential_urn
from shared.trust.receipt import ReceiptFinding


class StackRefused(Invalid):
    """422: the parts do not make the larger credential. `faults` lists each reason with its path."""

    title = "It cannot be stacked from these parts."


class PresentedReading(NamedTuple):
    """A part that could be read, its path in the request, and what the verifier found of it."""

    path: str
    reading: Reading
    finding: ReceiptFinding


def refuse(faults: Iterable[Fault]) -> None:
    """Raise `StackRefused` with every fault, if there is any."""
    found = list(faults)
    if found:
        raise StackRefused(f"Correct: {sentences(found)}.", faults=as_members(found))


def not_found_valid(part: PresentedReading) -> Fault | None:
    """Why the receipt does not make this part good, or None."""
    credential, found = part.reading.credential, part.finding
    of_part = (part.reading.commitment, credential.ref, credential.institution.urn)
    if (found.commitment, found.ref, found.institution) != of_part:
        return Fault(f"{part.path}.receipt", "receipt-of-another", "it is the receipt of another credential")
    if found.verdict != "valid":
        return Fault(part.path, "part-not-valid", f"this node's verifier found it {found.verdict}: {found.reason}")
    return None


def reference(part: PresentedReading) -> PartReference:
    """What the larger credential says of this part."""
    credential = part.reading.credential
    award = credential.award
    inner = [name for part_of_it in award.parts for name in (part_of_it.id, *part_of_it.includes)]
    return PartReference(
        id=credential_urn(credential.ref),
        issuer=credential.institution.urn,
        format=part.reading.format,
        commitment=part.reading.commitment,
        title=award.title,
        awarding_body=award.awarding_body,
        workload=award.workload,
        level=award.level,
        offer=award.offer,
        includes=tuple(dict.fromkeys(inner)),
    )


def is_same(one: Holder, other: Holder) -> bool:
    """Whether two credentials are one learner's, as far as they say."""
    if len({one.date_of_birth, other.date_of_birth} - {None}) > 1:
        return False
    return (one.key is not None and one.key == other.key) or _name(one) == _name(other)


def _name(holder: Holder) -> str:
    return " ".join(unicodedata.normalize("NFKC", holder.display_name).casefold().split())

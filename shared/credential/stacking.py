"""What parts are worth together, and all that breaks the rule of a stack. Pure.

Nothing counts twice: not a part that is listed twice, not one that another listed part already holds, not a course that was
taken twice, and not what two offers have in common by the rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import fsum

from shared.credential.faults import Fault
from shared.credential.stack import Overlap, PartReference, StackRule

_SLACK = 1e-9
"""For binary fractions of credits."""


def ects_of(parts: Iterable[PartReference], overlaps: Sequence[Overlap] = ()) -> float:
    """ECTS credits of parts together, nothing twice; parts that say only hours add none. Never more than their sum, never
    less than the largest of them, in whatever order they come.
    """
    counted = _counted(parts)
    worth = {part.ref: part.workload.ects or 0.0 for part in counted}
    total = fsum(worth.values()) - fsum(_shared(counted, overlaps))
    return max(total, max(worth.values(), default=0.0))


def faults(rule: StackRule, parts: Sequence[PartReference], ects: float | None) -> tuple[Fault, ...]:
    """Everything by which the parts, or the credits that the larger credential claims, break the rule."""
    return (*_twice(parts), *_together(rule, parts), *_each(rule, parts), *_claimed(rule, parts, ects))


def _counted(parts: Iterable[PartReference]) -> list[PartReference]:
    """Each part once, and none that another holds."""
    once = {part.id: part for part in parts}
    held = {name for part in once.values() for name in part.includes if name != part.id}
    return [part for name, part in once.items() if name not in held]


def _shared(counted: Sequence[PartReference], overlaps: Sequence[Overlap]) -> Iterator[float]:
    """Credits that are counted more than once by adding up."""
    by_offer: dict[str, list[float]] = {}
    for part in counted:
        if part.offer is not None:
            by_offer.setdefault(part.offer, []).append(part.workload.ects or 0.0)
    for worth in by_offer.values():
        yield fsum(worth) - max(worth)  # one course taken twice is one course
    for first, second in {tuple(sorted(overlap.offers)) for overlap in overlaps}:
        if first != second and first in by_offer and second in by_offer:
            common = max(overlap.ects for overlap in overlaps if {*overlap.offers} == {first, second})
            yield min(common, max(by_offer[first]), max(by_offer[second]))


def _twice(parts: Sequence[PartReference]) -> Iterator[Fault]:
    seen: set[str] = set()
    for number, part in enumerate(parts):
        if part.id in seen:
            yield Fault(f"parts[{number}]", "part-twice", "it is named twice; name each part once")
        seen.add(part.id)


def _together(rule: StackRule, parts: Sequence[PartReference]) -> Iterator[Fault]:
    count, ects = len(_counted(parts)), ects_of(parts, rule.overlaps)
    if count < rule.parts:
        yield Fault("parts", "too-few-parts", f"the rule asks for {rule.parts} parts that none of the others holds")
    if rule.ects_min is not None and ects < rule.ects_min - _SLACK:
        yield Fault(
            "parts", "too-few-credits", f"the parts are worth {ects:g} ECTS credits; the rule asks for {rule.ects_min:g}"
        )
    missing = [name for name in rule.required if name not in {part.offer for part in parts}]
    for name in missing:
        yield Fault("parts", "part-missing", f"a part of {name} is needed")


def _each(rule: StackRule, parts: Sequence[PartReference]) -> Iterator[Fault]:
    for number, part in enumerate(parts):
        path = f"parts[{number}]"
        if rule.choose_from and part.offer not in {*rule.choose_from, *rule.required}:
            yield Fault(path, "part-not-listed", "the rule does not name its offer")
        if rule.institutions and part.institution not in rule.institutions:
            yield Fault(path, "institution-not-listed", "the rule takes no parts of its institution")
        if rule.nodes and part.institution.partition("/")[0] not in rule.nodes:
            yield Fault(path, "nation-not-listed", "the rule takes no parts of its nation")
        if rule.eqf_min is not None and (part.eqf or 0) < rule.eqf_min:
            yield Fault(path, "level-too-low", f"the rule asks for EQF {rule.eqf_min} or higher")


def _claimed(rule: StackRule, parts: Sequence[PartReference], ects: float | None) -> Iterator[Fault]:
    worth = ects_of(parts, rule.overlaps)
    if ects is not None and ects > worth + (rule.beyond_parts or 0.0) + _SLACK:
        message = f"its parts are worth {worth:g} ECTS credits, counting nothing twice; correct the credits"
        yield Fault("workload.ects", "credits-exceed-parts", message)

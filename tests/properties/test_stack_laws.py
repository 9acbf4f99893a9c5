"""Promise: whatever a credential is stacked from, nothing in it counts twice."""

from __future__ import annotations

import random
import uuid
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.credential.parts import AwardingBody, Level, Workload
from shared.credential.stack import Overlap, PartReference, StackRule
from shared.credential.stacking import ects_of, faults

OFFERS = ("ee/tartu/statistics", "ee/tartu/data", "pt/coimbra/machines", "pt/porto/ethics")


def part(number: int, ects: float | None = 3.0, **said: Any) -> PartReference:
    """A part by its number, the same each time."""
    offer = said.pop("offer", None)
    node, slug = (offer or "ee/tartu/x").split("/")[:2]
    return PartReference(
        id=f"urn:uuid:{uuid.UUID(int=number, version=4)}",
        issuer=f"urn:testamur:testamur:{node}:institution:{slug}",
        format="vc+jwt",
        commitment="A" * 43,
        title={"en": f"Part {number}"},
        awarding_body=AwardingBody(legal_name={"en": "A body"}, country=node.upper()),
        workload=Workload(ects=ects, hours=None if ects else 30.0),
        level=Level(eqf=said.pop("eqf", 6)),
        offer=offer,
        **said,
    )


PARTS = st.lists(
    st.builds(
        lambda number, ects, offer, held: part(number, ects, offer=offer, includes=tuple(part(n).id for n in held)),
        st.integers(1, 12),
        st.sampled_from([None, 0.5, 1.0, 2.5, 6.0]),
        st.none() | st.sampled_from(OFFERS),
        st.sets(st.integers(13, 20), max_size=2),
    ),
    max_size=8,
    unique_by=lambda one: one.id,
)
OVERLAPS = st.lists(
    st.builds(
        lambda first, second, ects: Overlap(offers=(first, second), ects=ects),
        st.sampled_from(OFFERS),
        st.sampled_from(OFFERS),
        st.sampled_from([0.5, 1.0, 10.0]),
    ),
    max_size=4,
).map(tuple)


def total(parts: list[PartReference]) -> float:
    return sum(one.workload.ects or 0.0 for one in parts)


@given(PARTS, OVERLAPS, st.randoms())
def test_parts_are_worth_the_same_in_any_order(
    parts: list[PartReference], overlaps: tuple[Overlap, ...], by: random.Random
) -> None:
    worth = ects_of(parts, overlaps)
    mixed = list(parts)
    by.shuffle(mixed)
    assert ects_of(mixed, overlaps[::-1]) == worth


@given(PARTS, OVERLAPS)
def test_parts_are_worth_no_more_than_their_sum_and_no_less_than_the_largest(
    parts: list[PartReference], overlaps: tuple[Overlap, ...]
) -> None:
    worth = ects_of(parts, overlaps)
    assert max((one.workload.ects or 0.0 for one in parts), default=0.0) <= worth <= total(parts) + 1e-9


@given(PARTS, OVERLAPS)
def test_a_part_that_is_named_twice_counts_once(parts: list[PartReference], overlaps: tuple[Overlap, ...]) -> None:
    assert ects_of([*parts, *parts], overlaps) == ects_of(parts, overlaps)


@given(PARTS)
def test_what_another_part_holds_already_adds_nothing(parts: list[PartReference]) -> None:
    held = part(30, 4.0)
    holder = part(31, 8.0, includes=(held.id,))
    assert ects_of([*parts, holder, held]) == ects_of([*parts, holder])


def test_what_two_offers_have_in_common_counts_once() -> None:
    both = [part(1, 3.0, offer=OFFERS[0]), part(2, 4.0, offer=OFFERS[1])]
    overlap = Overlap(offers=(OFFERS[1], OFFERS[0]), ects=1.5)
    assert ects_of(both) == 7.0
    assert ects_of(both, [overlap]) == 5.5
    assert ects_of(both, [overlap, overlap]) == 5.5


def test_one_course_taken_twice_counts_once() -> None:
    assert ects_of([part(1, 3.0, offer=OFFERS[0]), part(2, 4.0, offer=OFFERS[0])]) == 4.0


def test_everything_that_breaks_the_rule_is_told_at_once() -> None:
    rule = StackRule(
        parts=4,
        ects_min=20.0,
        required=(OFFERS[2],),
        choose_from=(OFFERS[0],),
        institutions=("ee/tartu",),
        nodes=("ee",),
        eqf_min=6,
    )
    parts = [part(1, offer=OFFERS[0]), part(2, offer=OFFERS[3], eqf=5), part(2, offer=OFFERS[3], eqf=5)]
    found = [(fault.path, fault.rule) for fault in faults(rule, parts, 30.0)]
    assert found == [
        ("parts[2]", "part-twice"),
        ("parts", "too-few-parts"),
        ("parts", "too-few-credits"),
        ("parts", "part-missing"),
        *(
            (f"parts[{number}]", reason)
            for number in (1, 2)
            for reason in ("part-not-listed", "institution-not-listed", "nation-not-listed", "level-too-low")
        ),
        ("workload.ects", "credits-exceed-parts"),
    ]


@given(PARTS, st.sampled_from([0.0, 1.0]))
def test_a_stack_claims_no_more_than_its_parts_and_its_own_work(parts: list[PartReference], beyond: float) -> None:
    rule = StackRule(parts=1, beyond_parts=beyond or None)
    worth = ects_of(parts) + beyond
    told = {fault.rule for fault in faults(rule, parts, worth + 0.5)}
    assert "credits-exceed-parts" in told
    assert "credits-exceed-parts" not in {fault.rule for fault in faults(rule, parts, worth or None)}

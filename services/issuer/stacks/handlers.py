"""From a request to stack to a request to issue: each part read, its receipt checked, the rule applied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from services.issuer.context import IssuerContext
from services.issuer.credentials.commands import IssueCredential
from services.issuer.offers import repository as offers
from services.issuer.stacks import domain
from services.issuer.stacks.commands import PresentedPart, StackCredential
from services.issuer.stacks.domain import PresentedReading
from shared.credential.faults import Fault
from shared.credential.offering import drafted_from
from shared.credential.parts import Holder, WithheldHolder
from shared.credential.shorthand import expand
from shared.credential.stack import ANY, PartReference, StackRule
from shared.credential.stacking import ects_of, faults
from shared.errors import TestamurError
from shared.formats import registry
from shared.trust import receipt


async def stacked(context: IssuerContext, command: StackCredential) -> tuple[IssueCredential, tuple[PartReference, ...]]:
    """The command that issues the larger credential, and the parts it is to name; raises `StackRefused` with every fault."""
    found = [_read_part(context, number, part) for number, part in enumerate(command.parts)]
    presented = [one for one in found if isinstance(one, PresentedReading)]
    parts = tuple(domain.reference(one) for one in presented)
    offer = await offers.find(context.store, command.institution, command.offer) if command.offer else None
    rule = offer.rule if offer else ANY
    draft = _with_holder(command.credential, presented)
    larger = drafted_from(offer.template, draft) if offer else expand(draft)
    claimed = _ects(larger)
    unread = [one for one in found if isinstance(one, Fault)]
    domain.refuse([*unread, *_of_parts(presented, larger), *(faults(rule, parts, claimed) if not unread else ())])
    return _command(command, _with_credits(draft, larger, parts, rule)), parts


def _read_part(context: IssuerContext, number: int, part: PresentedPart) -> PresentedReading | Fault:
    path = f"parts[{number}]"
    try:
        name = registry.recognise(part.credential)
        if name is None:
            return Fault(path, "unknown-format", "it is in no format that is read here")
        reading = registry.read(part.credential, name)
    except TestamurError as error:
        return Fault(path, "malformed", error.detail)
    try:
        finding = receipt.check(
            part.receipt,
            federation_list=context.membership.list,
            me=context.node,
            now=context.clock.now(),
            believed={one.certificate for one in context.home.believed("receipt")},
        )
    except TestamurError as error:
        return Fault(f"{path}.receipt", "receipt-refused", error.detail)
    return PresentedReading(path, reading, finding)


def _of_parts(presented: list[PresentedReading], larger: Mapping[str, Any]) -> Iterator[Fault]:
    """The faults of single parts: what the verifier found, and whose they are."""
    try:
        learners = [Holder.model_validate(larger.get("holder"))]
    except ValidationError:
        learners = []  # the draft itself is refused for that, with the path
    for one in presented:
        if fault := domain.not_found_valid(one):
            yield fault
        holder = one.reading.credential.award.holder
        if isinstance(holder, WithheldHolder):
            yield Fault(one.path, "name-not-shown", "it does not show whose it is; ask for it with the name shown")
        elif not all(domain.is_same(holder, learner) for learner in learners):
            yield Fault(one.path, "another-learner", "it is not the same learner's as the credential or a part before it")
        else:
            learners.append(holder)


def _with_holder(draft: Mapping[str, Any], presented: list[PresentedReading]) -> dict[str, Any]:
    """The draft with the first part's holder, where it names none."""
    if draft.get("holder") is not None or not presented:
        return dict(draft)
    holder = presented[0].reading.credential.award.holder
    return {**draft, "holder": holder.model_dump(mode="json", exclude_none=True)}


def _with_credits(
    draft: dict[str, Any], larger: Mapping[str, Any], parts: tuple[PartReference, ...], rule: StackRule
) -> dict[str, Any]:
    """The draft with the parts' credits together, where neither it nor its offer gives a workload."""
    worth = ects_of(parts, rule.overlaps)
    return draft if larger.get("workload") is not None or not worth else {**draft, "workload": {"ects": worth}}


def _ects(larger: Mapping[str, Any]) -> float | None:
    workload = larger.get("workload")
    ects = workload.get("ects") if isinstance(workload, Mapping) else None
    return float(ects) if isinstance(ects, int | float) else None


def _command(command: StackCredential, draft: dict[str, Any]) -> IssueCredential:
    return IssueCredential(
        institution=command.institution,
        offer=command.offer,
        formats=command.formats,
        credential=draft,
        valid_from=command.valid_from,
        valid_until=command.valid_until,
        replaces=command.replaces,
    )

"""One way to say what is wrong with a credential: where, which rule, in which words, and whether it stops the issue.

A fault never repeats what was sent: a member that is not ours is named by its parent, and a value not at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ValidationError

from shared.credential import model, offer, parts, stack

Severity = Literal["error", "warning"]
"""An error stops the issue of a credential; a warning is reported and stops nothing."""


class Fault(NamedTuple):
    """One thing that is wrong: the path in our names (`workload.hours`), a stable rule, a sentence, the severity."""

    path: str
    rule: str
    message: str
    severity: Severity = "error"


_SENTENCES = {
    "missing": "it is needed here",
    "extra_forbidden": "it has a member that is not known here; leave that out",
    "string_pattern_mismatch": "it is empty, or holds characters that are not allowed here",
    "string_unicode": "it holds half a character (a lone surrogate)",
    "union_tag_invalid": "it is neither a level nor a reason why there is none",
}
"""Pydantic's refusals whose own words would be about patterns and tags."""


def _members(kind: type[BaseModel]) -> Iterable[str]:
    for name, field in kind.model_fields.items():
        yield name
        yield field.alias or name


_OURS = frozenset(
    name
    for module in (model, parts, stack, offer)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, BaseModel)
    for name in _members(kind)
)
"""Every member name of the model, as a person writes it and as it is signed: no other word of a path is repeated."""


def path_of(location: tuple[int | str, ...]) -> str:
    """A pydantic location as `learning_outcomes[0].title`, without tags, languages and names that are not ours."""
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step in _OURS:
            path += f".{step}" if path else step
    return path


def _fault(error: Any) -> Fault:
    kind = error["type"]
    message = _SENTENCES.get(kind) or error["msg"].removeprefix("Value error, ")
    if kind == "extra_forbidden" and error["loc"][-1] in _OURS:
        message = "it does not belong here; leave it out"
    return Fault(path_of(error["loc"]), kind.replace("_", "-"), message)


def from_validation(error: ValidationError) -> tuple[Fault, ...]:
    """Every fault that a validation found."""
    return tuple(_fault(found) for found in error.errors(include_url=False, include_context=False, include_input=False))


def sentences(faults: Iterable[Fault]) -> str:
    """Faults as one readable text: `workload.hours: it is needed here; ...`."""
    return "; ".join(f"{fault.path or 'the credential'}: {fault.message}" for fault in faults)


def as_members(faults: Iterable[Fault]) -> list[dict[str, str]]:
    """Faults as members of a problem document."""
    return [fault._asdict() for fault in faults]

"""Rules of what is said and asked: events and commands do not change once made, and no event holds a person."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.lints.source import Finding, Source, dotted

PERSONAL = frozenset(
    re.findall(
        r"\w+",
        """
    address age bank birth birthdate birthday born city contact dob email employee family firstname forename fullname gender
    given holder house iban ip lastname learner mail maiden middlename mobile name nationality nickname passport patronymic
    person personal phone photo picture portrait postal postcode pupil salutation sex signatory ssn street student surname
    telephone tel username zip
    """,
    )
)
"""Words that, as a part of a member's name, speak of a person."""

NOT_OF_A_PERSON = frozenset({("InstitutionAccredited", "name"), ("Stream", "name")})
"""Members (of a class) that hold such a word and speak of an institution or a stream."""


def is_personal(owner: str, member: str) -> bool:
    """Whether a member of that class would hold a person's data, going by its name."""
    return not PERSONAL.isdisjoint(member.lower().split("_")) and (owner, member) not in NOT_OF_A_PERSON


def event_holds_no_person(source: Source) -> Iterator[Finding]:
    """No event class has a member for a direct identifier of a person."""
    for owner in source.classes if source.path.startswith("shared/events/") else ():
        for node in owner.body:
            if (
                isinstance(node, ast.AnnAssign)
                and isinstance(node.target, ast.Name)
                and is_personal(owner.name, node.target.id)
            ):
                yield Finding(node.lineno, f"{owner.name}.{node.target.id} would carry a person across the border")


def what_is_said_stays_said(source: Source) -> Iterator[Finding]:
    """Events and commands are frozen; events ignore members they do not know, commands refuse them."""
    manner = _manner(source)
    for owner in source.classes if manner else ():
        yield from (Finding(owner.lineno, f"{owner.name} {fault}") for fault in _faults(owner, manner))


def _manner(source: Source) -> str:
    """What the classes of this file do with members they do not know; empty where the rule does not apply."""
    if source.path.startswith("shared/events/"):
        return "ignore"
    is_commands = source.path.startswith("services/") and source.path.endswith("/commands.py")
    return "forbid" if is_commands or source.path == "shared/web/command.py" else ""


def _faults(owner: ast.ClassDef, manner: str) -> Iterator[str]:
    for decorator in owner.decorator_list:
        if _is(decorator, "dataclass") and _keywords(decorator).get("frozen") is not True:
            yield "is a dataclass that is not frozen"
    config = _config(owner)
    if config is None:
        if any(_is(base, "BaseModel") for base in owner.bases):
            yield "says nothing of being frozen: give it a model_config"
        return
    if not config.get("frozen", not any(_is(base, "BaseModel") for base in owner.bases)):
        yield "is not frozen"
    if config.get("extra", manner) != manner:
        yield f"must have extra={manner!r}"


def _config(owner: ast.ClassDef) -> dict[str, object] | None:
    for node in owner.body:
        if isinstance(node, ast.Assign) and any(_is(target, "model_config") for target in node.targets):
            return _keywords(node.value)
    return None


def _keywords(node: ast.expr) -> dict[str, object]:
    given = node.keywords if isinstance(node, ast.Call) else []
    return {one.arg: one.value.value for one in given if one.arg and isinstance(one.value, ast.Constant)}


def _is(node: ast.expr, name: str) -> bool:
    return dotted(node.func if isinstance(node, ast.Call) else node).rpartition(".")[2] == name

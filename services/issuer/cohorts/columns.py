"""What a column of a cohort's file may name: a member of a draft by its dotted path, or one of a few short names. Pure.

Rules
- `assessment.grade`, `workload.ects`, `title.et`; `given_name`, `family_name`, `full_name`, `date_of_birth` and `grade` are
  short for the paths in `SHORT_NAMES`.
- Letters in either case, blanks around and between count as nothing: `Given name` is `given_name`.
- A cell is text. Only where the model takes a number does a plain number become one: a name may be
  `null`, and the field `0611` is not 393. A comma for a point stays text, which the model then refuses as no number.
- `external_id` is the institution's own number of the learner: it stays with the issuer and is in no credential.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel

from shared.credential.model import MicroCredential

EXTERNAL_ID = "external_id"
"""The column that stays with the issuer."""

SHORT_NAMES = {
    "given_name": "holder.given_name",
    "family_name": "holder.family_name",
    "full_name": "holder.full_name",
    "date_of_birth": "holder.date_of_birth",
    "grade": "assessment.grade",
}
"""Short names of columns, and the path of each."""

ISSUERS_OWN = frozenset({"offer", "parts"})
"""Members of a credential that only its issuer sets."""

_PATH = re.compile(r"[a-z_]{1,40}(?:\.[A-Za-z0-9_-]{1,40}){0,7}")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,15})?")


class Column(NamedTuple):
    """What a column sets: a dotted path in a draft, and whether it takes a number."""

    path: str
    is_number: bool = False


@cache
def column(name: str) -> Column | None:
    """What a column of that name sets, or None where a draft has no such member."""
    plain = "_".join(name.split()).lower()
    if plain == EXTERNAL_ID:
        return Column(EXTERNAL_ID)
    path = SHORT_NAMES.get(plain, plain)
    kinds: list[Any] = [] if path.partition(".")[0] in ISSUERS_OWN else [MicroCredential]
    for step in path.split("."):
        kinds = [inner for kind in kinds for inner in _member(kind, step)]
    return Column(path, any(kind in (float, int) for kind in kinds)) if kinds else None


def path_of(name: str) -> str | None:
    """The path of a member's name in a line of JSON, or None where it is none; the model decides which members there are."""
    return SHORT_NAMES.get(name, name) if _PATH.fullmatch(name) else None


def cell(where: Column, text: str) -> Any:
    """The value of a cell: a number where the column takes one and the text is one, else the text, without blanks around."""
    plain = text.strip()
    if where.is_number and _NUMBER.fullmatch(plain):
        return float(plain) if "." in plain else int(plain)
    return plain


def _member(kind: Any, name: str) -> Iterator[Any]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        if name in kind.model_fields:
            yield from _kinds(kind.model_fields[name].annotation)
    elif get_origin(kind) is dict:
        yield from _kinds(get_args(kind)[1])


def _kinds(annotation: Any) -> Iterator[Any]:
    """The types that a member may have, without what only narrows them."""
    if get_origin(annotation) is Annotated:
        yield from _kinds(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for part in get_args(annotation):
            yield from _kinds(part)
    else:
        yield annotation

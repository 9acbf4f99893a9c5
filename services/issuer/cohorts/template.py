"""A template and a row make a draft: a value of the row wins, at its path. Pure.

Rules
- A row's value replaces the template's at its path; a mapping for a part (`level`) is laid over that part, by members.
- The template is brought into its full form once (`shorthand.expand`), and of a row only what the row touches.
- A template names no learner: all rows would get its `holder`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from services.issuer.cohorts.domain import TemplateRefused
from shared.credential.model import MicroCredential
from shared.credential.shorthand import FullDraft, expand

_PARTS = frozenset(
    name
    for name, field in MicroCredential.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel) and name != "participation"
) | {"level", "stackability"}
"""Members that are made of members, which a row may give some of."""


class CohortTemplate:
    """The draft that all learners of a cohort share."""

    def __init__(self, draft: Mapping[str, Any]) -> None:
        """Raises `TemplateRefused`."""
        if not draft:
            raise TemplateRefused("Give `template`, `offer` or both: what all learners share is in neither.")
        if draft.get("holder") is not None:
            raise TemplateRefused("Leave out `holder`: who the learners are is in the rows.")
        self._full = expand(draft)
        self._language = {"language": draft["language"]} if "language" in draft else {}

    @property
    def draft(self) -> dict[str, Any]:
        """It in full form, from which it is made again."""
        return self._full

    def filled(self, values: Mapping[str, Any]) -> FullDraft:
        """The draft of one row, in full form."""
        touched: dict[str, Any] = {}
        for path, value in values.items():
            first, *rest = path.split(".")
            before = touched.get(first, self._full.get(first))
            touched[first] = _put(before, rest, value, is_part=first in _PARTS)
        return FullDraft({**self._full, **expand({**self._language, **touched})})


def _put(before: Any, rest: list[str], value: Any, *, is_part: bool) -> Any:
    """A copy of `before` with `value` at the rest of the path."""
    here = before if isinstance(before, Mapping) else {}
    if rest:
        return {**here, rest[0]: _put(here.get(rest[0]), rest[1:], value, is_part=False)}
    return {**here, **value} if is_part and isinstance(value, Mapping) else value

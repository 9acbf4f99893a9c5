"""What a person may leave out of a draft, filled in; nothing is guessed.

Rules
- A plain text where a text by language belongs is in the draft's `language` (English unless said).
- A word where a controlled term belongs is looked up by label, code or URI (`blended`, `written examination`); a word that
  is not on the list stays the person's own label.
- `identifiers` may be a mapping of scheme to value, a learning outcome a plain text, `hours` an ISO 8601 duration in hours.
- A date without a time begins the day in UTC, except an end, which includes its last day.
- What has an unexpected shape is passed on as it stands: the model names the fault.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from shared.credential.duration import parse_duration
from shared.credential.vocabulary import Concept, ConceptList, concept, language_exists

DEFAULT_LANGUAGE = "en"
"""The language of plain texts in a draft that names none."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")

_Expand = Callable[[Any, str], Any]


class FullDraft(dict[str, Any]):
    """A draft in full form: expanding it again would change nothing, so it is not done."""


def expand(draft: Mapping[str, Any]) -> dict[str, Any]:
    """A draft in the full form that `MicroCredential` takes; the draft is not changed; expanding twice is once."""
    if isinstance(draft, FullDraft):
        return dict(draft)
    stated = draft.get("language")
    language = stated if isinstance(stated, str) and language_exists(stated) else DEFAULT_LANGUAGE
    full: dict[str, Any] = _each(draft, _MEMBERS, language)
    return full


def _each(value: Any, rules: Mapping[str, _Expand], language: str) -> Any:
    """A mapping with the members that have a rule expanded; members that say nothing (null) are left out."""
    if not isinstance(value, Mapping):
        return value
    said = ((name, member) for name, member in value.items() if member is not None)
    return {name: rules[name](member, language) if name in rules else member for name, member in said}


def _text(value: Any, language: str) -> Any:
    return {language: value.strip()} if isinstance(value, str) else value


def _term(name: ConceptList) -> _Expand:
    def expand_term(value: Any, language: str) -> Any:
        if isinstance(value, str):
            found = concept(name, value)
            return _written(found) if found else {"label": _text(value, language)}
        if isinstance(value, Mapping):
            found = concept(name, value["uri"]) if isinstance(value.get("uri"), str) else None
            return {**(_written(found) if found else {}), **_each(value, {"label": _text}, language)}
        return value

    return expand_term


def _written(found: Concept) -> dict[str, Any]:
    return {"label": {"en": found.label}, "uri": found.uri}


def _part(rules: Mapping[str, _Expand], alone: str | None = None) -> _Expand:
    """A part with its members' rules; `alone` names the member that a plain text stands for."""

    def expand_part(value: Any, language: str) -> Any:
        whole = {alone: value} if alone and isinstance(value, str) else value
        return _each(whole, rules, language)

    return expand_part


def _outcomes(value: Any, language: str) -> Any:
    entries = [value] if isinstance(value, str | Mapping) else value
    if not isinstance(entries, list | tuple):
        return value
    expand_one = _part({"title": _text}, alone="title")
    return [expand_one(entry, language) for entry in entries]


def _identifiers(value: Any, _language: str) -> Any:
    return [{"scheme": scheme, "value": entry} for scheme, entry in value.items()] if isinstance(value, Mapping) else value


def _hours(value: Any, _language: str) -> Any:
    duration = parse_duration(value) if isinstance(value, str) else None
    return (duration and duration.learning_hours) or value


def _begin(value: Any, _language: str) -> Any:
    return f"{value}T00:00:00Z" if isinstance(value, str) and _DAY.fullmatch(value) else value


def _end(value: Any, _language: str) -> Any:
    return f"{value}T23:59:59Z" if isinstance(value, str) and _DAY.fullmatch(value) else value


_MEMBERS: dict[str, _Expand] = {
    "title": _text,
    "awarding_body": _part({"legal_name": _text, "identifiers": _identifiers}),
    "issued": _begin,
    "learning_outcomes": _outcomes,
    "workload": _part({"hours": _hours}),
    "assessment": _part(
        {"type": _term("assessment"), "supervision": _term("supervision"), "grade": _text, "grading_scheme": _text},
        alone="type",
    ),
    "participation": _term("mode"),
    "quality_assurance": _part({"type": _term("quality_assurance"), "valid_until": _end}, alone="type"),
    "prerequisites": _text,
    "stackability": _part({"note": _text}, alone="kind"),
    "further_information": _text,
    "price": _text,
    "valid_from": _begin,
    "valid_until": _end,
}

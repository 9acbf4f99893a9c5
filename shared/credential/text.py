"""The kinds of text and number that a credential is made of, each with its limit.

Rules
- Every text has a character that can be seen, no control character except tab and line feed, and no character that turns
  the reading direction (Unicode TR 36, 2.2): what is shown is what was signed. Lone surrogates are refused.
- A text in several languages is a mapping from ISO 639-1 code to text, never empty.
- Numbers are numbers: `true` is no 1 and `"6"` is no 6. A time is written as text, never as a count of seconds.
- A part is frozen and refuses members it does not know. In the signed credential its names are in camel case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    StringConstraints,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema

from shared.clock import Instant
from shared.credential import vocabulary

LONGEST_TEXT = 2_000
"""Characters in any one text: a learning outcome is a paragraph, not a book."""

LONGEST_NAME = 200
"""Characters in a name, a code or an identifier."""

MOST_ITEMS = 100
"""Entries in any one list."""

_HIDDEN = "\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff"
_HIDES = re.compile(f"[{_HIDDEN}]")
_TEXT = f"^[^{_HIDDEN}]*[^\\s{_HIDDEN}][^{_HIDDEN}]*$"
_URI = "^(?:https?://|urn:)[!#-;=?-\\[\\]_a-z~]+$"


def require_visible(text: str) -> str:
    """The text, where it shows something and hides nothing; raises `ValueError` otherwise, in a sentence."""
    if _HIDES.search(text) or not text.strip():
        raise ValueError("It needs a character that can be seen, and none that hides or turns the reading direction.")
    return text


class OneOf:
    """An annotation: the text is one of these codes. The refusal names the list, not its hundreds of entries."""

    def __init__(self, codes: Iterable[str], what: str) -> None:
        self._codes, self._what = sorted(codes), what

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """A literal, checked in the compiled core by one look-up."""
        return core_schema.custom_error_schema(
            core_schema.literal_schema(self._codes), "unknown_code", custom_error_message=f"it is not {self._what}"
        )


def _written(value: Any, parse: ValidatorFunctionWrapHandler) -> Any:
    """A date or time from its ISO form; pydantic would also take seconds since 1970, as a number or a text."""
    if not (isinstance(value, date) or (isinstance(value, str) and value[4:5] == "-")):
        raise ValueError("a date or time is written as text, such as 2026-11-23T20:19:00Z")
    try:
        return parse(value)
    except OverflowError:  # the year 1 in a zone ahead of UTC
        raise ValueError("the year is out of range") from None


Text = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT, pattern=_TEXT)]
"""A text of at most 2,000 characters."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME, pattern=_TEXT)]
"""A name, code or identifier of at most 200 characters."""

Uri = Annotated[str, StringConstraints(max_length=LONGEST_TEXT, pattern=_URI)]
"""An http, https or urn URI (RFC 3986), at most 2,000 characters."""

Slug = Annotated[str, StringConstraints(pattern="^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")]
"""Lower case letters, digits and hyphens."""

Language = Annotated[str, OneOf(vocabulary.LANGUAGES, "an ISO 639-1 language code such as en")]
Country = Annotated[str, OneOf(vocabulary.COUNTRIES, "an ISO 3166-1 alpha-2 country code such as EE")]
IscedField = Annotated[str, OneOf(vocabulary.ISCED_FIELDS, "a field of ISCED-F 2013 such as 0611")]

Multilingual = Annotated[dict[Language, Text], Field(min_length=1, max_length=40)]
"""A text by language."""

Moment = Annotated[Instant, WrapValidator(_written)]
"""An aware instant, written as text."""

Day = Annotated[date, WrapValidator(_written)]
"""A calendar day, written as text: `1999-12-31`."""

Quantity = Annotated[float, Field(strict=True, gt=0, le=100_000, allow_inf_nan=False)]
"""A positive number of hours or credits."""


class Part(BaseModel):
    """What every part of a credential is: frozen, exact, and named in camel case on the wire."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True, validate_by_alias=False
    )

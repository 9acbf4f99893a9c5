"""What every adapter asks of a question before it puts it into its own words: names, indexed members, and a span of keys.

- A collection is named by `[a-z_]+` and an indexed member by `[a-z][a-z0-9_]*`, so that either may stand in a statement.
- The members of a search must lead one of the collection's indexes: no search reads a whole collection unseen.
- Keys sort by their UTF-8 bytes, which is the order of their code points: a prefix ends where its last one is raised.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from shared.store.port import Collection, Scalar

TAKEN = "A document of that key or unique value is there already; read it and go on from there."
CHANGED = "The document is at another version than the one that was read; read it again and repeat."
FOREIGN_AWAIT = "a transaction may await nothing but its own store"

Table = TypeVar("Table")

_COLLECTION = re.compile(r"[a-z_]+")
_MEMBER = re.compile(r"[a-z][a-z0-9_]*")
_LAST_CODE_POINT = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


class Span(NamedTuple):
    """Keys from `lower` (itself excluded when `strictly`) up to and without `upper` (None: to the last)."""

    lower: str
    strictly: bool
    upper: str | None


def span(prefix: str, after: str, *, reverse: bool) -> Span:
    """The keys of a scan as one lower and one upper bound at most, so that a page is one seek."""
    lower, upper = prefix, _end_of(prefix)
    if after and reverse:
        return Span(lower, False, after if upper is None else min(after, upper))
    if after and after >= prefix:
        return Span(after, True, upper)
    return Span(lower, False, upper)


def table_of(tables: Mapping[str, Table], collection: Collection) -> Table:
    """An adapter's table of a collection; `LookupError` when the collection was not prepared."""
    table = tables.get(collection.name)
    if table is None:
        raise LookupError(f"the collection {collection.name} was not prepared")
    return table


def require_names(collection: Collection) -> None:
    """`ValueError` when a collection's name or a member's could not stand in a statement."""
    names = [name for index in collection.indexes for name in index.fields]
    if not _COLLECTION.fullmatch(collection.name) or not all(_MEMBER.fullmatch(name) for name in names):
        raise ValueError("a collection is named by [a-z_]+ and an indexed member by [a-z][a-z0-9_]*")


def require_index(collection: Collection, where: Mapping[str, Scalar]) -> None:
    """`ValueError` unless each of the members leads an index, or all of them together do."""
    names = set(where)
    led = {index.fields[0] for index in collection.indexes}
    if not names <= led and not any(names == set(index.fields[: len(names)]) for index in collection.indexes):
        raise ValueError(f"no index of the collection {collection.name} leads with these members; declare one")


def plain(value: Any) -> Scalar:
    """An indexed member as every adapter can compare it; `TypeError` for what is no scalar."""
    if value is None or type(value) in (str, int, bool):
        return value  # type: ignore[no-any-return]
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        return str.__str__(value)
    raise TypeError("an indexed member must be a string, an integer, a boolean or null")


def _end_of(prefix: str) -> str | None:
    """The smallest key above all that start with `prefix`, or None when there is none."""
    while prefix:
        code = ord(prefix[-1]) + 1
        if code in _SURROGATES:
            code = _SURROGATES.stop
        if code <= _LAST_CODE_POINT:
            return prefix[:-1] + chr(code)
        prefix = prefix[:-1]
    return None

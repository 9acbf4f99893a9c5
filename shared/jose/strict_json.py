"""JSON that means one thing to every reader (RFC 8259, narrowed to I-JSON, RFC 7493).

Refused, because two programs could read it differently:
- duplicate members (RFC 7493, 2.3), also when they differ only in how they are escaped;
- integers at or beyond 2^53 in size, and numbers that overflow a double (RFC 7493, 2.2); NaN and Infinity;
- lone surrogates and bytes that are not UTF-8 (RFC 7493, 2.1); a byte order mark (RFC 8259, 8.1);
- anything after the value; more than `depth` containers inside one another.

Most of what we read we wrote ourselves, compactly. So: parse, write again, compare; equal bytes cannot have hidden a
duplicate. Only what differs (spaces, escapes, other number forms) is read a second time by a slower, exact reader.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

from shared.errors import Malformed

MAX_DEPTH = 32
"""Containers inside one another; our deepest credential needs 12."""

MAX_INTEGER = 2**53 - 1
"""The largest integer that every JSON reader keeps exact (RFC 7493, 2.2)."""

_INTEGER_DIGITS = len(str(MAX_INTEGER)) + 1  # one more for the sign


class NotStrictJson(Malformed):
    """The text is not JSON, or is JSON that two readers could understand differently."""

    title = "The JSON could not be read without doubt."


def loads(raw: bytes | str, *, depth: int = MAX_DEPTH) -> Any:
    """Read one JSON value, or raise `NotStrictJson`; the rules are those at the head of this module."""
    try:
        data = raw.encode() if isinstance(raw, str) else raw
        value = orjson.loads(data)
        if data.count(b"{") + data.count(b"[") > depth:
            _check_depth(value, depth)
        if _is_our_own_form(value, data):
            return value
        return json.loads(str(data, "utf-8"), object_pairs_hook=_members, parse_int=_integer)
    except (ValueError, RecursionError) as error:  # the latter where a duplicate member hid its depth from the first reader
        raise NotStrictJson("It is not well-formed JSON in UTF-8. Send one JSON value and nothing else.") from error


def _is_our_own_form(value: Any, data: bytes) -> bool:
    """Whether writing `value` compactly gives the same bytes; never when an integer is too large."""
    try:
        return orjson.dumps(value, option=orjson.OPT_STRICT_INTEGER) == data
    except orjson.JSONEncodeError:
        return False


def _check_depth(value: Any, limit: int) -> None:
    """Walk level by level, so that no depth of input can exhaust our own stack."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(limit):
        below: list[Any] = []
        for container in level:
            below += container.values() if type(container) is dict else container
        level = [item for item in below if type(item) is dict or type(item) is list]
        if not level:
            return
    raise NotStrictJson(f"It nests more than {limit} levels deep. Send a flatter document.")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotStrictJson("An object names a member twice. Send each member once.")
    return members


def _integer(digits: str) -> int:
    # the length first: Python reads a million digits only slowly, or not at all
    if len(digits) > _INTEGER_DIGITS or abs(number := int(digits)) > MAX_INTEGER:
        raise NotStrictJson("An integer is 2^53 or larger. Send large numbers as strings.")
    return number

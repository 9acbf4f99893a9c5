"""JSON that means one thing to every reader (RFC 8259, narrowed to I-JSON, RFC 7493).

Refused, because two programs could read it differently:
- duplicate members (RFC 7493, 2.3), also when they differ only in how they are escaped;
- integers at or beyond 2^53 in size, and numbers that overflow a double (RFC 7493, 2.2); NaN and Infinity;
- lone surrogates and bytes that are not UTF-8 (RFC 7493, 2.1); a byte order mark (RFC 8259, 8.1);
- anything after the value; more than `depth` containers inside one another.

Reading costs what the bytes cost, whatever they say: one parser in C, and no step of Python for a value of theirs.
- Parse and write again. Equal bytes cannot have hidden anything; most of what we read we wrote ourselves, compactly.
- Otherwise count the colons outside of strings, before and after: a member that was named twice is written once.
- Integers that the parser could only keep as floats are long runs of digits, and containers are their brackets: both are
  looked for outside of strings.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from shared.errors import Malformed

MAX_DEPTH = 32
"""Containers inside one another; our deepest credential needs 12."""

MAX_INTEGER = 2**53 - 1
"""The largest integer that every JSON reader keeps exact (RFC 7493, 2.2)."""

_LONG = re.compile(rb"[0-9]{17}")
_LONG_INTEGER = re.compile(rb"(?:^|[\[,:\s])-?[0-9]{17,}+(?![.eE])")
"""An integer of more digits than `MAX_INTEGER` has; digits of a fraction or before an exponent are none."""

_ONE_BRACKET = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class NotStrictJson(Malformed):
    """The text is not JSON, or is JSON that two readers could understand differently."""

    title = "The JSON could not be read without doubt."


def loads(raw: bytes | str, *, depth: int = MAX_DEPTH) -> Any:
    """Read one JSON value, or raise `NotStrictJson`; the rules are those at the head of this module."""
    try:
        data = raw.encode() if isinstance(raw, str) else raw
        value = orjson.loads(data)
    except ValueError as error:
        raise NotStrictJson("It is not well-formed JSON in UTF-8. Send one JSON value and nothing else.") from error
    if data.count(b"{") + data.count(b"[") > depth:
        _check_depth(_outside_strings(data), depth)
    written = _written(value)
    if written != data:
        _check_same(_outside_strings(data), _outside_strings(written))
    return value


def _written(value: Any) -> bytes:
    try:
        return orjson.dumps(value, option=orjson.OPT_STRICT_INTEGER)
    except orjson.JSONEncodeError as error:  # also beyond 254 containers inside one another
        raise NotStrictJson("An integer is 2^53 or larger, or it nests too deep. Send large numbers as strings.") from error


def _check_same(said: bytes, kept: bytes) -> None:
    if said.count(b":") != kept.count(b":"):
        raise NotStrictJson("An object names a member twice. Send each member once.")
    # the first search is the cheaper one: a document without such runs is not looked at number by number
    if _LONG.search(said) and _LONG_INTEGER.search(said):
        raise NotStrictJson("An integer is 2^53 or larger. Send large numbers as strings.")


def _check_depth(said: bytes, limit: int) -> None:
    """Take away the innermost containers, level by level; what is left after `limit` levels is too deep."""
    brackets = said.translate(_ONE_BRACKET, _NO_BRACKETS)
    for _ in range(limit):
        if not brackets:
            return
        brackets = brackets.replace(b"[]", b"")
    if brackets:
        raise NotStrictJson(f"It nests more than {limit} levels deep. Send a flatter document.")


def _outside_strings(data: bytes) -> bytes:
    """Well-formed JSON without its strings: numbers, words, brackets, commas and colons."""
    if b"\\" in data:  # only strings hold them; pairs first, so that what follows one is not taken for escaped
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(data.split(b'"')[::2])

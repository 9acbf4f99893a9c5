"""Promise: strict JSON is read as everybody reads it, and what could be read in two ways is not read at all."""

from __future__ import annotations

import gc
import json
import math
import sys
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.jose.strict_json import MAX_DEPTH, MAX_INTEGER, NotStrictJson, loads

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5), max_leaves=25
)


@given(VALUES)
def test_whatever_is_strict_comes_back_as_it_was(value: Any) -> None:
    assert loads(orjson.dumps(value)) == value


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_spaces_escapes_and_text_input_change_nothing(value: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert loads(text) == loads(text.encode()) == value


@given(
    st.binary(max_size=60)
    | VALUES.map(orjson.dumps).flatmap(lambda raw: st.integers(0, len(raw)).map(lambda cut: raw[:cut]))
)
@settings(max_examples=300)
def test_any_bytes_are_read_or_refused_and_nothing_worse(raw: bytes) -> None:
    try:
        value = loads(raw)
    except NotStrictJson:
        return
    assert value == json.loads(raw.decode())


@given(st.dictionaries(TEXT, SCALARS, min_size=1, max_size=6), st.data())
def test_a_member_named_twice_is_refused_however_it_is_escaped_or_nested(
    members: dict[str, Any], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(members)))
    escaped = '"' + "".join(f"\\u{unit:04x}" for unit in _utf16(name)) + '"'
    again = data.draw(st.sampled_from([json.dumps(name), json.dumps(name, ensure_ascii=False), escaped]))
    text = json.dumps(members, separators=(",", ":"))[:-1] + f",{again}:0}}"
    for wrapped in (text, f"[{text}]", f'{{"deep":[{text}]}}'):
        with pytest.raises(NotStrictJson):
            loads(wrapped)


def _utf16(text: str) -> list[int]:
    raw = text.encode("utf-16-be")
    return [int.from_bytes(raw[i : i + 2], "big") for i in range(0, len(raw), 2)]


@given(st.integers(MAX_INTEGER + 1, 10**40), st.booleans(), st.sampled_from(["%d", "[%d]", '{"a":%d}', '{"a": [%d]}']))
def test_an_integer_that_some_readers_would_round_is_refused(size: int, negative: bool, around: str) -> None:
    with pytest.raises(NotStrictJson):
        loads(around % (-size if negative else size))


@pytest.mark.parametrize("number", [MAX_INTEGER, -MAX_INTEGER, 0])
@pytest.mark.parametrize("around", ["%d", "[%d]", "[ %d]"])
def test_the_largest_exact_integers_are_kept(number: int, around: str) -> None:
    assert str(number) in str(loads(around % number))


@given(st.integers(1, 80), st.sampled_from([("[", "]"), ('{"a":', "}"), ("[ ", "]")]), st.sampled_from(["", "1"]))
def test_depth_is_counted_in_containers(depth: int, brackets: tuple[str, str], core: str) -> None:
    inner = core or ("null" if brackets[0].endswith(":") else "")
    text = brackets[0] * depth + inner + brackets[1] * depth
    if depth <= MAX_DEPTH:
        assert loads(text) == json.loads(text)
    else:
        with pytest.raises(NotStrictJson):
            loads(text)


def test_width_is_not_depth_and_brackets_in_text_are_not_containers() -> None:
    wide = [{"a": [i]} for i in range(500)]
    assert loads(orjson.dumps(wide)) == wide
    assert loads('"' + "[{" * 500 + '"') == "[{" * 500


def test_a_depth_of_ones_own_is_kept() -> None:
    assert loads("[[1]]", depth=2) == [[1]]
    with pytest.raises(NotStrictJson):
        loads("[[1]]", depth=1)
    with pytest.raises(NotStrictJson):
        loads("[]", depth=0)
    assert loads("1", depth=0) == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"1e400",
        b"[-1e400]",
        b"01",
        b"+1",
        b"1.",
        b"[1,]",
        b"1 2",
        b"{}x",
        b"'a'",
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":1,"\\u0061":2}',
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'{"\\ud800":1}',
        b'"\xed\xa0\x80"',
        b'"\xff"',
        b'"\xc0\x80"',
        b"\xef\xbb\xbf1",
        '"x"'.encode("utf-16"),
        '"x"'.encode("utf-16-le"),
        b'"\x00"',
        b'"\n"',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" * 1_000 + b"]" * 1_000,
        b'{"a":' + b"[" * 1_000 + b"]" * 1_000 + b',"a":1}',
        b"9" * 100_000,
        b"-" + b"9" * 5_000,
        b"9007199254740993",
        b'{"a":1,"b":{"c":[' + b'{"x":1},' * 40 + b'{"x":1,"x":2}]}}',
    ],
)
def test_what_two_readers_could_take_differently_is_refused(raw: bytes) -> None:
    with pytest.raises(NotStrictJson):
        loads(raw)


def test_text_with_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(NotStrictJson):
        loads('"\ud800"')


def test_a_refusal_never_repeats_the_input() -> None:
    with pytest.raises(NotStrictJson) as caught:
        loads('{"secret":1,"secret":2}')
    assert "secret" not in str(caught.value.document())


def test_finite_numbers_in_any_form_are_read() -> None:
    assert loads("[1.0, 1e2, -0, 1E-400, 1.50]") == [1.0, 100.0, 0, 0.0, 1.5]
    assert math.isfinite(loads("1.7976931348623157e308"))


@pytest.mark.parametrize("filler", ['{"a":1}, ', "[], ", "1, ", '"a", ', '{"\\u0061":{}},', "1.50,", "12345678901234567.5,"])
def test_reading_takes_no_step_of_our_own_for_each_value_however_it_is_written(filler: str) -> None:
    steps = 0

    def count(_frame: Any, event: str, _what: Any) -> None:
        nonlocal steps
        steps += event in ("call", "c_call")

    raw = ("[" + filler * 10_000 + "0]").encode()
    gc.disable()  # what other tests left behind would be counted with it, once it is collected in the middle
    sys.setprofile(count)
    try:
        loads(raw)
    finally:
        sys.setprofile(None)
        gc.enable()
    assert steps < 200

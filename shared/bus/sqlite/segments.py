"""Records as they lie in the file: a run of them in one blob, exact, and read back without a loop in Python.

- `<coding> 00 <header names as a JSON list>` and then for each record `00 <key> 00 <value> 00 <header value> ...`
- All records of a segment have the same header names, as nearly all of one topic have.
- The coding is empty while no part holds a zero byte, as none of ours does; else it is `hex` and the parts are hexadecimal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import repeat

import orjson

from shared.bus.port import Message, Record

SEGMENT_RECORDS = 100
"""The most records of a segment; a poll that wants fewer reads the whole of it."""

SEGMENT_BYTES = 256 * 1024
"""A segment takes no further record once its values are longer than this together."""

_HEX = b"hex"
_record = partial(tuple.__new__, Record)


def pack(messages: Sequence[Message]) -> Iterator[tuple[int, bytes]]:
    """Write messages as segments, in order: how many records each holds, and its bytes."""
    names: tuple[str, ...] = ()
    parts: list[bytes] = []
    held = size = 0
    for message in messages:
        theirs = tuple([name for name, _ in message.headers])
        if held and (theirs != names or held == SEGMENT_RECORDS or size > SEGMENT_BYTES):
            yield held, _written(names, parts)
            parts, held, size = [], 0, 0
        names = theirs
        parts += (message.key.encode(), message.value, *[value for _, value in message.headers])
        held += 1
        size += len(message.value)
    if held:
        yield held, _written(names, parts)


def unpack(topic: str, last: int, segment: bytes) -> list[Record]:
    """Read one segment back; `last` is the offset of its last record."""
    coding, listed, *parts = segment.split(b"\0")
    if coding == _HEX:
        parts = [bytes.fromhex(part.decode()) for part in parts]
    names: list[str] = orjson.loads(listed)
    width = 2 + len(names)
    held = len(parts) // width
    keys = map(bytes.decode, parts[0::width])
    pairs = [_pairs(name, parts[place::width]) for place, name in enumerate(names, 2)]
    headers = zip(*pairs, strict=True) if pairs else repeat((), held)
    offsets = range(last - held + 1, last + 1)
    return list(map(_record, zip(repeat(topic, held), offsets, keys, parts[1::width], headers, strict=True)))


def _pairs(name: str, column: list[bytes]) -> Iterable[tuple[str, bytes]]:
    """One header of each record; made once where all are equal, since to make and to collect pairs is most of the cost."""
    if column.count(column[0]) == len(column):
        return repeat((name, column[0]), len(column))
    return zip(repeat(name, len(column)), column, strict=True)


def _written(names: Sequence[str], parts: list[bytes]) -> bytes:
    head = orjson.dumps(names)  # JSON escapes a zero byte
    if b"\0" in b"".join(parts):
        return b"\0".join([_HEX, head, *[part.hex().encode() for part in parts]])
    return b"\0".join([b"", head, *parts])

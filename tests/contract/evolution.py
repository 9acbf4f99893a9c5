"""What a kind of event may become without a new version: the golden schemas, and the rule that compares two of them.

- An optional member may come. Nothing may go, become required or stop being required, or change its type or its limits.
- A new default is a new meaning of what an older sender left out, so it is a change of type.
- Descriptions, titles and examples may change freely.

The rule holds both ways: a reader of either version takes what the other one sends. Anything else is `vN+1`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent / "golden"
"""`schemas/<kind>.json` as they were accepted, and `samples/<kind>.json`, a payload with every member."""

Schema = Mapping[str, Any]

_ANNOTATIONS = frozenset({"$schema", "$id", "$defs", "$comment", "title", "description", "examples", "deprecated"})
_SPECIAL = frozenset({"properties", "required"})
_MISSING = object()


def schema_file(kind: str) -> Path:
    """Where a kind's accepted schema is kept."""
    return GOLDEN / "schemas" / f"{kind}.json"


def sample(kind: str) -> bytes:
    """A payload of that kind, as a node of this version would send it, with every member."""
    return (GOLDEN / "samples" / f"{kind}.json").read_bytes()


def accepted(kind: str) -> Any:
    """A kind's accepted schema, or None where there is none yet."""
    path = schema_file(kind)
    return json.loads(path.read_bytes()) if path.exists() else None


def compatible(old: Schema, new: Schema) -> list[str]:
    """What breaks between two schemas of one kind, a sentence each; empty when the kind keeps its version."""
    return list(_breaches(_resolved(old, old), _resolved(new, new), ""))


def _resolved(part: Any, root: Schema) -> Any:
    """The schema with each local reference replaced by what it names; events are trees, so this ends."""
    if isinstance(part, list):
        return [_resolved(one, root) for one in part]
    if not isinstance(part, Mapping):
        return part
    named = root["$defs"][part["$ref"].removeprefix("#/$defs/")] if isinstance(part.get("$ref"), str) else {}
    return {key: _resolved(value, root) for key, value in {**named, **part}.items() if key not in ("$ref", "$defs")}


def _breaches(old: Any, new: Any, path: str) -> Iterator[str]:
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        if old != new:
            yield f"{path or 'the payload'} changed from {json.dumps(old)} to {json.dumps(new)}"
        return
    yield from _members(old, new, path)
    for word in sorted((old.keys() | new.keys()) - _ANNOTATIONS - _SPECIAL):
        yield from _constraint(old.get(word, _MISSING), new.get(word, _MISSING), f"{path}/{word}" if path else word)


def _members(old: Schema, new: Schema, path: str) -> Iterator[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    needed, needs = set(old.get("required", ())), set(new.get("required", ()))
    for name in sorted(before.keys() | after.keys()):
        where = f"{path}.{name}" if path else name
        if name not in after:
            yield f"{where} was removed"
        elif name in needs - needed:
            yield f"{where} became required"
        elif name in needed - needs:
            yield f"{where} is no longer required"
        elif name in before:
            yield from _breaches(before[name], after[name], where)


def _constraint(old: Any, new: Any, path: str) -> Iterator[str]:
    if old is _MISSING or new is _MISSING:
        yield f"{path} {'came' if old is _MISSING else 'went'}"
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for at, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _breaches(one, other, f"{path}[{at}]")
    else:
        yield from _breaches(old, new, path)

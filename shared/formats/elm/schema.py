"""The European Learning Model as a JSON Schema (2020-12), closed: a member that no class of ELM has is a fault.

JSON-LD drops what its context does not map without a word, so a document can say more to a person than to a program, and
SHACL cannot see it. This schema looks at the document as it is written: each node by its `type`, members known and required;
texts by language; nothing fetched. The classes are data (`classes.json`, with source and version).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import jsonschema_rs
import orjson

MOST_FAULTS = 20
"""Faults that are told; a document with more has a fault in how it was made."""

_COMMON = ("id", "type", "@context")
_STRINGS = {"type": ["string", "array"], "items": {"type": "string"}}
_LANGUAGE = "^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$"


_GROUP = 8
"""Classes that are asked for together."""


class SchemaFault(NamedTuple):
    """One departure from the schema: the place as a JSON Pointer (RFC 6901), and what was expected there. A step
    that no class of the model has is written `?`.
    """

    path: str
    message: str


def faults(document: Mapping[str, Any]) -> tuple[SchemaFault, ...]:
    """What the schema has against a document, at most `MOST_FAULTS`; values are never repeated."""
    found = []
    for error in _validator().iter_errors(document):
        path = "".join(f"/{step if type(step) is int or step in _names() else '?'}" for step in error.instance_path)
        found.append(SchemaFault(path, _message(error)))
        if len(found) == MOST_FAULTS:
            break
    return tuple(dict.fromkeys(found))


@cache
def _data() -> dict[str, Any]:
    data: dict[str, Any] = orjson.loads(files(__package__).joinpath("classes.json").read_bytes())
    return data


@cache
def _names() -> frozenset[str]:
    return frozenset(name for known in _data()["classes"].values() for name in known["members"])


@cache
def schema() -> dict[str, Any]:
    """The schema itself."""
    data = _data()
    texts = {name: {"$ref": "#/$defs/texts"} for name in data["texts"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"European Digital Credential, {data['version']}",
        "type": "object",
        "properties": {"type": {"contains": {"const": "EuropeanDigitalCredential"}}},
        "required": ["id", "type"],
        "$ref": "#/$defs/node",
        "$defs": {
            "value": {"if": {"type": "object"}, "then": {"$ref": "#/$defs/node"}, "else": {"$ref": "#/$defs/plain"}},
            "plain": {"type": ["string", "number", "boolean", "array"], "items": {"$ref": "#/$defs/value"}},
            "texts": {
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"pattern": _LANGUAGE},
                "additionalProperties": _STRINGS,
            },
            "node": {
                "properties": {**texts, "type": _STRINGS, "@context": {"type": "array", "items": {"type": "string"}}},
                "additionalProperties": {"$ref": "#/$defs/value"},
                "allOf": _rules(data["classes"]),
            },
        },
    }


def _rules(classes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a node of each class may and must have; asked for by groups first, so that few are asked for every class."""
    names = list(classes)
    groups = [names[start : start + _GROUP] for start in range(0, len(names), _GROUP)]
    return [_if_of(group, {"allOf": [_if_of([name], _of_class(classes[name])) for name in group]}) for group in groups]


def _of_class(known: Mapping[str, Any]) -> dict[str, Any]:
    return {"propertyNames": {"enum": [*known["members"], *_COMMON]}, "required": known["required"]}


def _if_of(names: list[str], then: dict[str, Any]) -> dict[str, Any]:
    """A rule for nodes whose type is, or contains, one of these."""
    is_of = {"anyOf": [{"enum": names}, {"type": "array", "contains": {"enum": names}}]}
    return {"if": {"properties": {"type": is_of}, "required": ["type"]}, "then": then}


@cache
def _validator() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(schema())


def _message(error: Any) -> str:
    """The schema's side of a fault: what it wanted, not what was sent."""
    kind = type(error.kind).__name__.rpartition("_")[2].lower() if getattr(error, "kind", None) else ""
    return _SENTENCES.get(kind, "it is not what the model has here")


_SENTENCES = {
    "required": "it lacks a member that this class must have",
    "propertynames": "it has a member that this class of the model does not have; readers drop it without a word",
    "type": "it is of another type than the model has here",
    "contains": "it does not say that it is a EuropeanDigitalCredential",
    "minproperties": "a text is given in no language",
}

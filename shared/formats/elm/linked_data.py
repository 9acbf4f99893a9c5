"""Walking a JSON-LD document as the tree it is written in.

Rules
- A property holds a value or a list of them. Where our model has room for one, two are not one: nothing is picked.
- A node that is only referred to by its id is not followed, and ids never join two nodes: documents are known to use one
  id for different things in different languages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Node = Mapping[str, Any]
"""A JSON-LD node as written."""

NOWHERE: Node = {}
"""What stands where nothing stands."""


def many(node: Node, name: str) -> list[Any]:
    """All values of a property."""
    value = node.get(name)
    return [] if value is None else value if isinstance(value, list) else [value]


def nodes(node: Node, name: str) -> list[Node]:
    """All values of a property that are nodes."""
    return [value for value in many(node, name) if isinstance(value, Mapping)]


def one(node: Node, *path: str) -> Node:
    """The node at the end of a path, where each step has exactly one; otherwise an empty one."""
    for name in path:
        found = nodes(node, name)
        node = found[0] if len(found) == 1 else NOWHERE
    return node


def uris(node: Node, *names: str) -> list[str]:
    """The ids of the concepts of some properties, in order, each once."""
    values = (value.get("id") if isinstance(value, Mapping) else value for name in names for value in many(node, name))
    return list(dict.fromkeys(value for value in values if isinstance(value, str)))


def only_uri(node: Node, name: str) -> str | None:
    """The id of a property's one concept; None when there is none or more than one."""
    found = uris(node, name)
    return found[0] if len(found) == 1 else None


def only_text(node: Node, name: str) -> str | None:
    """A property that is one plain text."""
    value = node.get(name)
    return value if isinstance(value, str) else None


def is_a(node: Node, kind: str) -> bool:
    """Whether a node says that it is of a type."""
    return kind in many(node, "type")

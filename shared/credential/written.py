"""Reading what a person wrote, in YAML or JSON, as plain data, within limits.

Rules
- YAML by the JSON schema of YAML 1.2 (10.2), since 1.1 would read the country `NO` as false, the field `0611` as 393 and a
  date as something that JSON cannot hold. Only true, false, null and plain numbers are more than text.
- No anchors and aliases (nine lines of them can be a billion entries), no tags, no member twice, at most 32 deep.
- JSON by the same strict reader as everything signed. A file that begins with `{` is JSON.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from shared.errors import Malformed, TooLarge
from shared.jose import strict_json

LARGEST_YAML = 64 * 1024
"""Bytes of a YAML draft: a long one written by hand has 4,000."""

LARGEST_JSON = 256 * 1024
"""Bytes of a JSON draft: what a signed credential may have."""

DEEPEST = 32
"""Levels of nesting, as in signed bytes."""


class DraftUnreadable(Malformed):
    """400: the draft is neither YAML nor JSON as described in this module."""

    title = "The draft could not be read."


class DraftTooLarge(TooLarge):
    """413: the draft has more bytes than anybody writes."""

    title = "The draft is too large."


class _Loader(yaml.SafeLoader):
    """YAML without what surprises people."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Refuse aliases, anchors and tags before anything is built from them, and keep count of the depth."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise DraftUnreadable("Anchors and aliases (& and *) are not taken here; write the text out in full.")
        if getattr(event, "tag", None):
            raise DraftUnreadable("Tags (!) are not taken here; write plain values.")
        if self._depth == DEEPEST:
            raise DraftUnreadable(f"The draft is nested more than {DEEPEST} deep; write it flatter.")
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: ARG002 - the parent's signature
        """Refuse a member that stands twice, and one whose name is not text."""
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(names)) < len(node.value):
            raise DraftUnreadable("A member stands twice or has no plain name; keep one of each.")
        return {key.value: self.construct_object(value, deep=True) for key, value in node.value}


_Loader.yaml_implicit_resolvers = {}  # those of YAML 1.1; these take their place:
for _tag, _form, _first in (
    ("tag:yaml.org,2002:bool", r"true|false", "tf"),
    ("tag:yaml.org,2002:null", r"null|~|", ["n", "~", ""]),
    ("tag:yaml.org,2002:int", r"-?(?:0|[1-9][0-9]{0,14})", "-0123456789"),
    ("tag:yaml.org,2002:float", r"-?(?:0|[1-9][0-9]{0,14})\.[0-9]{1,15}", "-0123456789"),
):
    _Loader.add_implicit_resolver(_tag, re.compile(rf"(?:{_form})\Z"), _first)


def value(text: str) -> Any:
    """One value in YAML: a plain text, a number, a flow list or mapping. Raises `DraftUnreadable`, `DraftTooLarge`."""
    if len(text.encode(errors="surrogatepass")) > LARGEST_YAML:
        raise DraftTooLarge(f"A draft in YAML has at most {LARGEST_YAML // 1024} KB; shorten its texts.")
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise DraftUnreadable(f"This is not YAML{where}; check indentation, quotes and colons there.") from None


def read(raw: bytes) -> dict[str, Any]:
    """A draft as plain data from YAML or JSON bytes. Raises `DraftUnreadable`, `DraftTooLarge`, `NotStrictJson`."""
    if len(raw) > LARGEST_JSON:
        raise DraftTooLarge(f"A draft has at most {LARGEST_JSON // 1024} KB; shorten its texts.")
    if raw.lstrip()[:1] == b"{":
        draft = strict_json.loads(raw)
    else:
        try:
            draft = value(raw.decode())
        except UnicodeDecodeError:
            raise DraftUnreadable("The draft is not UTF-8 text; save it as UTF-8.") from None
    if not isinstance(draft, dict):
        raise DraftUnreadable("A draft is a mapping of members such as title and level; begin with `title: ...`.")
    return draft

"""Whom a reader lets sign the federation list, and how many must: pinned by hand, never learnt from a list. Pure.

- Written as `{"anchors": [...], "threshold": n}`. The older form, a plain list of anchors, asks for one at least.
- The threshold is pinned with the anchors: the one that a list names is the word of whoever made that list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.jose.keys import VerificationKey
from shared.jose.purpose import Purpose
from shared.trust.nodes import Anchor


class Pinned(NamedTuple):
    """The anchors by key id, and how many of them must have signed a list, whatever the list says."""

    anchors: Mapping[str, VerificationKey]
    threshold: int = 1

    def document(self) -> bytes:
        """As it is written to `anchors.json`."""
        anchors = [{"kid": kid, "jwk": key.jwk()} for kid, key in self.anchors.items()]
        return orjson.dumps({"anchors": anchors, "threshold": self.threshold}, option=orjson.OPT_INDENT_2)


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    anchors: tuple[Anchor, ...] = Field(min_length=1, max_length=32)
    threshold: int = Field(default=1, ge=1, le=32)

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        if self.threshold > len({anchor.kid for anchor in self.anchors}):
            raise ValueError("more anchors are asked for than are pinned")
        return self


def read(raw: bytes) -> Pinned:
    """What `anchors.json` pins, in either form; raises `ValueError` for anything else."""
    written = orjson.loads(raw)
    found = _Document.model_validate_json(orjson.dumps({"anchors": written}) if isinstance(written, list) else raw)
    keys = (VerificationKey.from_jwk(anchor.jwk, Purpose.ANCHOR, anchor.kid) for anchor in found.anchors)
    return Pinned({key.kid: key for key in keys}, found.threshold)

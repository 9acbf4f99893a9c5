"""The formats that are issued and read here, by name; which one some bytes are in, and what they say.

`vc+jwt` and `openbadge+jwt` are both compact tokens of type `vc+jwt`; the payload's own `type` tells them apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from shared.formats import open_badge, sd_jwt_vc, vc_jwt
from shared.formats.port import Format, Reading
from shared.jose import gate

_ALL: tuple[Format, ...] = (vc_jwt, sd_jwt_vc, open_badge)

FORMATS: Mapping[str, Format] = MappingProxyType({one.NAME: one for one in _ALL})
"""By name, which is the key of a credential's commitments."""


def recognise(raw: bytes | str) -> str | None:
    """The name of the first format that some bytes look like, at the cost of a glance; None when like none."""
    return next((one.NAME for one in _ALL if one.recognise(raw)), None)


def read(raw: bytes | str, name: str) -> Reading:
    """What bytes that look like that format say. Raises `NotOurCredential` or `TokenMalformed`; it verifies nothing."""
    if name != vc_jwt.NAME:
        return FORMATS[name].read(raw)
    token = gate.read(raw, typ=vc_jwt.NAME)  # read once, whichever of the two it is
    return open_badge.reading(token) if open_badge.is_badge(token.payload) else vc_jwt.reading(token)

"""The formats that are issued and read here, by name; which one some bytes are in, and what they say.

`vc+jwt` and `openbadge+jwt` are both compact tokens of type `vc+jwt`; the payload's own `type` tells them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from shared.credential.model import MicroCredential
from shared.formats import open_badge, sd_jwt_vc, vc_jwt
from shared.formats.port import Issuance, ReadCredential
from shared.ids import InstitutionId
from shared.jose import gate
from shared.jose.gate import Token
from shared.jose.sd_jwt import Presentation
from shared.jose.signers import Signer


@dataclass(frozen=True, slots=True)
class Form:
    """How one format is written: what is to be signed, the issuer's part under a key, the whole for the holder."""

    name: str
    media_type: str
    unsigned: Callable[[MicroCredential, Issuance], Any]
    sign: Callable[[Any, InstitutionId, Signer], Token]
    handed: Callable[[Any, Token], bytes]


@dataclass(frozen=True, slots=True)
class Reading:
    """What some bytes say, in which format, by which issuer's part; not believed yet."""

    format: str
    token: Token
    credential: ReadCredential
    commitment: str
    presentation: Presentation | None = None
    """Of a credential with selective disclosure."""


def _compact(_: Any, token: Token) -> bytes:
    return token.compact


FORMS: Mapping[str, Form] = MappingProxyType(
    {
        vc_jwt.NAME: Form(vc_jwt.NAME, vc_jwt.MEDIA_TYPE, vc_jwt.unsigned_payload, vc_jwt.sign_payload, _compact),
        sd_jwt_vc.NAME: Form(
            sd_jwt_vc.NAME, sd_jwt_vc.MEDIA_TYPE, sd_jwt_vc.unsigned_payload, sd_jwt_vc.sign_payload, sd_jwt_vc.serialize
        ),
        open_badge.NAME: Form(
            open_badge.NAME, open_badge.MEDIA_TYPE, open_badge.unsigned_payload, open_badge.sign_payload, _compact
        ),
    }
)
"""By name, which is the key of a credential's commitments."""


def recognise(raw: bytes | str) -> str | None:
    """The name of the format that some bytes look like, at the cost of a glance; None when like none."""
    return sd_jwt_vc.recognise(raw) or vc_jwt.recognise(raw)


def read(raw: bytes | str, name: str) -> Reading:
    """What bytes in that form say. Raises `NotOurCredential` or `TokenMalformed`; it verifies nothing."""
    if name == sd_jwt_vc.NAME:
        token, said, presentation = sd_jwt_vc.read(raw)
        return Reading(name, token, said, sd_jwt_vc.commitment(token), presentation)
    token = gate.read(raw, typ=vc_jwt.NAME)
    if open_badge.is_badge(token.payload):
        return Reading(open_badge.NAME, token, open_badge.read(token), open_badge.commitment(token))
    return Reading(name, token, vc_jwt.read(token), vc_jwt.commitment(token))

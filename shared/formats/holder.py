"""What a holder does with a credential that has selective disclosure: choose what to show, and bind it to one question.

The learner's wallet does this; here it serves the command line and whoever builds on it (RFC 9901, 7.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import orjson

from shared.errors import Invalid
from shared.formats import sd_jwt_vc
from shared.jose import sd_jwt
from shared.jose.purpose import KEY_BINDING
from shared.jose.signers import Signer, sign


class NothingOfThatName(Invalid):
    """422: the credential conceals no claim of that name."""

    title = "The credential has no such claim to show."


def choose(raw: bytes, names: Sequence[str]) -> bytes:
    """The credential with the disclosures of those names and no others. Raises `NotOurCredential`, `NothingOfThatName`."""
    sd_jwt_vc.read(raw)  # refuses what is no credential of this format
    complete = sd_jwt.split(raw)
    there = {one.name for one in complete.disclosures}
    if not there.issuperset(names):
        raise NothingOfThatName(f"Name some of: {', '.join(sorted(name for name in there if name))}.")
    return sd_jwt.join(complete.issued, (one for one in complete.disclosures if one.name in names))


def bind(shown: bytes, signer: Signer, *, nonce: str, audience: str, now: datetime) -> bytes:
    """The same with a key binding JWT by the holder's key, for one audience and one nonce (RFC 9901, 4.3)."""
    claims = {"iat": int(now.timestamp()), "aud": audience, "nonce": nonce, "sd_hash": sd_jwt.digest(shown)}
    return shown + sign({"typ": KEY_BINDING}, orjson.dumps(claims), signer)

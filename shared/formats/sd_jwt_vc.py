"""`dc+sd-jwt`: a credential whose learner decides what to show (SD-JWT VC over RFC 9901), for wallets.

Rules
- Header: `typ` is `dc+sd-jwt`, `kid` the thumbprint of the institution's key, `x5c` a certificate that the institution made
  of that key itself, for wallets that want one: which key is the institution's, its node's log says and nothing else.
- Payload: `vct` and the hash of its type metadata, `iss` the institution's URN, `id`, `iat`, `nbf`, `exp`, `cnf` the
  holder's key, `credentialStatus`, `salt`, and the award in `microCredential`, in the words of `vc_jwt`.
- Concealed, each by itself: every member of the holder, in `holder`, and the grade. Nothing else is personal. Decoys fill
  the digests of the holder up to one number, so that nobody can tell which members there are.
- `iat` is the date of issuing in whole seconds; what is exact stands in the award.
- The commitment is SHA-256 of the issuer's signing input, without disclosures and key binding: it is the same whatever is
  shown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson
import pybase64

from shared import ids
from shared.credential.model import MicroCredential, ShownCredential
from shared.formats import vc_jwt
from shared.formats.port import Issuance, NotOurCredential, Reading, Unsigned, fields_of
from shared.ids import InstitutionId
from shared.jose import gate, sd_jwt
from shared.jose.gate import Token
from shared.jose.purpose import SD_CREDENTIAL
from shared.jose.signers import Signer, sign_token
from shared.jose.token import encode

NAME = SD_CREDENTIAL
"""The format's name, and the `typ` of the issuer's part."""

MEDIA_TYPE = "application/dc+sd-jwt"
"""Its media type (SD-JWT VC, section 6)."""

VCT = "urn:testamur:vct:micro-credential:1"
"""The type of our credentials (SD-JWT VC, 2.2.2.1)."""

DIGESTS = 6
"""Digests in every holder, decoys included: names, date of birth, and room."""

_HOLDER = ("givenName", "familyName", "fullName", "dateOfBirth")
_TOP = ("vct", "vct#integrity", "iss", "iat", "nbf", "exp", "cnf")
"""Members that have no place in a `vc+jwt`."""


class _ShownPayload(vc_jwt.Payload):
    micro_credential: ShownCredential


def recognise(raw: bytes | str) -> bool:
    """Whether the bytes look like a token with tildes."""
    data = raw.encode("ascii", "replace") if isinstance(raw, str) else raw
    return data.startswith(b"eyJ") and b"~" in data


def unsigned_payload(credential: MicroCredential, issuance: Issuance) -> Unsigned:
    """What the institution signs of a credential, with fresh salts."""
    award = fields_of(credential)
    holder = award.pop("holder")
    key = holder.pop("key", None)
    begins, ends = (award.pop(name, None) for name in ("validFrom", "validUntil"))
    made = [sd_jwt.conceal(name, value) for name, value in holder.items()]
    digests = [one.digest for one in made] + [sd_jwt.decoy() for _ in range(DIGESTS - len(made))]
    if "grade" in award["assessment"]:
        grade = sd_jwt.conceal("grade", award["assessment"].pop("grade"))
        award["assessment"]["_sd"] = [grade.digest]
        made.append(grade)
    document = {
        "vct": VCT,
        "vct#integrity": INTEGRITY,
        "iss": issuance.institution.urn,
        "iat": int(credential.issued.timestamp()),
        **({"nbf": int(credential.valid_from.timestamp())} if credential.valid_from else {}),
        **({"exp": int(credential.valid_until.timestamp())} if credential.valid_until else {}),
        "id": ids.credential_urn(issuance.ref),
        **({"validFrom": begins} if begins else {}),
        **({"validUntil": ends} if ends else {}),
        **({"credentialStatus": [vc_jwt.status_member(entry) for entry in issuance.status]} if issuance.status else {}),
        "holder": {"_sd": sorted(digests)},
        "microCredential": award,
        **({"cnf": {"jwk": key}} if key else {}),
        "salt": encode(issuance.salt).decode(),
        **({"replaces": ids.credential_urn(issuance.replaces)} if issuance.replaces else {}),
        "_sd_alg": sd_jwt.ALGORITHM,
    }
    return Unsigned(orjson.dumps(document), tuple(made))


def sign_payload(unsigned: Unsigned, institution: InstitutionId, signer: Signer) -> Token:
    """The issuer's part under a key."""
    certificate = signer.certificate(institution.slug, institution.urn)
    return sign_token({"typ": NAME, "iss": institution.urn, "x5c": [certificate]}, unsigned.payload, signer)


def serialize(unsigned: Unsigned, token: Token) -> bytes:
    """The issuer's part with every disclosure: the holder decides which of them to show."""
    return sd_jwt.join(token.compact, unsigned.disclosures)


commitment = vc_jwt.commitment


def read(raw: bytes | str) -> Reading:
    """What was presented: the issuer's part, and what it says together with what was shown. Raises `NotOurCredential` or
    `TokenMalformed`; it verifies nothing.
    """
    presentation = sd_jwt.split(raw)
    token = gate.read(presentation.issued, typ=NAME)
    claims = sd_jwt.reveal(gate.claims(token), presentation.disclosures)
    credential = vc_jwt.read_gathered(_gathered(claims), _ShownPayload)
    if token.header.get("iss") != credential.institution.urn or claims.get("iss") != credential.institution.urn:
        raise NotOurCredential("Header and payload do not name one institution; ask the holder for the original.")
    _require_agreement(claims, credential.award)
    return Reading(format=NAME, token=token, credential=credential, commitment=commitment(token), presentation=presentation)


def _gathered(claims: Mapping[str, Any]) -> dict[str, Any]:
    """The claims put together as `vc_jwt.Payload`; shapes are the model's to check."""
    holder, award = (_mapping(claims.get(name)) for name in ("holder", "microCredential"))
    if not award.keys().isdisjoint((*_HOLDER, "holder", "validFrom", "validUntil")) or "key" in holder:
        raise NotOurCredential("The payload says one thing in two places; ask the issuer for another.")
    if claims.get("vct") != VCT or claims.get("vct#integrity") != INTEGRITY:
        raise NotOurCredential("It is a credential of another type than this exchange issues. Verify it where it is from.")
    if "cnf" in claims:
        holder["key"] = _mapping(claims["cnf"]).get("jwk")
    award["holder"] = holder
    award |= {name: claims[name] for name in ("validFrom", "validUntil") if name in claims}
    kept = {name: value for name, value in claims.items() if name not in (*_TOP, "holder", "validFrom", "validUntil")}
    return {
        **kept,
        "@context": list(vc_jwt.CONTEXT),
        "type": list(vc_jwt.TYPES),
        "issuer": {"id": claims.get("iss"), "name": _mapping(award.get("awardingBody")).get("legalName")},
        "microCredential": award,
    }


def _require_agreement(claims: Mapping[str, Any], award: MicroCredential) -> None:
    """The dates that wallets read and those that we read are the same."""
    pairs = (("iat", award.issued), ("nbf", award.valid_from), ("exp", award.valid_until))
    if any(claims.get(name) != (int(moment.timestamp()) if moment else None) for name, moment in pairs):
        raise NotOurCredential("Its dates contradict each other; ask its issuer for a new one.")


def _mapping(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise NotOurCredential("The payload is not a micro-credential with selective disclosure, as we write it.")
    return dict(value)


def type_metadata() -> dict[str, Any]:
    """What a wallet may know of the type (SD-JWT VC, section 4): names for people, and what may be shown or not."""
    shown = {"givenName": "Given name", "familyName": "Family name", "fullName": "Full name", "dateOfBirth": "Date of birth"}
    personal = [
        {"path": ["holder", name], "display": [{"locale": "en", "label": label}], "sd": "always"}
        for name, label in shown.items()
    ]
    plain = [
        {"path": ["microCredential", name], "display": [{"locale": "en", "label": label}], "sd": "never"}
        for name, label in (
            ("title", "Title"),
            ("awardingBody", "Awarding body"),
            ("workload", "Workload"),
            ("level", "Level"),
        )
    ]
    grade = {
        "path": ["microCredential", "assessment", "grade"],
        "display": [{"locale": "en", "label": "Grade"}],
        "sd": "always",
    }
    return {
        "vct": VCT,
        "name": "European micro-credential",
        "description": "A micro-credential after Council Recommendation 2022/C 243/02, issued through Testamur.",
        "display": [{"locale": "en", "name": "European micro-credential"}],
        "claims": [*personal, grade, *plain],
    }


METADATA = orjson.dumps(type_metadata())
"""The exact bytes of the type metadata, as they are served."""

INTEGRITY = "sha256-" + pybase64.b64encode(hashlib.sha256(METADATA).digest()).decode()
"""Their hash, in every credential (W3C Subresource Integrity, 3.5)."""

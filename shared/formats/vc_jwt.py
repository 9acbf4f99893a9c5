"""`vc+jwt`: a W3C Verifiable Credential (Data Model 2.0) secured with JOSE (VC-JOSE-COSE), the format we issue.

Rules
- Header: `typ` is `vc+jwt`, `cty` is `vc` (VC-JOSE-COSE 3.1.1), `kid` the thumbprint of the institution's key, `iss` the
  institution's URN, equal to the payload's `issuer.id`.
- Payload: the credential itself, with no JWT claims but `cnf`, the holder's key (RFC 7800, 3.2). `@context` ends with the
  W3C's context for undefined terms, as the Data Model asks where terms have no context of their own (5.2).
- `id` is the credential's ref as `urn:uuid`; `credentialSubject` is the learner, with the award in `microCredential`.
- `credentialStatus` lists Bitstring Status List entries (v1.0, 2.1); `statusListIndex` is a decimal in a string.
- `salt` is at least 128 random bits in base64url: the commitment, SHA-256 of the signing input, cannot be guessed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

import orjson
from pydantic import Field, StringConstraints, ValidationError

from shared import ids
from shared.credential import faults
from shared.credential.model import MicroCredential
from shared.credential.text import Multilingual, Part, Uri
from shared.formats.port import (
    Issuance,
    NotOurCredential,
    ReadCredential,
    Reading,
    StatusEntry,
    StatusPurpose,
    Unsigned,
    fields_of,
)
from shared.ids import InstitutionId
from shared.jose import gate, strict_json
from shared.jose.gate import Token
from shared.jose.signers import Signer, sign_token
from shared.jose.token import encode

NAME = "vc+jwt"
"""The format's name, and the `typ` of its tokens."""

MEDIA_TYPE = "application/vc+jwt"
"""Its media type (VC-JOSE-COSE, 6.1)."""

_Base = Literal["https://www.w3.org/ns/credentials/v2"]
_Undefined = Literal["https://www.w3.org/ns/credentials/undefined-terms/v2"]
CONTEXT = (*get_args(_Base), *get_args(_Undefined))
TYPES = ("VerifiableCredential", "MicroCredential")

_MOVED = ("holder", "validFrom", "validUntil")
"""Members of our model that have a place of their own in a W3C credential."""

_NOT_ONE = "Header and payload do not name one institution of this exchange; ask the holder for the original."

_CONTAINERS = 256
"""Nesting left to the model, which knows no member deeper than 9: up to so many containers need no walk."""

_Urn = Annotated[str, StringConstraints(pattern=f"^urn:uuid:{ids.REF}$")]
_Salt = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_-]{22,86}$")]
_Index = Annotated[str, StringConstraints(pattern="^(?:0|[1-9][0-9]{0,9})$")]


class _Issuer(Part):
    id: str
    name: Multilingual | None = None


class _Status(Part):
    type: Literal["BitstringStatusListEntry"]
    status_purpose: StatusPurpose
    status_list_index: _Index
    status_list_credential: Uri


class Payload(Part):
    """The payload, once the parts of the micro-credential have been put together under `microCredential`."""

    context: Annotated[tuple[_Base, _Undefined], Field(alias="@context")]
    id: _Urn
    type: tuple[Literal["VerifiableCredential"], Literal["MicroCredential"]]
    issuer: _Issuer
    credential_status: Annotated[tuple[_Status, ...], Field(max_length=4)] = ()
    micro_credential: MicroCredential
    salt: _Salt
    replaces: _Urn | None = None


def recognise(raw: bytes | str) -> bool:
    """Whether the bytes look like a compact token (and not like an SD-JWT or JSON); the gate looks closer."""
    data = raw.encode("ascii", "replace") if isinstance(raw, str) else raw
    return data.startswith(b"eyJ") and data.count(b".") == 2 and b"~" not in data


def unsigned_payload(credential: MicroCredential, issuance: Issuance) -> Unsigned:
    """The Verifiable Credential as compact JSON."""
    award = fields_of(credential)
    moved = {name: award.pop(name) for name in _MOVED if name in award}
    holder = moved.pop("holder")
    key = holder.pop("key", None)
    document = {
        "@context": CONTEXT,
        "id": ids.credential_urn(issuance.ref),
        "type": TYPES,
        "issuer": {"id": issuance.institution.urn, "name": award["awardingBody"]["legalName"]},
        **moved,
        **({"credentialStatus": [status_member(entry) for entry in issuance.status]} if issuance.status else {}),
        "credentialSubject": {**holder, "microCredential": award},
        **({"cnf": {"jwk": key}} if key else {}),
        "salt": encode(issuance.salt).decode(),
        **({"replaces": ids.credential_urn(issuance.replaces)} if issuance.replaces else {}),
    }
    return Unsigned(orjson.dumps(document))


def sign(credential: MicroCredential, issuance: Issuance, signer: Signer) -> bytes:
    """The signed credential, from draft to compact serialisation; `signer` holds the institution's key."""
    return sign_payload(unsigned_payload(credential, issuance), issuance.institution, signer).compact


def sign_payload(unsigned: Unsigned, institution: InstitutionId, signer: Signer) -> Token:
    """The payload under a key, in the header that the format asks for."""
    return sign_token({"typ": NAME, "cty": "vc", "iss": institution.urn}, unsigned.payload, signer)


def serialize(unsigned: Unsigned, token: Token) -> bytes:  # noqa: ARG001 - nothing of it is concealed
    """The credential in compact serialisation."""
    return token.compact


def commitment(token: Token) -> str:
    """base64url of SHA-256 over the signing input: what is registered, and what a presented credential must equal."""
    return encode(hashlib.sha256(token.signing_input).digest()).decode()


def read(raw: bytes | str) -> Reading:
    """What the bytes say. Raises `NotOurCredential` or `TokenMalformed`; it verifies nothing."""
    return reading(gate.read(raw, typ=NAME))


def reading(token: Token) -> Reading:
    """What a token that was read says, with its commitment. Raises `NotOurCredential`."""
    return Reading(format=NAME, token=token, credential=read_token(token), commitment=commitment(token))


def read_token(token: Token) -> ReadCredential:
    """What the token says. Raises `NotOurCredential`; it verifies nothing."""
    try:
        raw = strict_json.loads(token.payload, depth=_CONTAINERS)
    except strict_json.NotStrictJson as error:
        raise NotOurCredential(f"The payload cannot be read. {error.detail}") from error
    return read_document(token, raw)


def read_document(token: Token, raw: Any) -> ReadCredential:
    """What a payload in this form says, under that token's header. Raises `NotOurCredential`."""
    credential = read_gathered(_gathered(raw), Payload)
    if token.header.get("iss") != credential.institution.urn or token.header.get("cty") != "vc":
        raise NotOurCredential(_NOT_ONE)
    return credential


def read_gathered(members: Mapping[str, Any], model: type[Payload]) -> ReadCredential:
    """What a payload says once its parts were put together as that model has them. Raises `NotOurCredential`."""
    try:
        document: Payload = model.__pydantic_validator__.validate_python(members, by_alias=True, by_name=False)
    except ValidationError as error:
        raise NotOurCredential(_explain(error)) from None
    institution = ids.parse_institution(document.issuer.id)
    if institution is None:
        raise NotOurCredential(_NOT_ONE)
    return ReadCredential(
        award=document.micro_credential,
        ref=document.id.removeprefix("urn:uuid:"),
        institution=institution,
        issuer_name=document.issuer.name,
        status=tuple(
            StatusEntry(entry.status_purpose, entry.status_list_credential, int(entry.status_list_index))
            for entry in document.credential_status
        ),
        replaces=document.replaces and document.replaces.removeprefix("urn:uuid:"),
    )


def status_member(entry: StatusEntry) -> dict[str, str]:
    """A status entry as it stands in a credential."""
    return {
        "type": "BitstringStatusListEntry",
        "statusPurpose": entry.purpose,
        "statusListIndex": str(entry.index),
        "statusListCredential": entry.list_url,
    }


def _gathered(raw: Any) -> dict[str, Any]:
    """The payload with holder, key and validity moved back into the micro-credential; shapes are the model's to check."""
    document = _mapping(raw)
    holder = _mapping(document.pop("credentialSubject", None))
    award = _mapping(holder.pop("microCredential", None))
    if not award.keys().isdisjoint(_MOVED) or "key" in holder or "microCredential" in document:
        raise NotOurCredential("The payload says one thing in two places; ask the issuer for a credential in this format.")
    if "cnf" in document:
        holder["key"] = _only(_mapping(document.pop("cnf")), "jwk")
    for name in _MOVED[1:]:
        if name in document:
            award[name] = document.pop(name)
    award["holder"] = holder
    document["microCredential"] = award
    return document


def _only(value: dict[str, Any], name: str) -> Any:
    if value.keys() != {name}:
        raise NotOurCredential(
            f"The payload binds its holder in another way than by `{name}`; ask its issuer for a new one."
        )
    return value[name]


def _mapping(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise NotOurCredential("The payload is not a Verifiable Credential with a learner and a micro-credential in it.")
    return dict(value)


def _explain(error: ValidationError) -> str:
    found = faults.sentences(faults.from_validation(error)[:5])
    return f"The payload is not a micro-credential as we write it ({found}). Ask its issuer for a new one."

"""An Open Badge 3.0 (an AchievementCredential of 1EdTech), secured with JOSE as `vc+jwt`: for wallets and badge backpacks.

Rules (Open Badges 3.0, data model; VC-JOSE-COSE for the signature)
- `@context` is the W3C's, then Open Badges' 3.0.3, then the W3C's for undefined terms; `type` has `OpenBadgeCredential`.
- The badge's own members say what a badge reader shows: the achievement with name, description, criteria, creator, alignment
  (EQF, ISCED-F, skills, quality assurance), credits, and the result. They are in the credential's language.
- What a badge has no member for, and all texts in all languages, is in `microCredential` beside `achievement`, in the words
  of our own model; it is what is read back. The badge's members are made from it, and one that says otherwise is refused.
- The learner is in `credentialSubject` as in `vc_jwt`, and as an identity object: SHA-256 over name and salt, so that who
  knows the name can check it, and nobody can find it (IdentityObject).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from shared.credential import vocabulary
from shared.credential.levels import eqf_of
from shared.credential.model import MicroCredential
from shared.formats import vc_jwt
from shared.formats.port import Issuance, NotOurCredential, ReadCredential, Reading, Unsigned
from shared.jose import gate, strict_json
from shared.jose.gate import Token

NAME = "openbadge+jwt"
"""The format's name: the key of its commitment. The tokens' `typ` is `vc+jwt`, for that is what they are."""

MEDIA_TYPE = vc_jwt.MEDIA_TYPE

CONTEXT = (vc_jwt.CONTEXT[0], "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json", vc_jwt.CONTEXT[1])
TYPES = ("VerifiableCredential", "OpenBadgeCredential", "MicroCredential")

_BADGE = ("type", "identifier", "achievement", "creditsEarned", "result")
"""Members of a badge's subject that are made from the micro-credential beside them."""

_OWN = ("name", "awardedDate")
"""Members of the badge itself that are made from it."""


def is_badge(payload: bytes) -> bool:
    """Whether a `vc+jwt`'s payload says that it is an Open Badge; one that cannot be read is none."""
    if b"OpenBadgeCredential" not in payload and b"AchievementCredential" not in payload:
        return False  # nearly every credential: no need to read it twice
    try:
        document = strict_json.loads(payload)
    except strict_json.NotStrictJson:
        return False
    types = document.get("type") if isinstance(document, dict) else None
    return isinstance(types, list) and ("OpenBadgeCredential" in types or "AchievementCredential" in types)


recognise = vc_jwt.recognise
"""It looks like any other compact token; whether it is a badge, its payload says (`is_badge`)."""


def unsigned_payload(credential: MicroCredential, issuance: Issuance) -> Unsigned:
    """The badge as compact JSON."""
    plain = orjson.loads(vc_jwt.unsigned_payload(credential, issuance).payload)
    return Unsigned(orjson.dumps(_badge(plain, credential)))


sign_payload = vc_jwt.sign_payload
"""The header is that of every credential of ours."""

serialize = vc_jwt.serialize
commitment = vc_jwt.commitment


def read(raw: bytes | str) -> Reading:
    """What the bytes say. Raises `NotOurCredential` or `TokenMalformed`; it verifies nothing."""
    return reading(gate.read(raw, typ=vc_jwt.NAME))


def reading(token: Token) -> Reading:
    """What a token that was read says, with its commitment. Raises `NotOurCredential`."""
    return Reading(format=NAME, token=token, credential=read_token(token), commitment=commitment(token))


def read_token(token: Token) -> ReadCredential:
    """What the badge says. Raises `NotOurCredential`, for one of another issuer as for one that contradicts itself."""
    try:
        badge = strict_json.loads(token.payload)
    except strict_json.NotStrictJson as error:
        raise NotOurCredential(f"The payload cannot be read. {error.detail}") from error
    plain = _plain(badge)
    credential = vc_jwt.read_document(token, plain)
    if _badge(plain, credential.award) != badge:
        raise NotOurCredential("The badge does not say what its micro-credential says; ask its issuer for a new one.")
    return credential


def _plain(badge: Any) -> dict[str, Any]:
    """The badge without what makes it one: our own form of the same credential."""
    subject = badge.get("credentialSubject") if isinstance(badge, dict) else None
    issuer = badge.get("issuer") if isinstance(badge, dict) else None
    if not isinstance(subject, dict) or not isinstance(issuer, dict) or not isinstance(subject.get("microCredential"), dict):
        raise NotOurCredential("It is a badge, and of another issuer than this exchange; verify it where it was issued.")
    award = subject["microCredential"]
    names = award.get("awardingBody", {}).get("legalName") if isinstance(award.get("awardingBody"), dict) else None
    own = (*_OWN, "validFrom") if badge.get("validFrom") == award.get("issued") else _OWN
    return {
        **{name: value for name, value in badge.items() if name not in own},
        "@context": list(vc_jwt.CONTEXT),
        "type": list(vc_jwt.TYPES),
        "issuer": {"id": issuer.get("id"), "name": names},
        "credentialSubject": {name: value for name, value in subject.items() if name not in _BADGE},
    }


def _badge(plain: dict[str, Any], credential: MicroCredential) -> dict[str, Any]:
    """Our own form, made a badge."""
    subject = plain["credentialSubject"]
    creator = _profile(plain["issuer"]["id"], credential)
    return {
        **plain,
        "@context": list(CONTEXT),
        "type": list(TYPES),
        "issuer": creator,
        "name": _in(credential.title, credential.language),
        "validFrom": plain.get("validFrom") or subject["microCredential"]["issued"],
        "awardedDate": subject["microCredential"]["issued"],
        "credentialSubject": {
            **subject,
            "type": ["AchievementSubject"],
            "identifier": [_identity(credential, plain["salt"])],
            "achievement": _achievement(credential, creator, plain["id"]),
            **({"creditsEarned": credential.workload.ects} if credential.workload.ects is not None else {}),
            **({"result": [_result(credential, plain["id"])]} if credential.assessment.grade else {}),
        },
    }


def _profile(urn: str, credential: MicroCredential) -> dict[str, Any]:
    body = credential.awarding_body
    return {
        "id": urn,
        "type": ["Profile"],
        "name": _in(body.legal_name, credential.language),
        "address": {"type": ["Address"], "addressCountryCode": body.country},
        **({"url": body.homepage} if body.homepage else {}),
    }


def _identity(credential: MicroCredential, salt: str) -> dict[str, Any]:
    name = credential.holder.display_name
    return {
        "type": "IdentityObject",
        "hashed": True,
        "identityHash": f"sha256${hashlib.sha256((name + salt).encode()).hexdigest()}",
        "identityType": "name",
        "salt": salt,
    }


def _achievement(credential: MicroCredential, creator: Mapping[str, Any], urn: str) -> dict[str, Any]:
    language = credential.language
    outcomes = [_in(outcome.title, language) for outcome in credential.learning_outcomes]
    criteria = [f"Assessment: {_in(credential.assessment.type.label, language)}."]
    if credential.prerequisites:
        criteria.append(f"Prerequisites: {_in(credential.prerequisites, language)}.")
    shown: dict[str, Any] = {
        "id": f"{urn}#achievement",
        "type": ["Achievement"],
        "achievementType": "MicroCredential",
        "name": _in(credential.title, language),
        "description": _in(credential.further_information or credential.title, language),
        "criteria": {"narrative": "\n".join([*(f"- {outcome}" for outcome in outcomes), *criteria])},
        "creator": dict(creator),
        "inLanguage": language,
        "alignment": _alignments(credential),
    }
    if credential.workload.ects is not None:
        shown["creditsAvailable"] = credential.workload.ects
    if credential.assessment.grade:
        shown["resultDescription"] = [_result_description(credential, urn)]
    return shown


def _alignments(credential: MicroCredential) -> list[dict[str, Any]]:
    found = []
    eqf = eqf_of(credential.level, credential.awarding_body.country)
    if eqf is not None:
        found.append(_alignment(f"EQF level {eqf}", f"{vocabulary.EQF_BASE}{eqf}", "ext:EQF"))
    if credential.isced_f is not None:
        label = vocabulary.ISCED_FIELDS[credential.isced_f]
        found.append(_alignment(label, vocabulary.ISCED_BASE + credential.isced_f, "ext:ISCED-F"))
    for outcome in credential.learning_outcomes:
        name = _in(outcome.title, credential.language)
        found += [_alignment(name, skill, "ext:Skill") for skill in outcome.skills]
    assured = credential.quality_assurance
    url = assured.report or assured.type.uri
    if url is not None:
        found.append(_alignment(_in(assured.type.label, credential.language), url, "ext:QualityAssurance"))
    return found


def _alignment(name: str, url: str, kind: str) -> dict[str, Any]:
    return {"type": ["Alignment"], "targetName": name, "targetUrl": url, "targetType": kind}


def _result_description(credential: MicroCredential, urn: str) -> dict[str, Any]:
    scheme = credential.assessment.grading_scheme
    name = _in(scheme, credential.language) if scheme else "Grade"
    return {"id": f"{urn}#grade", "type": ["ResultDescription"], "name": name, "resultType": "Result"}


def _result(credential: MicroCredential, urn: str) -> dict[str, Any]:
    assert credential.assessment.grade is not None
    grade = _in(credential.assessment.grade, credential.language)
    return {"type": ["Result"], "resultDescription": f"{urn}#grade", "value": grade}


def _in(texts: Mapping[str, str], language: str) -> str:
    """A text in the credential's language, or in the first there is."""
    return texts.get(language) or next(iter(texts.values()))

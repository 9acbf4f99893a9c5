"""An unsigned document of the European Learning Model 3 (a Europass credential before its seal), as a draft.

Rules
- What our model has a place for is taken from where ELM puts it: the title from the achievement; workload, level, outcomes
  and participation from its specification; assessment from what proves it; quality assurance from an accreditation.
- Nothing is guessed. A property with two values where we have room for one is left out, and so is a date of birth whose
  time of day makes two days possible. If the draft then lacks an element, `draft.build` names it.
- ECTS credits are those whose framework is ECTS. Hours are a duration in hours: `P60M` is 60 months, and no workload.
- A concept of a private list keeps its label and loses its local id.
- A sealed document is refused here: its bytes are what was signed, and reading it as a draft would drop the seal unseen.
"""

from __future__ import annotations

import re
from datetime import datetime, time
from typing import Any

from shared.credential import vocabulary
from shared.credential.duration import parse_duration
from shared.errors import Invalid, Malformed, TooLarge
from shared.formats.elm.linked_data import NOWHERE, Node, is_a, many, nodes, one, only_text, only_uri, uris
from shared.jose import strict_json

LARGEST_BYTES = 512 * 1024
"""Bytes of a document: the Commission's own samples have 100 KB, most of it pictures."""

_ECTS = vocabulary.concept("credit", "ECTS")
_DECIMAL = re.compile(r"\d{1,4}(?:\.\d{1,2})?")
_PUBLIC = re.compile(r"https?://")
_REGISTERS = {
    "registration": "registration",
    "vatIdentifier": "vat",
    "taxIdentifier": "tax",
    "eIDASIdentifier": "eidas",
}


class NotElm(Malformed):
    """400: not an unsigned ELM 3 credential."""

    title = "That is not an unsigned credential of the European Learning Model."


class NotOneAchievement(Invalid):
    """422: an ELM credential that awards no learning achievement, or several."""

    title = "A micro-credential is one learning achievement."


def to_draft(raw: bytes) -> dict[str, Any]:
    """A draft from ELM 3 JSON-LD, plain or uploadable. Raises `NotElm`, `NotOneAchievement`, `TooLarge`, `NotStrictJson`."""
    return draft_of(_document(raw))


def draft_of(document: Node) -> dict[str, Any]:
    """A draft of what one EuropeanDigitalCredential says, sealed or not. Raises `NotOneAchievement`."""
    person = one(document, "credentialSubject")
    achievements = [claim for claim in nodes(person, "hasClaim") if is_a(claim, "LearningAchievement")]
    if len(achievements) != 1:
        raise NotOneAchievement(
            f"It awards {len(achievements)} learning achievements; give a document for each micro-credential with one."
        )
    language = _language(document)
    return _said({"language": language, "holder": _holder(person, language), **_award(document, achievements[0])})


def _document(raw: bytes) -> Node:
    if len(raw) > LARGEST_BYTES:
        raise TooLarge(f"An ELM document has at most {LARGEST_BYTES // 1024} KB here; leave out its pictures.")
    document = strict_json.loads(raw)
    if isinstance(document, dict) and isinstance(document.get("credential"), dict):
        document = document["credential"]
    if not isinstance(document, dict) or not is_a(document, "EuropeanDigitalCredential"):
        raise NotElm(
            "Give the unsigned JSON-LD of one EuropeanDigitalCredential; a sealed one is verified, not issued anew."
        )
    return document


def _award(document: Node, achievement: Node) -> dict[str, Any]:
    """What was awarded; `specification` is a Qualification or a LearningAchievementSpecification."""
    specification = one(achievement, "specifiedBy")
    fields = [uri.removeprefix(vocabulary.ISCED_BASE) for uri in uris(specification, "thematicArea")]
    body = one(achievement, "awardedBy", "awardingBody")
    return {
        "title": achievement.get("title"),
        "awarding_body": _body(body, one(document, "issuer")),
        "issued": only_text(document, "issued") or only_text(one(achievement, "awardedBy"), "awardingDate"),
        "learning_outcomes": _outcomes(specification),
        "workload": _workload(specification),
        "level": _level(specification),
        "assessment": _assessment(one(achievement, "provenBy")),
        "participation": _term(specification, "mode"),
        "quality_assurance": _assurance(specification, body),
        "prerequisites": one(specification, "entryRequirement").get("noteLiteral"),
        "stackability": _stackability(specification),
        "further_information": one(specification, "additionalNote").get("noteLiteral"),
        "isced_f": fields[0] if len(fields) == 1 else None,
        "valid_from": only_text(document, "validFrom"),
        "valid_until": only_text(document, "validUntil") or only_text(document, "expirationDate"),
    }


def _said(members: dict[str, Any]) -> dict[str, Any]:
    """Without the members that say nothing."""
    return {name: value for name, value in members.items() if value not in (None, {}, [])}


def _language(document: Node) -> str | None:
    authority = only_uri(one(document, "displayParameter"), "primaryLanguage")
    return vocabulary.language_of_authority(authority) if authority else None


def _holder(person: Node, language: str | None) -> dict[str, Any]:
    return _said(
        {
            "given_name": _plain(person.get("givenName"), language),
            "family_name": _plain(person.get("familyName"), language),
            "full_name": _plain(person.get("fullName"), language),
            "date_of_birth": _day(only_text(person, "dateOfBirth")),
        }
    )


def _plain(texts: Any, language: str | None) -> Any:
    """A name out of its languages: the document's own, or the only one there is."""
    if not isinstance(texts, dict):
        return None
    return texts.get(language) or (next(iter(texts.values())) if len(texts) == 1 else None)


def _day(moment: str | None) -> str | None:
    """The day of an instant at midnight; at another hour it was a day in some zone that is not said, so None."""
    try:
        born = datetime.fromisoformat(moment) if moment else None
    except ValueError:
        return None
    return born.date().isoformat() if born and born.time() == time.min else None


def _body(body: Node, issuer: Node) -> dict[str, Any]:
    """The awarding body; its country from its own address, or the issuer's where both are one node by name and id."""
    same = body.get("id") == issuer.get("id") and body.get("legalName") == issuer.get("legalName")
    authority = _country(body) or (_country(issuer) if same else None)
    registers = [
        {"scheme": scheme, "value": entry.get("notation")}
        for name, scheme in _REGISTERS.items()
        for entry in nodes(body, name)
    ]
    others = [{"scheme": entry.get("schemeName"), "value": entry.get("notation")} for entry in nodes(body, "identifier")]
    return _said(
        {
            "legal_name": body.get("legalName"),
            "country": vocabulary.country_of_authority(authority) if authority else None,
            "identifiers": [entry for entry in registers + others if all(entry.values())],
            "homepage": only_text(one(body, "homepage"), "contentURL"),
        }
    )


def _country(organisation: Node) -> str | None:
    return only_uri(one(organisation, "location", "address"), "countryCode")


def _outcomes(specification: Node) -> list[dict[str, Any]]:
    outcomes = [
        _said({"title": outcome.get("title"), "skills": uris(outcome, "relatedESCOSkill", "relatedSkill")})
        for outcome in nodes(specification, "learningOutcome")
    ]
    summary = one(specification, "learningOutcomeSummary").get("noteLiteral")
    return outcomes or ([{"title": summary}] if summary else [])


def _workload(specification: Node) -> dict[str, Any]:
    duration = parse_duration(only_text(specification, "volumeOfLearning") or "")
    points = [
        point.get("point")
        for point in nodes(specification, "creditPoint")
        if _ECTS is not None and only_uri(point, "framework") == _ECTS.uri
    ]
    credits_ = points[0] if len(points) == 1 and isinstance(points[0], str) and _DECIMAL.fullmatch(points[0]) else None
    return _said({"hours": duration.learning_hours if duration else None, "ects": float(credits_) if credits_ else None})


def _level(specification: Node) -> dict[str, Any]:
    stated = (only_uri(specification, "eqfLevel") or "").removeprefix(vocabulary.EQF_BASE)
    return _said({"eqf": int(stated) if stated in set("12345678") else None, "nqf": only_uri(specification, "nqfLevel")})


def _term(node: Node, name: str) -> dict[str, Any]:
    """A concept as a term: its label, and its URI unless that is local to the document."""
    values = many(node, name)
    found = values[0] if len(values) == 1 and isinstance(values[0], dict) else NOWHERE
    uri = only_text(found, "id") or ""
    return _said({"label": found.get("prefLabel"), "uri": uri if _PUBLIC.match(uri) else None})


def _assessment(assessment: Node) -> dict[str, Any]:
    specification = one(assessment, "specifiedBy")
    return _said(
        {
            "type": _term(specification, "dcType"),
            "supervision": _term(assessment, "idVerification"),
            "grade": one(assessment, "grade").get("noteLiteral"),
            "grading_scheme": one(specification, "gradingScheme").get("title"),
        }
    )


def _assurance(specification: Node, body: Node) -> dict[str, Any]:
    """The one accreditation of the qualification, or else of the awarding body."""
    accreditation = one(specification, "accreditation") or one(body, "accreditation")
    agent = one(accreditation, "accreditingAgent")
    authority = _country(agent)
    return _said(
        {
            "type": _term(accreditation, "dcType"),
            "agency": _plain(agent.get("legalName"), "en"),
            "agency_country": vocabulary.country_of_authority(authority) if authority else None,
            "report": only_text(one(accreditation, "report"), "contentURL"),
            "valid_until": only_text(accreditation, "expiryDate"),
        }
    )


def _stackability(specification: Node) -> dict[str, Any]:
    partial = specification.get("isPartialQualification")
    return {"kind": "stackable" if partial else "stand-alone"} if isinstance(partial, bool) else {}

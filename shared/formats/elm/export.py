"""Our model as an unsigned credential of the European Learning Model 3, to be sealed with the Europass tools.

Rules
- Each element lies where `elm.to_draft` takes it from, so that what was written is read again. Concepts have the URIs of the
  EU Vocabularies; a word that is in no list is a concept of the document's own.
- Nothing is made up. What ELM demands and the credential does not say is left out, and the schemas then name it. The picture
  that ELM demands is one white point, to be replaced by whoever seals.
- What ELM has no place for does not travel: the learner's key, why no level applies, the QF-EHEA cycle, the credential type,
  the note on stackability, and registers of organisations that ELM has no property for keep their name only.
- It carries no seal and no proof of where it came from: the credential itself stays the original.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from shared import ids
from shared.clock import rfc3339
from shared.credential import vocabulary
from shared.credential.model import MicroCredential
from shared.credential.parts import AwardingBody, LearningOutcome, Level, QualityAssurance, Term

MEDIA_TYPE = "application/ld+json"
"""The media type of the document."""

CONTEXT = ("https://www.w3.org/2018/credentials/v1", "http://data.europa.eu/snb/model/context/edc-ap")
TYPES = ("VerifiableCredential", "VerifiableAttestation", "EuropeanDigitalCredential")
SCHEMA = "http://data.europa.eu/snb/model/ap/edc-generic-full"
GENERIC = "http://data.europa.eu/snb/credential/e34929035b"
BASE64 = "http://data.europa.eu/snb/encoding/6146cde7dd"
PNG = f"{vocabulary.AUTHORITY}/file-type/PNG"
WHITE_POINT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj8vgAAAABJRU5ErkJggg=="
"""A PNG of one white pixel."""

_SCHEME = "25831c2"
_SNB = "http://data.europa.eu/snb/"
_ESCO = "http://data.europa.eu/esco/"
_REGISTERS = {"registration": "registration", "vat": "vatIdentifier", "tax": "taxIdentifier", "eidas": "eIDASIdentifier"}


def to_elm(credential: MicroCredential, ref: str, valid_from: datetime) -> dict[str, Any]:
    """The document as a JSON object; `ref` is the credential's own, `valid_from` when it begins to hold."""
    return _Writing(credential).document(ref, valid_from)


class _Writing:
    """One document being written: numbers its nodes, each id once."""

    def __init__(self, credential: MicroCredential) -> None:
        self._credential = credential
        self._language = credential.language
        self._count: Counter[str] = Counter()

    def document(self, ref: str, valid_from: datetime) -> dict[str, Any]:
        """The whole."""
        award = self._credential
        return _said(
            {
                "@context": list(CONTEXT),
                "id": ids.credential_urn(ref),
                "type": list(TYPES),
                "credentialProfiles": _concept(GENERIC, {"en": "Generic"}),
                "displayParameter": self._display(),
                "credentialSchema": {"id": SCHEMA, "type": "ShaclValidator2017"},
                "issuer": self._body(award.awarding_body),
                "issued": rfc3339(award.issued),
                "validFrom": rfc3339(valid_from),
                "validUntil": award.valid_until and rfc3339(award.valid_until),
                "credentialSubject": self._person(),
            }
        )

    def _node(self, kind: str, **members: Any) -> dict[str, Any]:
        name = kind[0].lower() + kind[1:]
        self._count[name] += 1
        return {"id": f"urn:epass:{name}:{self._count[name]}", "type": kind, **_said(members)}

    def _display(self) -> dict[str, Any]:
        language = _of_language(self._language)
        image = self._node(
            "MediaObject",
            content=WHITE_POINT,
            contentEncoding=_concept(BASE64, {"en": "base64"}),
            contentType=_concept(PNG, {"en": "PNG"}),
        )
        page = self._node("DisplayDetail", image=image, page=1)
        shown = self._node("IndividualDisplay", language=language, displayDetail=page)
        return self._node(
            "DisplayParameter",
            title=dict(self._credential.title),
            language=language,
            primaryLanguage=language,
            individualDisplay=shown,
        )

    def _person(self) -> dict[str, Any]:
        holder = self._credential.holder
        return self._node(
            "Person",
            givenName=self._name(holder.given_name),
            familyName=self._name(holder.family_name),
            fullName=self._name(holder.full_name),
            dateOfBirth=_midnight(holder.date_of_birth),
            hasClaim=self._achievement(),
        )

    def _name(self, name: str | None) -> dict[str, str] | None:
        return {self._language: name} if name else None

    def _achievement(self) -> dict[str, Any]:
        return self._node(
            "LearningAchievement",
            title=dict(self._credential.title),
            awardedBy=self._process(),
            provenBy=self._assessment(),
            specifiedBy=self._specification(),
        )

    def _process(self) -> dict[str, Any]:
        award = self._credential
        return self._node(
            "AwardingProcess", awardingBody=self._body(award.awarding_body), awardingDate=rfc3339(award.issued)
        )

    def _body(self, body: AwardingBody) -> dict[str, Any]:
        registers: dict[str, Any] = {}
        others = []
        for entry in body.identifiers:
            place = _REGISTERS.get(entry.scheme)
            if place and place not in registers:
                registers[place] = self._node("LegalIdentifier", notation=entry.value, spatial=_of_country(body.country))
            else:
                others.append(self._node("Identifier", notation=entry.value, schemeName=entry.scheme))
        return self._organisation(
            dict(body.legal_name),
            body.country,
            **registers,
            identifier=others,
            homepage=body.homepage and self._node("WebResource", contentURL=body.homepage),
        )

    def _organisation(self, name: Mapping[str, str], country: str | None, **members: Any) -> dict[str, Any]:
        place = country and self._node("Location", address=self._node("Address", countryCode=_of_country(country)))
        return self._node("Organisation", legalName=name, location=place, **members)

    def _assessment(self) -> dict[str, Any]:
        said = self._credential.assessment
        scheme = said.grading_scheme and self._node("GradingScheme", title=dict(said.grading_scheme))
        specification = self._node(
            "LearningAssessmentSpecification",
            title=dict(said.type.label),
            dcType=self._term(said.type),
            gradingScheme=scheme,
        )
        return self._node(
            "LearningAssessment",
            title=dict(said.type.label),
            grade=self._note(said.grade),
            idVerification=said.supervision and self._term(said.supervision),
            awardedBy=self._process(),
            specifiedBy=specification,
        )

    def _specification(self) -> dict[str, Any]:
        award = self._credential
        stackable = award.stackability and award.stackability.kind == "stackable"
        level = award.level if isinstance(award.level, Level) else None
        return self._node(
            "Qualification",
            title=dict(award.title),
            learningOutcome=[self._outcome(outcome) for outcome in award.learning_outcomes],
            volumeOfLearning=_hours(award.workload.hours),
            creditPoint=self._credits(award.workload.ects),
            eqfLevel=level and level.eqf and _concept(f"{vocabulary.EQF_BASE}{level.eqf}", {"en": f"Level {level.eqf}"}),
            nqfLevel=level and self._national(level, award.awarding_body.country),
            mode=self._term(award.participation),
            accreditation=self._accreditation(award.quality_assurance),
            entryRequirement=self._note(award.prerequisites),
            isPartialQualification=stackable,
            additionalNote=self._note(award.further_information),
            thematicArea=award.isced_f
            and _concept(vocabulary.ISCED_BASE + award.isced_f, {"en": vocabulary.ISCED_FIELDS[award.isced_f]}),
            language=_of_language(self._language),
        )

    def _outcome(self, outcome: LearningOutcome) -> dict[str, Any]:
        esco = [skill for skill in outcome.skills if skill.startswith(_ESCO)]
        others = [skill for skill in outcome.skills if not skill.startswith(_ESCO)]
        return self._node(
            "LearningOutcome",
            title=dict(outcome.title),
            relatedESCOSkill=[_concept(skill, None) for skill in esco],
            relatedSkill=[_concept(skill, None) for skill in others],
        )

    def _credits(self, ects: float | None) -> dict[str, Any] | None:
        framework = vocabulary.concept("credit", "ECTS")
        if ects is None or framework is None:
            return None
        return self._node("CreditPoint", framework=_concept(framework.uri, {"en": framework.label}), point=f"{ects:g}")

    def _national(self, level: Level, country: str) -> dict[str, Any] | None:
        """A national level by its URI; a code alone is given one where the country's framework has it."""
        if level.nqf is None:
            return None
        known = vocabulary.national_level(country, level.nqf) or vocabulary.national_level_of_uri(level.nqf)
        if known is not None:
            return _concept(known.uri, {"en": f"{known.framework} {known.code}"})
        return _concept(level.nqf, None) if level.nqf.startswith("http") else self._own({"en": level.nqf})

    def _accreditation(self, assurance: QualityAssurance) -> dict[str, Any]:
        agent = assurance.agency and self._organisation({"en": assurance.agency}, assurance.agency_country)
        return self._node(
            "Accreditation",
            title=dict(assurance.type.label),
            dcType=self._term(assurance.type),
            accreditingAgent=agent,
            report=assurance.report and self._node("WebResource", contentURL=assurance.report),
            expiryDate=assurance.valid_until and rfc3339(assurance.valid_until),
        )

    def _term(self, term: Term) -> dict[str, Any]:
        return _concept(term.uri, dict(term.label)) if term.uri else self._own(dict(term.label))

    def _own(self, label: dict[str, str]) -> dict[str, Any]:
        return self._node("Concept", prefLabel=label)

    def _note(self, text: Mapping[str, str] | None) -> dict[str, Any] | None:
        return self._node("Note", noteLiteral=dict(text)) if text else None


def _said(members: Mapping[str, Any]) -> dict[str, Any]:
    """Without the members that say nothing; `false` says something."""
    return {name: value for name, value in members.items() if value is not None and value != [] and value != {}}


def _concept(uri: str, label: Mapping[str, str] | None) -> dict[str, Any]:
    folder = uri.rpartition("/")[0]
    listed = (
        f"{folder}/{_SCHEME}" if folder.startswith(_SNB) else folder if folder.startswith(vocabulary.AUTHORITY) else None
    )
    if uri.startswith(f"{_ESCO}skill/"):
        listed = f"{_ESCO}concept-scheme/skills"
    scheme = {"id": listed, "type": "ConceptScheme"} if listed else None
    return _said({"id": uri, "type": "Concept", "inScheme": scheme, "prefLabel": label})


def _of_country(code: str) -> dict[str, Any]:
    return _concept(vocabulary.authority_of_country(code), {"en": vocabulary.COUNTRIES[code]}) | {"notation": "country"}


def _of_language(code: str) -> dict[str, Any]:
    return _concept(vocabulary.authority_of_language(code), {"en": vocabulary.LANGUAGES[code]}) | {"notation": "language"}


def _midnight(day: date | None) -> str | None:
    return f"{day.isoformat()}T00:00:00Z" if day else None


def _hours(hours: float | None) -> str | None:
    """Hours as an ISO 8601 duration; a fraction is written with a point."""
    return f"PT{hours:.6f}".rstrip("0").rstrip(".") + "H" if hours is not None else None

"""Promise: the European Commission's own unsigned sample lacks one element and can be issued with it; nothing is guessed."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.credential import coherence, completeness, draft
from shared.errors import TooLarge
from shared.formats.elm import read as elm
from shared.jose.strict_json import NotStrictJson
from tests.shared_data import shared_file

NOW = datetime(2026, 11, 23, 20, 19, tzinfo=UTC)
FOLDER = ("samples", "europass-elm-v3")


def sample(name: str = "Sample-MC-Annex1-unsigned.jsonld") -> bytes:
    return shared_file(*FOLDER, name).read_bytes()


def changed(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """The draft of the sample after a change to it; `change` gets the document."""
    document = json.loads(sample())
    change(document)
    return elm.to_draft(json.dumps(document).encode())


def achievement(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["credentialSubject"]["hasClaim"]
    return found


def specification(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = achievement(document)["specifiedBy"]
    return found


def test_the_sample_lacks_quality_assurance_and_nothing_else() -> None:
    with pytest.raises(draft.IncompleteCredential) as refusal:
        draft.build(elm.to_draft(sample()), issued=NOW)
    assert [element["number"] for element in refusal.value.members["missing"]] == [11]
    assert "quality_assurance" in refusal.value.detail


def test_the_sample_can_be_issued_once_that_is_given() -> None:
    given = draft.apply_set(elm.to_draft(sample()), "quality_assurance=Institutional Quality Assurance")
    credential = draft.build(given, issued=NOW)
    assert completeness.missing_mandatory(credential) == ()
    assert credential.quality_assurance.type.uri == "http://data.europa.eu/snb/accreditation/bb4618238e"
    assert credential.title == {"en": "Digital micro-credential creation"}
    assert credential.awarding_body.country == "IE"
    assert (credential.workload.hours, credential.workload.ects) == (60, 2)


def test_the_uploadable_form_gives_the_same_draft() -> None:
    assert elm.to_draft(sample("Sample-MC-Annex1-unsigned-uploadable.json")) == elm.to_draft(sample())


def test_the_english_level_of_an_irish_body_is_a_warning_in_the_sample() -> None:
    credential = draft.build(draft.apply_set(elm.to_draft(sample()), "quality_assurance=internal review"), issued=NOW)
    assert [(fault.rule, fault.severity) for fault in coherence.faults(credential)] == [("nqf-country", "warning")]


def test_what_would_be_a_guess_is_left_out() -> None:
    read = elm.to_draft(sample())
    assert "date_of_birth" not in read["holder"], "22:00Z is two days, depending on a zone that is not said"
    assert "isced_f" not in read, "two fields, room for one"
    assert read["assessment"]["type"] == {"label": {"en": "artefact assessment"}}, "a private list's id means nothing here"


def test_a_date_of_birth_at_midnight_is_that_day() -> None:
    def midnight(document: dict[str, Any]) -> None:
        document["credentialSubject"]["dateOfBirth"] = "1999-10-02T00:00:00+02:00"

    assert changed(midnight)["holder"]["date_of_birth"] == "1999-10-02"


def test_sixty_months_are_no_workload() -> None:
    def months(document: dict[str, Any]) -> None:
        specification(document)["volumeOfLearning"] = "P60M"
        del specification(document)["creditPoint"]

    assert "workload" not in changed(months)


def test_only_ects_points_are_ects() -> None:
    def ecvet(document: dict[str, Any]) -> None:
        specification(document)["creditPoint"]["framework"]["id"] = "http://data.europa.eu/snb/education-credit/60b314e826"

    assert changed(ecvet)["workload"] == {"hours": 60.0}


def test_one_field_of_education_is_taken() -> None:
    def one_field(document: dict[str, Any]) -> None:
        specification(document)["thematicArea"] = specification(document)["thematicArea"][1]

    assert changed(one_field)["isced_f"] == "0688"


def test_two_modes_are_not_one() -> None:
    def two_modes(document: dict[str, Any]) -> None:
        specification(document)["mode"] = [specification(document)["mode"]] * 2

    assert "participation" not in changed(two_modes)


def test_an_accreditation_of_the_qualification_is_its_quality_assurance() -> None:
    def accredited(document: dict[str, Any]) -> None:
        specification(document)["accreditation"] = {
            "type": "Accreditation",
            "dcType": {
                "id": "http://data.europa.eu/snb/accreditation/820101cba6",
                "type": "Concept",
                "prefLabel": {"en": "Program Quality Assurance"},
            },
            "accreditingAgent": {"type": "Organisation", "legalName": {"en": "Quality and Qualifications Ireland"}},
            "expiryDate": "2030-01-01T00:00:00Z",
        }

    credential = draft.build(changed(accredited), issued=NOW)
    assert credential.quality_assurance.agency == "Quality and Qualifications Ireland"
    assert credential.quality_assurance.valid_until == datetime(2030, 1, 1, tzinfo=UTC)


def test_two_achievements_are_not_one_micro_credential() -> None:
    def twice(document: dict[str, Any]) -> None:
        document["credentialSubject"]["hasClaim"] = [achievement(document)] * 2

    with pytest.raises(elm.NotOneAchievement):
        changed(twice)


def test_a_certificate_of_participation_is_no_achievement() -> None:
    with pytest.raises(elm.NotOneAchievement):
        elm.to_draft(sample("Sample-CertOfPart-unsigned.jsonld"))


def test_a_sealed_document_is_refused() -> None:
    with pytest.raises(elm.NotElm):
        elm.to_draft(sample("Sample-MC-Annex1-signed.jsonld"))


def test_a_document_that_is_too_large_or_not_json_is_refused() -> None:
    with pytest.raises(TooLarge):
        elm.to_draft(b" " * (elm.LARGEST_BYTES + 1))
    with pytest.raises(NotStrictJson):
        elm.to_draft(b"<xml/>")


@pytest.mark.parametrize("odd", [None, 1, "text", [], {}, [[]], [1, "x"], {"id": 5}, {"en": {"en": []}}])
def test_odd_shapes_anywhere_are_read_as_nothing_or_refused_by_the_model(odd: Any) -> None:
    names = [name for name in json.loads(sample())["credentialSubject"]["hasClaim"]["specifiedBy"] if name != "type"]
    for name in names:

        def put(document: dict[str, Any], name: str = name) -> None:
            specification(document)[name] = odd

        with pytest.raises((draft.IncompleteCredential, draft.MalformedCredential)):
            draft.build(changed(put), issued=NOW)

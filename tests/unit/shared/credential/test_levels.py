"""Promise: levels of different frameworks are set beside each other only where somebody confirmed it."""

from __future__ import annotations

import pytest
import yaml

from shared.credential import levels, vocabulary
from shared.credential.parts import Level, NotApplicable
from tests.shared_data import shared_file, shared_json

RQF_6 = "http://data.europa.eu/snb/qdr/c_c392e7a2"


def test_a_cycle_is_its_eqf_level() -> None:
    assert levels.EQF_OF_CYCLE == {"short": 5, "first": 6, "second": 7, "third": 8}


def test_a_confirmed_level_is_found_by_uri_code_and_prefix() -> None:
    assert levels.eqf_of_national("GB", RQF_6) == 6
    assert levels.eqf_of_national("GB", "RQF 6") == levels.eqf_of_national("GB", "rqf level 6") == 6
    assert levels.eqf_of_national("GB-ENG", "6") == 6


def test_equal_numbers_are_not_equal_levels() -> None:
    assert levels.eqf_of_national("GB-SCT", "9") == 6
    assert levels.eqf_of_national("GB-SCT", "6") == 4


def test_a_number_that_several_frameworks_of_a_country_share_is_unknown() -> None:
    assert vocabulary.national_level("GB", "6") is None
    assert vocabulary.national_level("BE", "6") is None


def test_an_unconfirmed_level_exists_and_its_eqf_level_is_unknown() -> None:
    level = vocabulary.national_level("AT", "6")
    assert level is not None
    assert (level.country, level.eqf) == ("AT", None)


def test_a_level_of_another_country_is_not_this_countrys() -> None:
    assert vocabulary.national_level("IE", RQF_6) is None
    found = vocabulary.national_level_of_uri(RQF_6)
    assert found is not None
    assert found.country == "GB"


@pytest.mark.parametrize("code", ["", "42", "http://data.europa.eu/snb/qdr/c_unknown"])
def test_an_unknown_level_is_unknown(code: str) -> None:
    assert levels.eqf_of_national("GB", code) is None


def test_a_credential_claims_the_level_it_states_then_its_cycle_then_its_national_level() -> None:
    assert levels.eqf_of(Level(eqf=7, cycle="first"), "GB") == 7
    assert levels.eqf_of(Level(cycle="first", nqf="RQF 7"), "GB") == 6
    assert levels.eqf_of(Level(nqf="RQF 7"), "GB") == 7
    assert levels.eqf_of(Level(nqf="6"), "AT") is None
    assert levels.eqf_of(NotApplicable(reason="non-formal"), "EE") is None


def test_the_lists_know_what_exists() -> None:
    assert "EE" in vocabulary.COUNTRIES
    assert "XK" in vocabulary.COUNTRIES
    assert "EST" not in vocabulary.COUNTRIES
    assert vocabulary.language_exists("et")
    assert not vocabulary.language_exists("est")
    assert "0611" in vocabulary.ISCED_FIELDS
    assert "611" not in vocabulary.ISCED_FIELDS
    assert vocabulary.country_of_authority("http://publications.europa.eu/resource/authority/country/EST") == "EE"
    assert vocabulary.language_of_authority("http://publications.europa.eu/resource/authority/language/ENG") == "en"


def test_a_concept_is_found_by_uri_code_label_and_another_word() -> None:
    online = vocabulary.concept("mode", "Online")
    assert online is not None
    assert vocabulary.concept("mode", online.uri) == vocabulary.concept("mode", "920fbb3cbe") == online
    onsite = vocabulary.concept("mode", " onsite ")
    assert onsite is not None
    assert onsite.label == "Presential"
    assert vocabulary.concept("mode", "quiz") is None


def test_the_frameworks_are_those_of_the_shared_table() -> None:
    table = yaml.safe_load(shared_file("vocabulary", "eqf-nqf.yaml").read_text())
    rows = [(place["country"], row) for place in table["frameworks"] for row in place["levels"]]
    assert len(rows) == 381
    for place, row in rows:
        level = vocabulary.national_level_of_uri(row["uri"])
        assert level is not None
        assert (level.jurisdiction, level.code) == (place, row["nqf"])
        assert level.eqf == (row["eqf"] if row["status"] == "confirmed" else None)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("assessment", "assessment"),
        ("mode", "learning-assessment-mode"),
        ("quality_assurance", "accreditation"),
        ("credit", "education-credit"),
    ],
)
def test_the_concepts_are_those_of_the_controlled_lists(name: vocabulary.ConceptList, file: str) -> None:
    listed = {(item["uri"], item["label"]) for item in shared_json("vocabulary", f"{file}.json")["items"]}
    ours = {vocabulary.concept(name, uri) for uri, _ in listed}
    assert ours == listed
    assert set(vocabulary.labels(name)) == {label for _, label in listed}


def test_the_fields_are_those_of_isced_f() -> None:
    listed = {item["code"]: item["label"] for item in shared_json("vocabulary", "isced-f.json")["items"]}
    assert dict(vocabulary.ISCED_FIELDS) == listed

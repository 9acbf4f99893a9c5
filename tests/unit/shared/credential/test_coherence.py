"""Promise: what contradicts itself is found, all of it at once, by a policy that a node may widen."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credential import coherence, written
from shared.credential.model import MicroCredential
from shared.credential.shorthand import expand
from tests.shared_data import ROOT

RQF_6 = "http://data.europa.eu/snb/qdr/c_c392e7a2"
BASE = {**expand(written.read((ROOT / "examples/data-literacy.yaml").read_bytes())), "issued": "2026-11-23T20:19:00Z"}


def credential(country: str = "EE", **members: Any) -> MicroCredential:
    body = {**BASE["awarding_body"], "country": country}
    return MicroCredential.model_validate({**BASE, "awarding_body": body, **members})


def rules(subject: MicroCredential, policy: coherence.CoherencePolicy = coherence.DEFAULT_POLICY) -> list[tuple[str, str]]:
    return [(fault.rule, fault.severity) for fault in coherence.faults(subject, policy)]


@pytest.mark.parametrize(
    ("hours", "ects", "coherent"), [(50, 2, True), (60, 2, True), (49.9, 2, False), (60.1, 2, False), (62.5, 2.5, True)]
)
def test_an_ects_credit_is_25_to_30_hours(hours: float, ects: float, coherent: bool) -> None:
    found = rules(credential(workload={"hours": hours, "ects": ects}))
    assert found == ([] if coherent else [("hours-per-ects", "error")])


@given(ects=st.floats(0.1, 300), per_credit=st.floats(25, 30))
def test_every_workload_within_the_band_is_coherent(ects: float, per_credit: float) -> None:
    assert rules(credential(workload={"hours": ects * per_credit, "ects": ects})) == []


def test_hours_or_credits_alone_contradict_nothing() -> None:
    assert rules(credential(workload={"hours": 3})) == rules(credential(workload={"ects": 30})) == []


def test_a_node_may_widen_the_hours_and_set_a_band() -> None:
    subject = credential(workload={"hours": 40, "ects": 2})
    assert rules(subject, coherence.CoherencePolicy(hours_per_ects=(20, 30))) == []
    assert rules(subject, coherence.CoherencePolicy(hours_per_ects=(20, 30), ects_band=(3, 30))) == [("ects-band", "error")]


def test_a_cycle_is_one_eqf_level() -> None:
    assert rules(credential(level={"eqf": 7, "cycle": "second"})) == []
    assert rules(credential(level={"eqf": 6, "cycle": "second"})) == [("cycle-eqf", "error")]


def test_a_level_of_another_country_is_a_warning() -> None:
    assert rules(credential("IE", level={"eqf": 6, "nqf": RQF_6})) == [("nqf-country", "warning")]
    assert rules(credential("GB", level={"eqf": 6, "nqf": RQF_6})) == []


def test_a_confirmed_national_level_must_be_the_eqf_level_stated() -> None:
    assert rules(credential("GB", level={"eqf": 5, "nqf": RQF_6})) == [("nqf-eqf", "error")]
    assert rules(credential("GB", level={"cycle": "second", "nqf": "RQF 6"})) == [("nqf-eqf", "error")]
    assert rules(credential("IE", level={"eqf": 5, "nqf": RQF_6})) == [("nqf-country", "warning"), ("nqf-eqf", "error")]


def test_an_unconfirmed_national_level_contradicts_nothing() -> None:
    assert rules(credential("AT", level={"eqf": 6, "nqf": "7"})) == []


def test_a_level_that_the_country_does_not_have_is_a_warning() -> None:
    assert rules(credential("EE", level={"nqf": "42"})) == [("nqf-unknown", "warning")]
    assert rules(credential("JP", level={"nqf": "42"})) == []


def test_dates_are_in_order() -> None:
    early = "2020-01-01T00:00:00Z"
    assert rules(credential(valid_until=early)) == [("ends-before-issue", "error")]
    assert rules(credential(valid_from="2028-01-01T00:00:00Z", valid_until="2027-01-01T00:00:00Z")) == [
        ("ends-before-start", "error")
    ]
    assert rules(credential(holder={"full_name": "Specimen", "date_of_birth": "2026-11-23"})) == [
        ("born-after-issue", "error")
    ]
    assert rules(credential(quality_assurance={**BASE["quality_assurance"], "valid_until": early})) == [
        ("assurance-ended", "warning")
    ]


def test_all_faults_come_at_once() -> None:
    subject = credential(
        workload={"hours": 1, "ects": 2}, level={"eqf": 1, "cycle": "third"}, valid_until="2020-01-01T00:00:00Z"
    )
    assert {rule for rule, _ in rules(subject)} == {"hours-per-ects", "cycle-eqf", "ends-before-issue"}


def test_a_level_that_does_not_apply_cannot_contradict() -> None:
    assert rules(credential(level={"reason": "non-formal learning"})) == []

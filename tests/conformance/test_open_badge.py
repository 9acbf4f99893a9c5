"""Promise: an Open Badge of ours is one by the specification, says what the credential says, and cannot say two things."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import jsonschema_rs
import orjson
import pytest

from shared.credential import draft, written
from shared.credential.model import MicroCredential
from shared.formats import open_badge, vc_jwt
from shared.formats.port import Issuance, NotOurCredential, StatusEntry, Unsigned, new_salt
from shared.ids import InstitutionId, new_ref
from shared.jose import gate
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner
from tests.shared_data import ROOT

NOW = datetime(2026, 11, 23, 20, 19, tzinfo=UTC)
SIGNER = LocalSigner.generate(Purpose.INSTITUTION)
TARTU = InstitutionId("demo", "ee", "tartu")
LISTS = (StatusEntry("revocation", "https://ee.example/status/1", 7),)
EXAMPLE = written.read((ROOT / "examples/data-literacy.yaml").read_bytes())
SCHEMA = jsonschema_rs.Draft202012Validator(
    orjson.loads((ROOT / "tests/conformance/open_badge.schema.json").read_bytes()), validate_formats=True
)
KEY = {"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "B" * 43}
CASES: dict[str, dict[str, Any]] = {
    "as in the example": {},
    "without a grade": {"assessment": {"type": "project work"}},
    "without credits": {"workload": {"hours": 12}},
    "without a level": {"level": {"reason": "no level was agreed"}},
    "without field, homepage and report": {
        "isced_f": None,
        "awarding_body": {"legal_name": "School", "country": "PT"},
        "quality_assurance": {"type": {"label": {"en": "our own"}}},
        "level": {"eqf": 4},
    },
    "with skills, a key and an end": {
        "holder": {"full_name": "Specimen", "date_of_birth": "1999-12-31", "key": KEY},
        "learning_outcomes": [
            {"title": {"et": "Loeb"}, "skills": ["http://data.europa.eu/esco/skill/5fd5c985-eaaa-47aa-8314-62359c54505a"]}
        ],
        "valid_from": "2026-12-01",
        "valid_until": "2031-12-31",
    },
}


def credential(**members: Any) -> MicroCredential:
    return draft.build({**EXAMPLE, **members}, issued=NOW)


def issuance() -> Issuance:
    return Issuance(ref=new_ref(), institution=TARTU, status=LISTS, salt=new_salt())


def token_of(badge: dict[str, Any]) -> gate.Token:
    return gate.read(open_badge.sign_payload(Unsigned(orjson.dumps(badge)), TARTU, SIGNER).compact, typ="vc+jwt")


def badge_of(subject: MicroCredential) -> dict[str, Any]:
    badge: dict[str, Any] = orjson.loads(open_badge.unsigned_payload(subject, issuance()).payload)
    return badge


def test_a_badge_is_told_from_a_plain_credential_by_its_type_alone() -> None:
    assert open_badge.is_badge(open_badge.unsigned_payload(credential(), issuance()).payload)
    named = credential(title="OpenBadgeCredential", further_information='"type": ["OpenBadgeCredential"]')
    assert not open_badge.is_badge(vc_jwt.unsigned_payload(named, issuance()).payload)


@pytest.mark.parametrize("case", CASES)
def test_it_is_an_open_badge_and_reads_back_as_the_credential_that_was_written(case: str) -> None:
    subject, made = credential(**CASES[case]), issuance()
    compact = open_badge.sign_payload(open_badge.unsigned_payload(subject, made), TARTU, SIGNER).compact
    token = gate.check(compact, typ="vc+jwt", keys=lambda _: SIGNER.verification_key())
    assert [error.message for error in SCHEMA.iter_errors(orjson.loads(token.payload))] == []
    said = open_badge.read_token(token)
    assert said.award == subject
    assert (said.ref, said.institution, said.status) == (made.ref, TARTU, LISTS)


def test_the_schema_refuses_what_is_no_badge() -> None:
    badge = badge_of(credential())
    del badge["credentialSubject"]["achievement"]["criteria"]
    assert not SCHEMA.is_valid(badge)
    assert not SCHEMA.is_valid(orjson.loads(vc_jwt.unsigned_payload(credential(), issuance()).payload))


def subject(badge: dict[str, Any]) -> dict[str, Any]:
    inner: dict[str, Any] = badge["credentialSubject"]
    return inner


@pytest.mark.parametrize(
    "change",
    [
        lambda badge: badge.update(name="Doctor of Philosophy"),
        lambda badge: subject(badge).update(creditsEarned=180),
        lambda badge: subject(badge)["achievement"].update(name="Doctor of Philosophy"),
        lambda badge: subject(badge)["achievement"]["alignment"].append(
            {"type": ["Alignment"], "targetName": "EQF level 8", "targetUrl": "http://data.europa.eu/snb/eqf/8"}
        ),
        lambda badge: badge["issuer"].update(name="Another University"),
        lambda badge: subject(badge)["identifier"].clear(),
        lambda badge: badge.update(evidence=[]),
        lambda badge: subject(badge).pop("microCredential"),
        lambda badge: badge.update(issuer="urn:testamur:demo:ee:tartu"),
        lambda badge: subject(badge)["microCredential"].update(awardingBody=7),
        lambda badge: badge.update(credentialSubject=[]),
    ],
)
def test_a_badge_that_says_another_thing_than_its_credential_is_refused(
    change: Callable[[dict[str, Any]], Any],
) -> None:
    badge = badge_of(credential())
    change(badge)
    with pytest.raises(NotOurCredential):
        open_badge.read_token(token_of(badge))


def test_who_knows_the_name_can_check_it_and_nobody_can_read_it_from_the_hash() -> None:
    first, second = (subject(badge_of(credential()))["identifier"][0] for _ in range(2))
    assert first["identityHash"] != second["identityHash"]
    assert "Specimen" not in orjson.dumps(first).decode()

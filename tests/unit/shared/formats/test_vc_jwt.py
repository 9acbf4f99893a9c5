"""Promise: a credential survives being written, signed and read; anything that is not exactly ours is refused."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credential import draft, written
from shared.credential.model import MicroCredential
from shared.errors import TestamurError
from shared.formats import vc_jwt
from shared.formats.port import Issuance, NotOurCredential, StatusEntry, new_salt
from shared.ids import InstitutionId, new_ref
from shared.jose import gate
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner, sign
from tests.shared_data import ROOT

NOW = datetime(2026, 11, 23, 20, 19, tzinfo=UTC)
SIGNER = LocalSigner.generate(Purpose.INSTITUTION)
TARTU = InstitutionId("demo", "ee", "tartu")
EXAMPLE = written.read((ROOT / "examples/data-literacy.yaml").read_bytes())
LISTS = (
    StatusEntry("revocation", "https://ee.example/status/r1", 0),
    StatusEntry("suspension", "https://ee.example/status/s1", 131_071),
)


def credential(**members: Any) -> MicroCredential:
    return draft.build({**EXAMPLE, **members}, issued=NOW)


def issuance(replaces: str | None = None) -> Issuance:
    return Issuance(ref=new_ref(), institution=TARTU, status=LISTS, salt=new_salt(), replaces=replaces)


def read_back(raw: bytes) -> gate.Token:
    return gate.check(raw, typ="vc+jwt", keys=lambda _: SIGNER.verification_key())


def token_of(change: Callable[[dict[str, Any]], Any], header: dict[str, Any] | None = None) -> gate.Token:
    document = orjson.loads(vc_jwt.unsigned_payload(credential(), issuance()).payload)
    change(document)
    whole = {"typ": "vc+jwt", "cty": "vc", "iss": TARTU.urn, **(header or {})}
    return gate.read(sign(whole, orjson.dumps(document), SIGNER), typ="vc+jwt")


def test_a_signed_credential_is_verified_and_read_as_it_was_written() -> None:
    key = {"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "B" * 43}
    subject = credential(
        holder={"given_name": "Specimen", "family_name": "Learner", "date_of_birth": "1999-12-31", "key": key},
        valid_from="2026-12-01",
        valid_until="2031-12-31",
    )
    made = issuance(replaces=new_ref())
    read = vc_jwt.read_token(read_back(vc_jwt.sign(subject, made, SIGNER)))
    assert read.award == subject
    assert (read.ref, read.institution, read.status, read.replaces) == (made.ref, TARTU, LISTS, made.replaces)
    assert read.issuer_name == {"en": "University of Tartu", "et": "Tartu Ülikool"}
    assert (read.valid_from, read.valid_until) == (subject.valid_from, subject.valid_until)


def test_without_a_stated_beginning_it_is_valid_from_its_issue() -> None:
    read = vc_jwt.read_token(read_back(vc_jwt.sign(credential(), issuance(), SIGNER)))
    assert (read.valid_from, read.valid_until, read.replaces) == (NOW, None, None)


def test_the_payload_is_a_verifiable_credential_of_the_data_model_2() -> None:
    made = issuance()
    document = orjson.loads(vc_jwt.unsigned_payload(credential(), made).payload)
    assert document["@context"][0] == "https://www.w3.org/ns/credentials/v2"
    assert document["@context"][-1] == "https://www.w3.org/ns/credentials/undefined-terms/v2"
    assert document["type"][0] == "VerifiableCredential"
    assert document["issuer"]["id"] == "urn:testamur:demo:ee:institution:tartu"
    assert document["id"] == f"urn:uuid:{made.ref}"
    assert document["credentialStatus"][1] == {
        "type": "BitstringStatusListEntry",
        "statusPurpose": "suspension",
        "statusListIndex": "131071",
        "statusListCredential": "https://ee.example/status/s1",
    }
    assert document["credentialSubject"]["givenName"] == "Specimen"
    assert "holder" not in document["credentialSubject"]["microCredential"]


def test_the_header_names_type_content_key_and_institution() -> None:
    token = gate.read(vc_jwt.sign(credential(), issuance(), SIGNER), typ="vc+jwt")
    assert token.header == {"typ": "vc+jwt", "alg": "ES256", "kid": SIGNER.kid, "cty": "vc", "iss": TARTU.urn}


def test_the_commitment_is_the_hash_of_the_signing_input_whatever_the_signature() -> None:
    made, subject = issuance(), credential()
    first, second = (gate.read(vc_jwt.sign(subject, made, SIGNER), typ="vc+jwt") for _ in range(2))
    digest = base64.urlsafe_b64encode(hashlib.sha256(first.compact.rpartition(b".")[0]).digest()).rstrip(b"=").decode()
    assert vc_jwt.commitment(first) == vc_jwt.commitment(second) == digest


def test_two_equal_credentials_have_different_commitments_by_their_salt() -> None:
    ref = new_ref()
    raws = [
        vc_jwt.sign(credential(), Issuance(ref=ref, institution=TARTU, status=LISTS, salt=new_salt()), SIGNER)
        for _ in range(2)
    ]
    assert len({vc_jwt.commitment(gate.read(raw, typ="vc+jwt")) for raw in raws}) == 2
    assert len(new_salt()) >= 16


def _set(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        *parents, last = path.split("/")
        here: Any = document
        for step in parents:
            here = here[int(step)] if step.isdigit() else here[step]
        here[last] = value

    return change


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("@context", ["https://www.w3.org/2018/credentials/v1"]),
        ("@context", ["https://www.w3.org/ns/credentials/v2"]),
        ("id", "urn:uuid:11111111-1111-1111-8111-111111111111"),
        ("type", ["VerifiableCredential"]),
        ("issuer/id", "urn:testamur:demo:pt:institution:tartu"),
        ("issuer/id", "https://evil.example"),
        ("salt", "too-short"),
        ("salt", None),
        ("surprise", 1),
        ("holder", {"fullName": "Another"}),
        ("microCredential", {}),
        ("replaces", "urn:uuid:nobody"),
        ("validFrom", 1_700_000_000),
        ("validUntil", "0001-01-01T00:00:00+14:00"),
        ("cnf", {"jwk": {"kty": "EC", "crv": "P-256", "x": "A" * 43, "d": "secret"}}),
        ("cnf", {"kid": "x"}),
        ("cnf", []),
        ("credentialSubject", []),
        ("credentialSubject/key", {}),
        ("credentialSubject/microCredential", "none"),
        ("credentialSubject/microCredential/holder", {"fullName": "Another"}),
        ("credentialSubject/microCredential/validUntil", "2031-01-01T00:00:00Z"),
        ("credentialSubject/microCredential/learning_outcomes", [{"title": {"en": "by another name"}}]),
        ("credentialSubject/microCredential/workload/ects", True),
        ("credentialSubject/microCredential/qualityAssurance", None),
        ("credentialStatus", {"type": "BitstringStatusListEntry"}),
        ("credentialStatus/0/statusListIndex", "007"),
        ("credentialStatus/0/statusListIndex", 7),
        ("credentialStatus/0/statusListIndex", "-1"),
        ("credentialStatus/0/statusPurpose", "refresh"),
    ],
)
def test_a_payload_that_is_not_exactly_ours_is_refused(path: str, value: Any) -> None:
    with pytest.raises(NotOurCredential):
        vc_jwt.read_token(token_of(_set(path, value)))


def test_a_missing_mandatory_element_is_named() -> None:
    with pytest.raises(NotOurCredential, match="qualityAssurance: it is needed here"):
        vc_jwt.read_token(
            token_of(lambda document: document["credentialSubject"]["microCredential"].pop("qualityAssurance"))
        )


@pytest.mark.parametrize("header", [{"iss": "urn:testamur:demo:pt:institution:lisbon"}, {"cty": "json"}, {"cty": None}])
def test_a_header_that_says_otherwise_than_the_payload_is_refused(header: dict[str, Any]) -> None:
    with pytest.raises(NotOurCredential):
        vc_jwt.read_token(token_of(lambda _: None, header))


@pytest.mark.parametrize("payload", [b"", b"[]", b"null", b'"text"', b"{}", b"\xff", b'{"id":1,"id":1}', b"[" * 5_000])
def test_a_payload_that_is_no_credential_is_refused(payload: bytes) -> None:
    token = gate.read(sign({"typ": "vc+jwt", "cty": "vc", "iss": TARTU.urn}, payload, SIGNER), typ="vc+jwt")
    with pytest.raises(NotOurCredential):
        vc_jwt.read_token(token)


def test_recognising_is_a_glance() -> None:
    raw = vc_jwt.sign(credential(), issuance(), SIGNER)
    assert vc_jwt.recognise(raw) and vc_jwt.recognise(raw.decode())
    for other in (b"", b"{}", b'{"payload": "a.b.c"}', raw + b"~disclosure~", raw.rpartition(b".")[0], "zürich.a.b"):
        assert not vc_jwt.recognise(other)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(
    path=st.sampled_from(
        ["issuer", "credentialStatus", "credentialSubject", "cnf", "credentialSubject/microCredential/level"]
    ),
    value=_JSON,
)
def test_any_json_in_any_place_is_read_or_refused(path: str, value: Any) -> None:
    try:
        vc_jwt.read_token(token_of(_set(path, value)))
    except TestamurError as refusal:
        assert refusal.status == 400


@given(
    title=st.dictionaries(
        st.sampled_from(["en", "et", "pt", "nb"]), st.text('aäßИ中🎓 &"\\\n', min_size=1).filter(str.strip), min_size=1
    ),
    days=st.integers(1, 20_000),
    ects=st.floats(0.5, 60).map(lambda x: round(x, 1)),
)
def test_what_is_read_is_what_was_written(title: dict[str, str], days: int, ects: float) -> None:
    subject = credential(title=title, workload={"ects": ects}, valid_until=(NOW + timedelta(days=days)).isoformat())
    token = gate.read(vc_jwt.sign(subject, issuance(), SIGNER), typ="vc+jwt")
    assert vc_jwt.read_token(token).award == subject

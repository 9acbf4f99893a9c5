"""Promise: a credential with selective disclosure is read as it was written, and its wallet's view is the same as ours."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest
from cryptography import x509

from services.cli.app import run
from shared.credential import completeness, draft, written
from shared.formats import sd_jwt_vc
from shared.formats.port import Issuance, NotOurCredential, StatusEntry, Unsigned, new_salt
from shared.ids import InstitutionId, new_ref
from shared.jose import gate, sd_jwt
from shared.jose.purpose import Purpose
from shared.jose.refusals import TokenMalformed
from shared.jose.signers import LocalSigner
from tests.shared_data import ROOT, shared_json

NOW = datetime(2026, 11, 24, 8, 30, 15, 250_000, tzinfo=UTC)
SIGNER = LocalSigner.generate(Purpose.INSTITUTION)
TARTU = InstitutionId("demo", "ee", "tartu")
EXAMPLE = written.read((ROOT / "examples/data-literacy.yaml").read_bytes())
KEY = LocalSigner.generate(Purpose.HOLDER)
HOLDER = {
    "full_name": "Specimen Learner",
    "date_of_birth": "1999-12-31",
    "key": {name: KEY.public_jwk[name] for name in ("kty", "crv", "x", "y")},
}


def made(**members: Any) -> tuple[Any, Unsigned]:
    subject = draft.build({**EXAMPLE, "holder": HOLDER, **members}, issued=NOW)
    status = (StatusEntry("revocation", "https://ee.example/status/1", 9),)
    issuance = Issuance(ref=new_ref(), institution=TARTU, status=status, salt=new_salt(), replaces=new_ref())
    return subject, sd_jwt_vc.unsigned_payload(subject, issuance)


def serialized(unsigned: Unsigned) -> bytes:
    return sd_jwt_vc.serialize(unsigned, sd_jwt_vc.sign_payload(unsigned, TARTU, SIGNER))


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"valid_from": "2026-12-01", "valid_until": "2031-12-31"},
        {"assessment": {"type": "project work"}},
        {"level": {"reason": "no level was agreed"}},
        {"holder": {"given_name": "Specimen", "family_name": "Learner"}},
    ],
)
def test_with_everything_shown_it_is_read_as_it_was_written(members: dict[str, Any]) -> None:
    subject, unsigned = made(**members)
    reading = sd_jwt_vc.read(serialized(unsigned))
    said = reading.credential
    gate.verify(reading.token, SIGNER.verification_key())
    assert said.award.model_dump() == subject.model_dump()
    assert (said.institution, len(said.status), said.replaces is None) == (TARTU, 1, False)


def test_the_issuers_part_holds_nothing_personal_and_as_many_digests_for_everybody() -> None:
    counts = set()
    for holder in (HOLDER, {"given_name": "Specimen", "family_name": "Learner", "date_of_birth": "1999-12-31"}):
        _, unsigned = made(holder=holder)
        for word in (b"Specimen", b"Learner", b"1999-12-31", b"Pass"):
            assert word not in unsigned.payload.replace(b"Pass or fail", b"")
        counts.add(len(orjson.loads(unsigned.payload)["holder"]["_sd"]))
    assert counts == {sd_jwt_vc.DIGESTS}


def test_without_a_name_the_report_says_not_shown() -> None:
    _, unsigned = made()
    said = sd_jwt_vc.read(serialized(unsigned._replace(disclosures=()))).credential
    assert [one.status for one in completeness.report(said.award)][:2] == ["not-shown", "present"]


def test_the_header_carries_a_certificate_of_the_same_key() -> None:
    _, unsigned = made()
    token = sd_jwt_vc.sign_payload(unsigned, TARTU, SIGNER)
    certificate = x509.load_der_x509_certificate(base64.b64decode(token.header["x5c"][0]))
    assert certificate.public_key() == SIGNER.verification_key().public
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [TARTU.urn]
    certificate.verify_directly_issued_by(certificate)


def test_the_type_metadata_has_the_form_of_the_standard_and_is_what_the_credential_hashes() -> None:
    schema = shared_json("vectors", "oid4vc-json-schemas", "sdjwtvc", "type_metadata.json")
    assert [error.message for error in jsonschema_rs.validator_for(schema).iter_errors(sd_jwt_vc.type_metadata())] == []
    _, unsigned = made()
    assert orjson.loads(unsigned.payload)["vct#integrity"] == sd_jwt_vc.INTEGRITY


def change(unsigned: Unsigned, how: Callable[[dict[str, Any]], Any]) -> bytes:
    document = orjson.loads(unsigned.payload)
    how(document)
    return serialized(unsigned._replace(payload=orjson.dumps(document)))


@pytest.mark.parametrize(
    "how",
    [
        lambda document: document.update(vct="https://example.org/diploma"),
        lambda document: document.update(iat=1),
        lambda document: document.update(exp=1),
        lambda document: document.update(iss="urn:testamur:demo:ee:tallinn"),
        lambda document: document.update(holder=7),
        lambda document: document["holder"].update(key="x"),
        lambda document: document["microCredential"].update(holder={}),
        lambda document: document["microCredential"].update(validFrom="2020-01-01T00:00:00Z"),
        lambda document: document.pop("salt"),
        lambda document: document.update(more=1),
        lambda document: document.update(cnf=[]),
    ],
)
def test_a_payload_that_is_not_exactly_ours_is_refused(how: Callable[[dict[str, Any]], Any]) -> None:
    _, unsigned = made()
    with pytest.raises((NotOurCredential, TokenMalformed)):
        sd_jwt_vc.read(change(unsigned, how))


def test_a_name_cannot_be_slipped_in_where_it_is_not_concealed() -> None:
    _, unsigned = made()
    other = sd_jwt.conceal("fullName", "Somebody Else")
    with pytest.raises(TokenMalformed):
        sd_jwt_vc.read(serialized(unsigned._replace(disclosures=(*unsigned.disclosures, other))))


def test_the_command_line_shows_what_is_chosen_and_binds_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, key = tmp_path / "credential.sdjwt", tmp_path / "key.jwk"
    file.write_bytes(serialized(made()[1]) + b"\n")
    key.write_bytes(orjson.dumps(KEY.private_jwk()))
    options = ["--key", str(key), "--nonce", "n", "--audience", "https://lisbon.example"]
    assert run(["present", str(file), "--show", "fullName", *options]) == 0
    presented = capsys.readouterr().out.strip()
    reading = sd_jwt_vc.read(presented)
    said = reading.credential
    assert (said.award.holder.full_name, said.award.holder.date_of_birth) == ("Specimen Learner", None)
    assert reading.presentation and reading.presentation.binding is not None
    assert run(["present", str(file), "--show", "shoeSize"]) == 1
    assert run(["present", str(file), "--nonce", "n"]) == 1
    assert "dateOfBirth" in capsys.readouterr().err

"""Promise: every format that is registered writes what it reads back, under its own name and commitment."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from shared.credential import draft, written
from shared.formats import registry
from shared.formats.port import Format, Issuance, NotOurCredential, StatusEntry, new_salt
from shared.ids import InstitutionId, new_ref
from shared.jose import gate
from shared.jose.purpose import CREDENTIAL as CREDENTIAL_TYPE
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner, sign
from shared.jose.token import TokenMalformed
from tests.shared_data import ROOT

SIGNER = LocalSigner.generate(Purpose.INSTITUTION)
TARTU = InstitutionId("demo", "ee", "tartu")
NOW = datetime(2026, 11, 24, tzinfo=UTC)
CREDENTIAL = draft.build(written.read((ROOT / "examples/data-literacy.yaml").read_bytes()), issued=NOW)
EVERY_FORMAT = pytest.mark.parametrize("form", registry.FORMATS.values(), ids=list(registry.FORMATS))


def issuance() -> Issuance:
    status = (StatusEntry("revocation", "https://ee.example/status/1", 9),)
    return Issuance(ref=new_ref(), institution=TARTU, status=status, salt=new_salt(), replaces=new_ref())


@EVERY_FORMAT
def test_what_a_format_writes_is_recognised_verified_and_read_back_the_same(form: Format) -> None:
    made = issuance()
    unsigned = form.unsigned_payload(CREDENTIAL, made)
    token = form.sign_payload(unsigned, TARTU, SIGNER)
    raw = form.serialize(unsigned, token)
    assert form.recognise(raw) and form.recognise(raw.decode())
    name = registry.recognise(raw)
    assert name is not None
    reading = registry.read(raw, name)
    assert reading == form.read(raw)
    gate.verify(reading.token, SIGNER.verification_key())
    assert (reading.format, reading.commitment) == (form.NAME, form.commitment(token))
    assert reading.credential.award.model_dump() == CREDENTIAL.model_dump()
    read = reading.credential
    assert (read.ref, read.institution, read.status, read.replaces) == (made.ref, TARTU, made.status, made.replaces)


@EVERY_FORMAT
def test_two_issuances_of_one_credential_differ_in_their_commitments(form: Format) -> None:
    tokens = [form.sign_payload(form.unsigned_payload(CREDENTIAL, issuance()), TARTU, SIGNER) for _ in range(2)]
    assert len({form.commitment(token) for token in tokens}) == 2


@EVERY_FORMAT
def test_a_format_refuses_the_credential_of_every_other_one_and_what_is_none(form: Format) -> None:
    others = [one for one in registry.FORMATS.values() if one is not form]
    for other in others:
        unsigned = other.unsigned_payload(CREDENTIAL, issuance())
        with pytest.raises((NotOurCredential, TokenMalformed)):
            form.read(other.serialize(unsigned, other.sign_payload(unsigned, TARTU, SIGNER)))
    for raw in (b"", b"{}", sign({"typ": CREDENTIAL_TYPE}, b"{}", SIGNER)):
        with pytest.raises((NotOurCredential, TokenMalformed)):
            form.read(raw)


def test_what_no_format_looks_like_is_not_recognised() -> None:
    assert [registry.recognise(raw) for raw in (b"", "credential", b"{}", b"eyJ.b")] == [None] * 4

"""Promise: the European Commission's own sealed credentials are read, verified, and told what they lack."""

from __future__ import annotations

import base64
import json
import random
from datetime import UTC, datetime

import pytest

from shared.seals import jades
from shared.verification.sealed.verify import verify_seal
from shared.verification.verdict import Outcome, Verdict
from tests.shared_data import shared_file

NAMES = ("Sample-MC-Annex1-signed.jsonld", "Sample-CertOfPart-signed.jsonld")
NOW = datetime(2026, 11, 24, tzinfo=UTC)
THEN = datetime(2023, 10, 1, tzinfo=UTC)


def sample(name: str) -> bytes:
    return shared_file("samples", "europass-elm-v3", name).read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_the_seal_and_its_three_timestamps_hold(name: str) -> None:
    seal = jades.read(sample(name))
    assert seal.intact
    assert [(stamp.kind, stamp.fault) for stamp in seal.timestamps] == [
        ("content", None),
        ("signature", None),
        ("archive", None),
    ]
    assert seal.unchecked == ("xVals", "rVals")
    assert seal.certificate is not None
    assert (seal.certificate.country, seal.certificate.organisation) == ("ES", "ORGANIZACION TEST")


def test_the_annex_1_sample_lacks_quality_assurance_and_has_roles_in_different_countries() -> None:
    report = verify_seal(sample(NAMES[0]), THEN)
    assert report.verdict is Verdict.INDETERMINATE
    assert report.checks[8].evidence["missing"] == [11]
    assert report.checks[7].reason == "roles-differ"
    assert report.checks[7].evidence["awarding_bodies"][0]["country"] == "IE"
    assert report.checks[9].evidence["rules"] == ["nqf-country"]
    assert [report.checks[number].outcome for number in (1, 2, 6, 10)] == [Outcome.PASSED] * 4


def test_a_certificate_of_participation_is_no_micro_credential() -> None:
    report = verify_seal(sample(NAMES[1]), THEN)
    assert report.checks[8].reason == "not-a-micro-credential"


def test_the_sealing_certificate_has_ended_since_and_no_listed_authority_proves_the_time() -> None:
    report = verify_seal(sample(NAMES[0]), NOW)
    assert (report.checks[2].outcome, report.checks[2].reason) == (Outcome.UNKNOWN, "certificate-not-valid-then")


@pytest.mark.parametrize("name", NAMES)
def test_one_changed_character_anywhere_in_what_was_sealed_is_found(name: str) -> None:
    file = json.loads(sample(name))
    chance = random.Random(7)
    payload, protected = file["payload"], file["signatures"][0]["protected"]
    for _ in range(25):
        place = chance.randrange(len(payload))
        changed = payload[:place] + ("#" if payload[place] != "#" else "+") + payload[place + 1 :]
        assert not _intact(json.dumps({**file, "payload": changed}).encode())
        place = chance.randrange(len(protected))
        other = protected[:place] + ("A" if protected[place] != "A" else "B") + protected[place + 1 :]
        entry = {**file["signatures"][0], "protected": other}
        assert not _intact(json.dumps({**file, "signatures": [entry]}).encode())


def _intact(raw: bytes) -> bool:
    report = verify_seal(raw, THEN)
    return len(report.checks) > 1 and report.checks[1].outcome is Outcome.PASSED


def test_a_timestamp_is_for_these_bytes_and_no_others() -> None:
    first, second = (json.loads(sample(name)) for name in NAMES)
    theirs = second["signatures"][0]["header"]["etsiU"][0]
    first["signatures"][0]["header"]["etsiU"][0] = theirs
    faults = {stamp.kind: stamp.fault for stamp in jades.read(json.dumps(first).encode()).timestamps}
    assert faults == {
        "content": None,
        "signature": "timestamp-of-other-bytes",
        "archive": "timestamp-of-other-bytes",
    }


def test_a_bit_turned_over_in_a_timestamp_never_makes_it_another_time() -> None:
    file = json.loads(sample(NAMES[0]))
    signed = file["payload"].encode()
    header = json.loads(base64.urlsafe_b64decode(file["signatures"][0]["protected"] + "=="))
    token = base64.b64decode(header["adoTst"]["tstTokens"][0]["val"])
    good = jades.timestamps.check("content", base64.b64encode(token).decode(), signed)
    chance = random.Random(3)
    for _ in range(200):
        bad = bytearray(token)
        bad[chance.randrange(len(bad))] ^= 1 << chance.randrange(8)
        found = jades.timestamps.check("content", base64.b64encode(bad).decode(), signed)
        assert found.fault is not None or found.time == good.time

"""Promise: of a sealed Europass file is said what can be shown, and nothing that was not shown is ever called valid."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.credential import draft, written
from shared.formats.elm import export as elm_export
from shared.jose.token import encode
from shared.seals import jades, trusted_list
from shared.seals.specimen import identity
from shared.verification.sealed.verify import SealReport, verify_seal
from shared.verification.verdict import Outcome, Verdict
from tests import sealing
from tests.sealing import BEGIN, END, QC, authority, sealer
from tests.shared_data import ROOT

NOW = datetime(2026, 11, 24, tzinfo=UTC)
REF = "7d9f7e4c-9c3d-4a0a-8f1e-2b1d0a6f3c55"
EXAMPLE = draft.build(written.read((ROOT / "examples/data-literacy.yaml").read_bytes()), issued=NOW)


def document(**members: Any) -> str:
    return json.dumps({**elm_export.to_elm(EXAMPLE, REF, BEGIN), **members}, ensure_ascii=False)


def sealed(payload: str | None = None, **options: Any) -> bytes:
    return sealing.seal(document() if payload is None else payload, options.pop("by", sealer()), **options)


def lists(status: str = "granted", kind: str = QC, since: datetime = BEGIN, **more: Any) -> list[trusted_list.TrustedList]:
    return [trusted_list.read(sealing.trusted_list((authority(), kind, status, since), **more))]


def found(report: SealReport, number: int) -> tuple[Outcome, str | None]:
    check = report.checks[number]
    return check.outcome, check.reason


def test_an_intact_seal_by_a_listed_issuer_passes_everything_but_what_needs_the_network() -> None:
    report = verify_seal(sealed(), NOW, lists())
    assert [check.number for check in report.checks if check.outcome is Outcome.UNKNOWN] == [4]
    assert (report.verdict, report.deciding and report.deciding.reason) == (Verdict.INDETERMINATE, "revocation-not-checked")
    assert [found(report, number)[0] for number in (1, 2, 3, 6, 7, 8, 10)] == [Outcome.PASSED] * 7
    assert report.checks[3].evidence["list_signatures"].startswith("not checked")


def test_the_report_names_the_three_roles_and_nothing_of_the_learner() -> None:
    said = json.dumps(verify_seal(sealed(), NOW).to_dict())
    assert "Specimen University" in said
    assert "University of Tartu" in said
    assert "Learner" not in said


def test_without_a_trusted_list_nobody_vouches() -> None:
    report = verify_seal(sealed(), NOW)
    assert found(report, 3) == (Outcome.UNKNOWN, "no-trusted-list")
    assert report.verdict is Verdict.INDETERMINATE


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"status": "withdrawn"}, "not-granted"),
        ({"kind": "http://uri.etsi.org/TrstSvc/Svctype/TSA/QTST"}, "not-listed"),
        ({"since": datetime(2027, 1, 1, tzinfo=UTC)}, "not-listed"),
        ({"next_update": datetime(2026, 11, 1, tzinfo=UTC)}, "trusted-list-expired"),
    ],
)
def test_a_list_that_does_not_vouch_now_does_not_vouch(given: dict[str, Any], reason: str) -> None:
    assert found(verify_seal(sealed(), NOW, lists(**given)), 3) == (Outcome.UNKNOWN, reason)


def test_a_stranger_with_the_name_of_a_listed_issuer_is_not_listed() -> None:
    stranger = identity("Specimen University", "EE", identity("Specimen CA", "EE", None, BEGIN, END), BEGIN, END)
    assert found(verify_seal(sealed(by=stranger), NOW, lists()), 3) == (Outcome.UNKNOWN, "not-listed")


def test_a_certificate_that_has_ended_vouches_for_nothing_unless_the_time_is_proven() -> None:
    ended = sealer(datetime(2026, 6, 1, tzinfo=UTC))
    assert found(verify_seal(sealed(by=ended), NOW, lists()), 2) == (Outcome.UNKNOWN, "certificate-not-valid-then")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda file: file.update(payload=file["payload"].replace("Tartu", "Tortu", 1)), "seal-broken"),
        (lambda file: file["signatures"][0].update(signature=encode(b"\x01" * 256).decode()), "seal-broken"),
        (lambda file: file["signatures"][0].update(signature="%%%"), "seal-broken"),
    ],
)
def test_a_changed_file_is_invalid(change: Callable[[dict[str, Any]], Any], reason: str) -> None:
    file = json.loads(sealed())
    change(file)
    report = verify_seal(json.dumps(file).encode(), NOW, lists())
    assert (report.verdict, found(report, 1)) == (Verdict.INVALID, (Outcome.FAILED, reason))


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"alg": "none"}, "seal-not-understood"),
        ({"alg": "HS256"}, "seal-not-understood"),
        ({"alg": {"a": 1}}, "seal-not-understood"),
        ({"alg": ["RS256"]}, "seal-not-understood"),
        ({"crit": ["b64", "sigT", "exp"], "exp": 1}, "seal-not-understood"),
        ({"crit": ["b64", "sigD"]}, "seal-malformed"),
        ({"crit": ["sigT"]}, "seal-not-understood"),
        ({"crit": 7}, "seal-malformed"),
        ({"x5c": []}, "certificate-missing"),
        ({"x5c": ["MIIB"]}, "certificate-unreadable"),
        ({"x5c": [7]}, "certificate-unreadable"),
        ({"x5c": ["AA=="] * 11}, "certificate-missing"),
    ],
)
def test_a_seal_that_is_not_understood_is_not_taken_for_one_that_holds(header: dict[str, Any], reason: str) -> None:
    report = verify_seal(sealed(header=header), NOW, lists())
    assert found(report, 1) == (Outcome.UNKNOWN, reason)
    assert report.verdict is Verdict.INDETERMINATE


@pytest.mark.parametrize("written", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "soon", 7, None, {}])
def test_a_time_of_sealing_beyond_the_calendar_is_none(written: Any) -> None:
    report = verify_seal(sealed(header={"sigT": written, "crit": ["b64"]}), NOW)
    assert report.checks[1].evidence["claimed_time"] is None


def test_a_certificate_with_an_extension_twice_is_reported_without_falling_over() -> None:
    identifier, constraints = b"\x06\x03\x55\x1d\x0e", b"\x06\x03\x55\x1d\x13"  # subject key identifier, basic constraints
    assert sealer().der.count(identifier) == sealer().der.count(constraints) == 1
    x5c = [sealing.base64.b64encode(sealer().der.replace(identifier, constraints)).decode()]
    report = verify_seal(sealed(header={"x5c": x5c, "x5t#S256": None}), NOW, lists())
    assert report.checks[2].evidence["says_it_is_for_seals"] is False
    assert report.checks[3].outcome is Outcome.UNKNOWN


def test_a_certificate_put_in_the_place_of_another_is_found() -> None:
    other = identity("Another University", "EE", authority(), BEGIN, END)
    x5c = [sealing.base64.b64encode(other.der).decode()]
    assert found(verify_seal(sealed(header={"x5c": x5c}), NOW), 1) == (Outcome.FAILED, "certificate-differs")
    assert found(verify_seal(sealed(header={"x5c": x5c, "x5t#S256": None}), NOW), 1) == (Outcome.FAILED, "seal-broken")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"[]",
        b'{"payload": "x", "payload": "y", "signatures": []}',
        b'{"payload": "x", "signatures": [{}, {}]}',
        b'{"payload": 7, "signatures": [{"protected": "e30", "signature": ""}]}',
        b'{"payload": "x", "signatures": ' + b"[" * 2000 + b"]" * 2000 + b"}",
        b'{"payload": "' + b"a" * 1_100_000 + b'", "signatures": [{}]}',
        b"\xff\xfe",
    ],
)
def test_what_is_no_sealed_file_is_said_to_be_unreadable(raw: bytes) -> None:
    report = verify_seal(raw, NOW)
    assert (report.verdict, report.deciding and report.deciding.reason) == (Verdict.INVALID, "malformed")


@pytest.mark.parametrize("payload", ["", "7", "[]", "{}", '{"type": "VerifiableCredential"}', '{"a": 1, "a": 2}', "x" * 9])
def test_something_else_under_a_good_seal_is_no_credential(payload: str) -> None:
    assert verify_seal(sealed(payload), NOW, lists()).verdict is Verdict.INVALID


@pytest.mark.parametrize(
    "members",
    [
        {"credentialSubject": 7},
        {"credentialSubject": {"hasClaim": [7, {"type": 9}]}},
        {"issuer": "urn:x"},
        {"validFrom": "yesterday"},
        {"validFrom": "0001-01-01T00:00:00+14:00", "validUntil": "9999-12-31T23:59:59-14:00"},
        {"issuer": {"legalName": ["x"], "location": [[]]}},
    ],
)
def test_a_strange_document_under_a_good_seal_is_reported_without_falling_over(members: dict[str, Any]) -> None:
    report = verify_seal(sealed(document(**members)), NOW, lists())
    assert report.verdict is Verdict.INDETERMINATE
    assert json.dumps(report.to_dict())


def test_an_end_that_has_passed_makes_it_invalid() -> None:
    report = verify_seal(sealed(document(validUntil="2026-11-01T00:00:00Z")), NOW, lists())
    assert (report.verdict, found(report, 6)) == (Verdict.INVALID, (Outcome.FAILED, "expired"))


def test_a_member_that_readers_would_drop_is_told() -> None:
    report = verify_seal(sealed(document(honours="summa cum laude")), NOW)
    assert found(report, 10) == (Outcome.WARNING, "not-as-modelled")
    assert "summa" not in json.dumps(report.to_dict())


def test_a_broken_timestamp_is_told_and_proves_no_time() -> None:
    stamp = encode(json.dumps({"sigTst": {"tstTokens": [{"val": "MIIB"}, {"val": 7}]}}).encode()).decode()
    report = verify_seal(sealed(unsigned=[stamp]), NOW, lists())
    assert found(report, 5) == (Outcome.WARNING, "timestamp-broken")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<a/>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b"<TrustServiceStatusList xmlns='http://uri.etsi.org/02231/v2#'/>",
        sealing.trusted_list().replace(b"EE", b"<x/>"),
    ],
)
def test_what_is_no_trusted_list_is_refused(raw: bytes) -> None:
    with pytest.raises(trusted_list.TrustedListUnreadable):
        trusted_list.read(raw)


def test_a_service_counts_by_what_it_was_at_the_time() -> None:
    past = f"""<ServiceHistory><ServiceHistoryInstance><ServiceTypeIdentifier>{QC}</ServiceTypeIdentifier>
    <ServiceStatus>{sealing.STATUS}/granted</ServiceStatus><StatusStartingTime>2026-02-01T00:00:00Z</StatusStartingTime>
    </ServiceHistoryInstance></ServiceHistory>"""
    given = lists("withdrawn", since=datetime(2026, 10, 1, tzinfo=UTC), history=past)
    leaf = verify_seal(sealed(), NOW).sealed
    assert leaf is not None and leaf.seal.certificate is not None
    states = {
        month: (listed.granted if (listed := trusted_list.find(given, leaf.seal.certificate, QC, moment, NOW)) else None)
        for month in (1, 3, 11)
        if (moment := datetime(2026, month, 15, tzinfo=UTC))
    }
    assert states == {1: None, 3: True, 11: False}


def test_a_large_picture_is_no_fault_and_too_large_a_file_is_told_its_limit() -> None:
    def pictured(size: int) -> bytes:
        content = {"id": "urn:epass:mediaObject:9", "type": "MediaObject", "content": "A" * size}
        return sealed(document(displayParameter={"id": "urn:x:1", "type": "DisplayParameter", "background": content}))

    assert found(verify_seal(pictured(400_000), NOW), 1) == (Outcome.PASSED, None)
    refused = verify_seal(pictured(jades.LARGEST_BYTES), NOW)
    assert refused.verdict is Verdict.INVALID
    assert "pictures" in refused.checks[0].detail

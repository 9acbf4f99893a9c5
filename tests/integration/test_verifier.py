"""The verifier answers from its own replica: what it knows, how old that is, and never more than it knows."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from services.verifier import repository
from services.verifier.views import ReportView, SealReportView
from shared.clock import rfc3339
from shared.events.status import CredentialSuspended
from shared.ids import new_ref
from shared.inbox.dead_letters import PARKED
from shared.log.archive import LOG
from shared.log.outbox import AUDIT, OUTBOX
from shared.verification.presented import recognise
from shared.verification.verdict import STEPS
from tests import forge
from tests.sealing import sealed_example
from tests.world import Nation, World, federate, found, running, world


@pytest.fixture
async def europe() -> AsyncIterator[World]:
    async with world("ee", "pt") as made:
        await made["ee"].accredits("tartu")
        yield made


async def issued(europe: World) -> tuple[str, str]:
    """A credential of Tartu, registered and known in both nations: its signed form and its ref."""
    credential = await europe["ee"].issues("tartu")
    await europe.mirrors("ee", "pt")
    ref = recognise(credential).ref
    assert ref is not None
    return credential, ref


async def verdicts(europe: World, credential: str, **asked: Any) -> list[tuple[str, str | None]]:
    """Verdict and reason at home and abroad."""
    reports = [await europe[name].verifies(credential, **asked) for name in ("ee", "pt")]
    return [(report["verdict"], report["reason"]) for report in reports]


async def test_a_registered_credential_is_valid_at_home_and_abroad_by_eleven_steps(europe: World) -> None:
    credential, ref = await issued(europe)
    for name in ("ee", "pt"):
        report = await europe[name].verifies(credential, country="EE")
        assert (report["verdict"], report["reason"], report["credential"]["ref"]) == ("valid", None, ref)
        assert [step["name"] for step in report["steps"]] == list(STEPS)
        assert (report["as_of"]["node"], report["as_of"]["answered_by"]) == ("ee", name)
        assert report["issuer"]["accredited_by"] == "ee"


async def test_a_report_has_the_documented_shape_and_nothing_of_the_learner(europe: World) -> None:
    credential, _ = await issued(europe)
    answer = await europe["pt"].ask("verifier", "POST", "/verifications", {"credential": credential})
    ReportView.model_validate_json(answer.content)
    assert "Specimen" not in answer.text
    assert "Learner" not in answer.text


async def test_a_revoked_credential_no_longer_verifies(europe: World) -> None:
    credential, ref = await issued(europe)
    await europe["ee"].revokes(ref)
    await europe.mirrors("ee", "pt")
    assert await verdicts(europe, credential) == [("invalid", "revoked")] * 2


async def test_a_revocation_counts_abroad_even_when_that_nation_has_been_silent_since(europe: World) -> None:
    credential, ref = await issued(europe)
    await europe["ee"].revokes(ref)
    await europe.mirrors("ee", "pt")
    europe["pt"].clock.shift += timedelta(days=1)
    report = await europe["pt"].verifies(credential)
    assert (report["verdict"], report["reason"]) == ("invalid", "revoked")


async def test_the_past_can_be_asked_for(europe: World) -> None:
    credential, ref = await issued(europe)
    before = europe["ee"].clock.now()
    europe["ee"].clock.shift += timedelta(seconds=5)
    europe["pt"].clock.shift += timedelta(seconds=5)
    await europe["ee"].revokes(ref)
    await europe.mirrors("ee", "pt")
    assert await verdicts(europe, credential, as_of=rfc3339(before)) == [("valid", None)] * 2
    assert await verdicts(europe, credential, known_at=rfc3339(europe["ee"].clock.now())) == [("invalid", "revoked")] * 2
    known = (await europe["pt"].verifies(credential, known_at=rfc3339(before)))["steps"][6]
    assert known["reason"] != "revoked"


async def test_a_report_by_earlier_knowledge_or_of_another_moment_says_so(europe: World) -> None:
    credential, ref = await issued(europe)
    pt = europe["pt"]
    pt.clock.shift += timedelta(seconds=5)
    then = rfc3339(pt.clock.now())
    pt.clock.shift += timedelta(seconds=5)
    await europe["ee"].revokes(ref)
    await europe.mirrors("ee", "pt")
    earlier = await pt.verifies(credential, known_at=then)
    assert (earlier["verdict"], earlier["as_of"]["known_at"], earlier["as_of"]["moment_asked"]) == ("valid", then, False)
    assert f"By what was known here at {then}" in earlier["detail"]
    past = await pt.verifies(credential, as_of=then)
    assert (past["as_of"]["known_at"], past["as_of"]["moment"], past["as_of"]["moment_asked"]) == (None, then, True)
    assert f"As of {then}" in past["detail"]
    now = await pt.verifies(credential)
    assert (now["as_of"]["known_at"], now["as_of"]["moment_asked"]) == (None, False)
    assert now["detail"] == "It was revoked."


async def test_earlier_knowledge_is_not_valid_where_it_was_stale_then() -> None:
    async with world("ee", "pt", max_age=600) as europe:
        await europe["ee"].accredits("tartu")
        credential, ref = await issued(europe)
        ee, pt = europe["ee"], europe["pt"]
        fresh = pt.clock.now()
        await ee.revokes(ref)
        ee.clock.shift = pt.clock.shift = timedelta(hours=2)
        silent = pt.clock.now()
        assert (await pt.verifies(credential))["reason"] == "stale"
        ee.clock.shift = pt.clock.shift = timedelta(hours=2, minutes=1)
        await ee.accredits("tallinn")
        await europe.mirrors("ee", "pt")
        asked = {
            moment: await pt.verifies(credential, known_at=rfc3339(moment)) for moment in (fresh, silent, pt.clock.now())
        }
        found = [(report["verdict"], report["reason"]) for report in asked.values()]
        assert found == [("valid", None), ("indeterminate", "stale-then"), ("invalid", "revoked")]


async def test_a_suspension_and_its_end_are_seen_abroad(europe: World) -> None:
    credential, ref = await issued(europe)
    await europe["ee"].must("registry", "POST", f"/credentials/{ref}/suspend", {"reason": "unspecified"})
    await europe["ee"].settles()
    await europe.mirrors("ee", "pt")
    assert await verdicts(europe, credential) == [("indeterminate", "suspended")] * 2
    await europe["ee"].must("registry", "POST", f"/credentials/{ref}/reinstate", {})
    await europe["ee"].settles()
    await europe.mirrors("ee", "pt")
    assert await verdicts(europe, credential) == [("valid", None)] * 2


async def test_what_is_known_of_a_silent_nation_becomes_stale(europe: World) -> None:
    credential, _ = await issued(europe)
    europe["pt"].clock.shift += timedelta(hours=1)
    report = await europe["pt"].verifies(credential)
    assert (report["verdict"], report["reason"]) == ("indeterminate", "stale")
    assert report["as_of"]["age_seconds"] > 3_500


async def test_a_credential_whose_registration_has_not_arrived_is_indeterminate(europe: World) -> None:
    await issued(europe)
    credential = await europe["ee"].issues("tartu")
    report = await europe["pt"].verifies(credential)
    assert (report["verdict"], report["reason"]) == ("indeterminate", "not-registered")


async def test_one_changed_byte_is_noticed(europe: World) -> None:
    credential, _ = await issued(europe)
    head, payload, signature = credential.split(".")
    torn = f"{head}.{payload}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
    assert await verdicts(europe, torn) == [("invalid", "signature-invalid")] * 2


async def test_a_nation_that_nobody_knows_is_indeterminate(europe: World) -> None:
    async with world("fi") as elsewhere:
        await elsewhere["fi"].accredits("helsinki")
        credential = await elsewhere["fi"].issues("helsinki")
    assert await verdicts(europe, credential) == [("indeterminate", "unknown-nation")] * 2


async def test_an_institution_accredited_later_is_known_without_a_restart(europe: World) -> None:
    first, _ = await issued(europe)
    assert await verdicts(europe, first) == [("valid", None)] * 2
    await europe["ee"].accredits("tallinn")
    second = await europe["ee"].issues("tallinn")
    await europe.mirrors("ee", "pt")
    assert await verdicts(europe, second) == [("valid", None)] * 2


async def test_a_withdrawn_accreditation_leaves_what_was_registered_before(europe: World) -> None:
    credential, _ = await issued(europe)
    assert await verdicts(europe, credential) == [("valid", None)] * 2
    accreditation = europe["ee"].institutions["tartu"]["accreditations"][0]["accreditation"]
    await europe["ee"].must("registry", "POST", f"/institutions/tartu/accreditations/{accreditation}/withdraw", {})
    await europe["ee"].settles()
    await europe.mirrors("ee", "pt")
    assert await verdicts(europe, credential) == [("valid", None)] * 2


async def _claims_twice(europe: World) -> tuple[str, str]:
    """Estonia's and Portugal's University of Tartu go by one identifier; a credential of each, known in both nations."""
    ee, pt = europe["ee"], europe["pt"]
    await ee.accredits("tartu", {"eter": "EE0001"})
    genuine = await ee.issues("tartu")
    await europe.mirrors("ee", "pt")
    assert [(await nation.verifies(genuine))["verdict"] for nation in (ee, pt)] == ["valid", "valid"]
    await pt.accredits("tartu", {"eter": "ee 0001"})
    other = await pt.issues("tartu")
    await europe.mirrors("pt", "ee")
    return genuine, other


async def test_an_identifier_that_two_nations_claim_makes_both_indeterminate_until_one_lets_it_go() -> None:
    async with world("ee", "pt") as europe:
        ee, pt = europe["ee"], europe["pt"]
        genuine, other = await _claims_twice(europe)
        found = [await nation.verifies(one) for nation in (ee, pt) for one in (genuine, other)]
        assert {(one["verdict"], one["reason"]) for one in found} == {("indeterminate", "identifier-contested")}
        assert {tuple(one["steps"][4]["evidence"]["claimed_by"]) for one in found} == {("ee", "pt")}
        gone = pt.institutions["tartu"]["accreditations"][0]["accreditation"]
        await pt.must("registry", "POST", f"/institutions/tartu/accreditations/{gone}/withdraw")
        await pt.settles()
        await europe.mirrors("pt", "ee")
        assert [(await nation.verifies(genuine))["verdict"] for nation in (ee, pt)] == ["valid", "valid"]


async def test_a_node_decides_whose_claim_stands_and_the_other_stays_indeterminate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESTAMUR_VERIFIER_IDENTIFIERS", '{"eter:EE0001": "ee"}')
    async with world("ee", "pt") as europe:
        genuine, other = await _claims_twice(europe)
        found = [await europe[name].verifies(one) for name in ("ee", "pt") for one in (genuine, other)]
        assert [one["reason"] for one in found] == [None, "identifier-contested"] * 2


async def test_an_event_not_understood_makes_its_credential_indeterminate_and_no_other(europe: World) -> None:
    credential, ref = await issued(europe)
    other, _ = await issued(europe)
    event = CredentialSuspended(ref=ref, version=1, effective=europe["ee"].clock.now())
    entry = await forge.rogue(europe["ee"], event, kind="credential.frozen.v1")
    await europe["pt"].hears("testamur.ee.status.v1", [forge.message(entry)])
    assert await europe["pt"].engine("verifier").store.count(PARKED) == 1
    report = await europe["pt"].verifies(credential)
    assert (report["verdict"], report["reason"]) == ("indeterminate", "parked")
    assert (await europe["pt"].verifies(other))["verdict"] == "valid"


async def test_a_question_leaves_nothing_behind(europe: World) -> None:
    credential, _ = await issued(europe)
    before = await everything(europe["pt"])
    await europe["pt"].verifies(credential)
    assert await everything(europe["pt"]) == before


async def everything(nation: Nation) -> list[Any]:
    """All that a verifier's store holds of facts, log, audit and what it says."""
    store = nation.engine("verifier").store
    collections = (*repository.COLLECTIONS, AUDIT, OUTBOX)
    foreign = await store.scan(LOG, prefix="testamur.ee.")
    return [foreign, *[await store.scan(collection) for collection in collections]]


async def test_a_verifier_that_starts_again_knows_what_it_knew(tmp_path: Any) -> None:
    homes = [found(tmp_path / name, name) for name in ("ee", "pt")]
    federate(homes)
    async with running(homes[0]) as ee:
        async with running(homes[1]) as pt:
            europe = World({"ee": ee, "pt": pt}, homes[0])
            await ee.accredits("tartu")
            credential, _ = await issued(europe)
            first = await pt.verifies(credential)
        async with running(homes[1]) as pt:
            again = await pt.verifies(credential)
    assert first["verdict"] == again["verdict"] == "valid"
    assert first["as_of"]["registrations"] == again["as_of"]["registrations"] == 1


async def test_the_bare_credential_is_taken_as_it_is(europe: World) -> None:
    credential, _ = await issued(europe)
    answer = await posted(europe["pt"], f"{credential}\n".encode(), "application/vc+jwt")
    assert (answer.status_code, answer.json()["verdict"]) == (200, "valid")


NO_QUESTION = (
    (b"", "application/json", 400),
    (b"{", "application/json", 400),
    (b'{"credential": "x", "credential": "y"}', "application/json", 400),
    (b'{"credential": "x", "more": 1}', "application/json", 422),
    (b'{"credential": 7}', "application/json", 422),
    (b'{"credential": "x", "as_of": "yesterday"}', "application/json", 422),
    (b'{"credential": "x", "country": "Portugal"}', "application/json", 422),
    (b"", "application/vc+jwt", 422),
    (b"eyJ" + b"A" * 300_000, "application/vc+jwt", 422),
    (b"x" * 600_000, "application/vc+jwt", 413),
    (b"x", "text/plain", 415),
    (b'{"credential": "\xff"}', "application/json", 400),
)
NO_CREDENTIAL = (b"\xff\xfe", b"eyJ.e.e", b"....", "eyJä.b.c".encode(), b"eyJhbGciOiJub25lIn0.e30.")


async def posted(nation: Nation, content: bytes, kind: str) -> httpx2.Response:
    """The answer to a body as it is."""
    headers = {"authorization": f"Bearer {nation.token('verify')}", "content-type": kind}
    return await nation.clients["verifier"].post("/verifications", content=content, headers=headers)


async def test_what_is_no_question_is_refused_with_the_next_action(europe: World) -> None:
    for content, kind, status in NO_QUESTION:
        answer = await posted(europe["pt"], content, kind)
        assert (answer.status_code, content[:40]) == (status, content[:40])
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]


async def test_what_is_no_credential_is_answered_and_not_a_fault(europe: World) -> None:
    for content in NO_CREDENTIAL:
        answer = await posted(europe["pt"], content, "application/vc+jwt")
        assert (answer.status_code, content) == (200, content)
        assert answer.json()["reason"] in {"malformed", "unknown-format"}


async def test_only_who_may_verify_is_answered(europe: World) -> None:
    pt = europe["pt"]
    for path, method in (("/verifications", "POST"), ("/policy", "GET"), ("/nodes", "GET")):
        assert (await pt.clients["verifier"].request(method, path)).status_code == 401
        token = f"Bearer {pt.token('credentials:issue')}"
        assert (await pt.ask("verifier", method, path, authorization=token)).status_code == 403


async def test_policy_and_nodes_say_by_what_is_judged_and_what_is_known(europe: World) -> None:
    await issued(europe)
    pt = europe["pt"]
    assert (await pt.must("verifier", "GET", "/policy"))["max_age_seconds"] == 900
    nodes = {node["node"]: node for node in await pt.must("verifier", "GET", "/nodes")}
    assert (nodes["ee"]["fresh"], nodes["ee"]["contradictory"]) == (True, False)
    assert {stream["stream"]: stream["seq"] for stream in nodes["ee"]["streams"]}["registrations"] == 1
    pt.clock.shift += timedelta(hours=1)
    assert not (await pt.must("verifier", "GET", "/nodes"))[0]["fresh"]


async def test_a_ref_alone_tells_nothing(europe: World) -> None:
    _, ref = await issued(europe)
    for asked in (ref, f"urn:uuid:{ref}", new_ref()):
        report = await europe["pt"].verifies(asked)
        assert (report["reason"], report["credential"]) == ("unknown-format", None)


@pytest.mark.parametrize("member", ["as_of", "known_at"])
async def test_nobody_is_told_what_will_be_true(member: str) -> None:
    async with world("ee") as europe:
        ee = europe["ee"]
        await ee.accredits("tartu")
        credential = await ee.issues("tartu")
        ahead = rfc3339(ee.clock.now() + timedelta(days=1))
        answer = await ee.ask("verifier", "POST", "/verifications", {"credential": credential, member: ahead})
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/moment-ahead")


async def test_a_sealed_europass_file_is_checked_by_itself_and_the_learner_is_not_named(europe: World) -> None:
    answer = await europe["pt"].ask("verifier", "POST", "/verifications/europass", json.loads(sealed_example()))
    report = SealReportView.model_validate_json(answer.content)
    assert (report.verdict, [step.reason for step in report.steps[1:4]]) == (
        "indeterminate",
        [None, None, "no-trusted-list"],
    )
    assert "Learner" not in answer.text


async def test_what_is_no_sealed_file_is_answered_as_unreadable(europe: World) -> None:
    for body, status in (({"payload": 7}, 400), ({"payload": 7, "signatures": []}, 200)):
        answer = await europe["pt"].ask("verifier", "POST", "/verifications/europass", body)
        assert answer.status_code == status
    assert (answer.json()["verdict"], answer.json()["reason"]) == ("invalid", "malformed")

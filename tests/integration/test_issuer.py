"""Issuing: a draft becomes a credential that verifies, or is refused with every fault, and nothing is ever half-issued."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import Response

from services.issuer.credentials import handlers
from services.issuer.credentials.commands import IssueCredential, IssuedCredentialView
from services.issuer.credentials.domain import DraftOutdated, NoSigningKey
from services.issuer.credentials.repository import COLLECTIONS, CREDENTIAL_KEYS, CREDENTIALS
from services.issuer.places.repository import STATUS_INDEXES
from shared.events.entry import parse
from shared.events.issuance import CredentialIssued
from shared.events.trust import AccreditationWithdrawn, InstitutionAccredited, InstitutionKeyAdded, InstitutionKeyRetired
from shared.formats import vc_jwt
from shared.ids import new_ref
from shared.jose import gate
from shared.log.archive import LOG
from shared.log.outbox import AUDIT, OUTBOX
from shared.web.request_transaction import RequestTransaction
from tests.scenes.issuer import NOW, Scene, draft, issuer

OUR_OWN = (*COLLECTIONS, STATUS_INDEXES)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with issuer(tmp_path) as opened:
        yield opened


async def issued_events(scene: Scene) -> list[CredentialIssued]:
    """What the issuer has said, sequenced and signed."""
    async with asyncio.timeout(60):
        while await scene.engine.store.scan(OUTBOX):
            await asyncio.sleep(0.01)
    rows = await scene.engine.store.scan(LOG, prefix="testamur.ee.issuance.v1/")
    return [CredentialIssued.model_validate_json(parse(row.body["jws"]).token.payload) for row in rows]


async def kept(scene: Scene) -> list[str]:
    """The names of the collections that hold anything which issuing made."""
    return [one.name for one in (*OUR_OWN, OUTBOX, AUDIT) if await scene.engine.store.scan(one, limit=1)]


async def test_a_complete_draft_becomes_a_credential_that_holds_by_the_institutions_key(scene: Scene) -> None:
    key = await scene.accredit()
    answer = await scene.post("/credentials", {"institution": "tartu", "credential": draft()})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert answer.headers["location"] == f"/credentials/{made['ref']}"
    token = gate.check(made["credential"], typ="vc+jwt", keys=lambda header: key.verification_key())
    said = vc_jwt.read_token(token)
    assert (said.ref, said.institution.slug) == (made["ref"], "tartu")
    assert made["commitment"] == vc_jwt.commitment(token)
    assert (made["status"], made["kid"], made["format"]) == ("issued", key.kid, "vc+jwt")
    assert [entry.list_url.removeprefix(scene.context.settings.status_list_url) for entry in said.status] == [
        "/1",
        "/1/suspension",
    ]


async def test_what_is_issued_is_said_on_the_issuance_stream(scene: Scene) -> None:
    await scene.accredit()
    made = await scene.issue(valid_until="2030-01-01")
    (event,) = await issued_events(scene)
    assert event.ref == made["ref"] and event.commitments == {"vc+jwt": made["commitment"]}
    assert (event.institution, event.eqf, event.isced_f, event.credential_type) == ("tartu", 6, "0688", "micro-credential")
    assert (event.issued, event.valid_until) == (NOW, NOW.replace(2030, 1, 1, 23, 59, 59))
    assert await scene.engine.store.get(STATUS_INDEXES, f"{event.status_list}/{event.status_index}")


async def test_all_missing_elements_are_named_at_once(scene: Scene) -> None:
    await scene.accredit()
    bare = draft(title=None, workload=None, quality_assurance=None)
    answer = await scene.post("/credentials", {"institution": "tartu", "credential": bare})
    assert answer.status_code == 422
    assert [element["number"] for element in answer.json()["missing"]] == [2, 7, 11]


async def test_all_contradictions_are_named_at_once(scene: Scene) -> None:
    await scene.accredit()
    wrong = draft(workload={"ects": 2, "hours": 500}, level={"eqf": 6, "cycle": "second"})
    answer = await scene.post("/credentials", {"institution": "tartu", "credential": wrong})
    assert answer.status_code == 422
    assert {fault["rule"] for fault in answer.json()["faults"]} == {"hours-per-ects", "cycle-eqf"}


@pytest.mark.parametrize(
    ("changes", "reason", "path"),
    [
        ({"level": {"eqf": 8}}, "level-out-of-scope", "level"),
        ({"credential_type": "diploma"}, "type-out-of-scope", "credential_type"),
        ({"isced_f": "0114"}, "field-out-of-scope", "isced_f"),
        ({"isced_f": None}, "field-out-of-scope", "isced_f"),
        ({"awarding_body": {"legal_name": "X", "country": "PT"}}, "jurisdiction-out-of-scope", "awarding_body.country"),
        ({"issued": "2020-01-01", "valid_until": "2021-01-01"}, "expired", "valid_until"),
        ({"issued": "2026-12-24"}, "issued-in-future", "issued"),
    ],
)
async def test_what_a_verifier_would_refuse_is_not_issued_and_leaves_nothing(
    scene: Scene, changes: dict[str, Any], reason: str, path: str
) -> None:
    await scene.accredit(isced_f=("06",))
    answer = await scene.post("/credentials", {"institution": "tartu", "credential": draft(**changes)})
    assert answer.status_code == 422, answer.text
    assert [(fault["rule"], fault["path"]) for fault in answer.json()["faults"]] == [(reason, path)]
    assert await kept(scene) == []


async def test_all_that_a_verifier_would_refuse_is_named_at_once(scene: Scene) -> None:
    await scene.accredit()
    wrong = draft(issued="2026-12-24", level={"eqf": 8})
    answer = await scene.post("/credentials", {"institution": "tartu", "credential": wrong})
    assert {fault["rule"] for fault in answer.json()["faults"]} == {"issued-in-future", "level-out-of-scope"}


async def test_one_refusal_names_all_that_is_missing_malformed_contradictory_or_out_of_scope(scene: Scene) -> None:
    await scene.accredit(isced_f=("06",))
    wrong = draft(
        title=None,
        participation={"label": {"en": "online"}, "uri": "http://data.europa.eu/snb/assessment/6e6cb2cc78"},
        learning_outcomes=[{"title": "x", "skills": ["http://data.europa.eu/esco/skill/none"]}],
        workload={"ects": 2, "hours": 5},
        isced_f="0114",
        credential_type="diploma",
        level={"eqf": 8, "cycle": "first"},
        language="english",
        issued="2026-12-24",
        valid_until="2021-01-01",
    )
    answer = (await scene.post("/credentials", {"institution": "tartu", "credential": wrong})).json()
    assert answer["type"].endswith("/incomplete-credential")
    assert [element["path"] for element in answer["missing"]] == ["title"]
    assert {(fault["path"], fault["rule"]) for fault in answer["faults"]} == {
        ("language", "unknown-code"),
        ("participation.uri", "unknown-concept"),
        ("learning_outcomes[0].skills[0]", "unknown-concept"),
        ("workload", "hours-per-ects"),
        ("level.cycle", "cycle-eqf"),
        ("level", "level-out-of-scope"),
        ("isced_f", "field-out-of-scope"),
        ("credential_type", "type-out-of-scope"),
        ("issued", "issued-in-future"),
        ("valid_until", "ends-before-issue"),
    }
    assert await kept(scene) == []


async def test_a_refused_request_may_be_mended_under_the_same_key(scene: Scene) -> None:
    await scene.accredit()
    wrong = {"institution": "tartu", "credential": draft(title=None)}
    assert (await scene.post("/credentials", wrong, key="k-1")).status_code == 422
    assert (await scene.issue(key="k-1"))["status"] == "issued"


async def test_a_repeated_request_gets_the_first_answer_even_when_it_would_be_refused_now(
    scene: Scene,
) -> None:
    await scene.accredit()
    body = {"institution": "tartu", "credential": draft()}
    first = await scene.post("/credentials", body, key="k-2")
    book = scene.context.book
    for accreditation in book.accreditation("tartu", at=None, on=NOW):
        withdrawn = AccreditationWithdrawn(institution="tartu", accreditation=accreditation.accreditation, effective=NOW)
        await scene.say(withdrawn)
    again = await scene.post("/credentials", body, key="k-2")
    assert (again.status_code, again.content, again.headers["location"]) == (201, first.content, first.headers["location"])
    assert len(await issued_events(scene)) == 1
    refused = await scene.post("/credentials", body, key="k-3")
    assert [fault["rule"] for fault in refused.json()["faults"]] == ["accreditation-withdrawn"]


async def test_a_place_that_was_taken_meanwhile_is_drawn_anew(scene: Scene) -> None:
    await scene.accredit()
    command = IssueCredential(institution="tartu", credential=draft())
    places: list[int] = []

    class Overtaken(RequestTransaction[IssuedCredentialView]):
        async def answer(self, work: Any) -> Response:
            if not places:  # somebody else takes whatever place the first draft drew
                places.extend(scene.context._list.taken)
                rows = [(f"1/{index}", {"ref": "other"}) for index in places]
                await scene.engine.store.transact(lambda tx: tx.insert_many(STATUS_INDEXES, rows))
            return await super().answer(work)

    transaction = Overtaken(outbox=scene.engine.outbox, actor="anna")
    made = json.loads((await handlers.draft_and_issue(scene.context, transaction, command)).body)
    (event,) = await issued_events(scene)
    assert len(places) == 1 and event.status_index not in places and event.ref == made["ref"]
    said = vc_jwt.read_token(gate.read(made["credential"], typ="vc+jwt"))
    assert {entry.index for entry in said.status} == {event.status_index}
    assert len(await scene.engine.store.scan(CREDENTIALS)) == 1


async def test_a_half_full_status_list_is_followed_by_a_new_one(scene: Scene) -> None:
    await scene.accredit()
    half = scene.context.settings.status_list_entries // 2
    rows = [(f"1/{index}", {"ref": "other"}) for index in range(half)]
    await scene.engine.store.transact(lambda tx: tx.insert_many(STATUS_INDEXES, rows))
    await scene.context.refresh_places()
    await scene.issue()
    (event,) = await issued_events(scene)
    assert event.status_list == "2"


async def test_an_accreditation_withdrawn_between_drafting_and_keeping_is_not_used(scene: Scene) -> None:
    await scene.accredit()
    drafted = await handlers.draft_credential(scene.context, IssueCredential(institution="tartu", credential=draft()))
    (accreditation,) = scene.context.book.accreditation("tartu", at=None, on=NOW)
    await scene.say(AccreditationWithdrawn(institution="tartu", accreditation=accreditation.accreditation, effective=NOW))
    with pytest.raises(DraftOutdated):
        await scene.engine.outbox.transact(lambda unit: handlers.issue_credential(unit, drafted), "anna")
    assert await kept(scene) == []


async def test_an_institution_without_an_announced_key_cannot_sign_and_is_told_what_to_do(scene: Scene) -> None:
    key = await scene.accredit()
    await scene.say(InstitutionKeyRetired(institution="tartu", kid=key.kid, reason="superseded"))
    refused = await scene.post("/credentials", {"institution": "tartu", "credential": draft()})
    assert refused.status_code == 409 and refused.json()["type"] == f"/problems/{NoSigningKey.slug()}"
    made = (await scene.post("/institutions/tartu/keys", {})).json()
    assert made["kid"] != key.kid
    again = (await scene.post("/institutions/tartu/keys", {})).json()
    assert again == made, "a key that waits to be announced is given again"
    assert (await scene.post("/credentials", {"institution": "tartu", "credential": draft()})).status_code == 409
    await scene.say(InstitutionKeyAdded(institution="tartu", kid=made["kid"], jwk=made["jwk"]))
    assert (await scene.issue())["kid"] == made["kid"]


async def test_a_check_names_what_a_verifier_would_find_and_keeps_nothing(scene: Scene) -> None:
    await scene.accredit()
    checked = await scene.post("/credentials/check", {"institution": "tartu", "credential": draft()})
    assert checked.status_code == 200
    assert [finding["number"] for finding in checked.json()["findings"]] == [0, 1, 2, 3, 4, 5, 10]
    assert {finding["outcome"] for finding in checked.json()["findings"]} <= {"passed", "warning"}
    refused = await scene.post("/credentials/check", {"institution": "tartu", "credential": draft(level={"eqf": 8})})
    assert [fault["rule"] for fault in refused.json()["faults"]] == ["level-out-of-scope"]
    assert await kept(scene) == []


async def test_validity_is_said_in_one_place_only(scene: Scene) -> None:
    await scene.accredit()
    until = (NOW + timedelta(days=365)).isoformat()
    beside = {"institution": "tartu", "credential": draft(), "valid_until": until}
    made = (await scene.post("/credentials", beside)).json()
    assert made["valid_until"] == "2027-11-23T12:00:00Z"
    twice = {**beside, "credential": draft(valid_until="2030-01-01")}
    assert (await scene.post("/credentials", twice)).status_code == 422


@pytest.mark.parametrize(
    "hostile", [{"title": {"en": {}}}, {"level": []}, {"workload": True}, {"language": [1]}, {"holder": "x"}]
)
async def test_a_draft_of_any_shape_is_refused_and_never_an_error_of_ours(scene: Scene, hostile: dict[str, Any]) -> None:
    await scene.accredit()
    answer = await scene.post("/credentials", {"institution": "tartu", "credential": draft(**hostile)})
    assert answer.status_code == 422 and answer.headers["content-type"] == "application/problem+json"


async def test_what_was_issued_before_a_restart_is_there_after_it(tmp_path: Path) -> None:
    async with issuer(tmp_path) as before:
        await before.accredit()
        made = await before.issue()
    async with issuer(tmp_path) as after:
        assert (await after.get(f"/credentials/{made['ref']}")).json() == made
        (row,) = await after.engine.store.scan(STATUS_INDEXES)
        assert after.context._list.taken == {int(row.key.partition("/")[2])}
        assert (await after.issue())["kid"] == made["kid"]
        assert len(await after.engine.store.scan(CREDENTIAL_KEYS)) == 2


async def test_a_later_accreditation_counts_at_once(scene: Scene) -> None:
    await scene.accredit(isced_f=("01",))
    refused = await scene.post("/credentials", {"institution": "tartu", "credential": draft()})
    assert refused.status_code == 422
    wider = {"credential_types": ("micro-credential",), "eqf_max": 7, "isced_f": ("06",)}
    (old,) = scene.context.book.accreditation("tartu", at=None, on=NOW)
    event = InstitutionAccredited(**{**dict(old), "accreditation": new_ref(), "scope": wider})
    await scene.say(event)
    assert (await scene.issue())["status"] == "issued"

"""Promise: a cohort is checked whole, issued whole, and what became of each row is told; nothing is half-issued."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.issuer.cohorts.repository import COHORT_ROWS, COHORTS
from services.issuer.cohorts.worker import Worker
from services.issuer.credentials.repository import CREDENTIAL_KEYS, CREDENTIALS
from shared.credential import written
from shared.events.trust import AccreditationWithdrawn, InstitutionAccredited, Scope
from shared.ids import new_ref
from shared.log.outbox import AUDIT
from shared.verification.presented import recognise
from tests.integration.test_privacy import everything_in
from tests.scenes.cohort import SHARED, accepts, body, csv, ends, result, table, tartu
from tests.scenes.issuer import NOW, Scene, issuer
from tests.shared_data import ROOT
from tests.world import world


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with tartu(tmp_path) as opened:
        yield opened


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker rests: what is accepted waits."""

    async def rest(_: Worker) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Worker, "run", rest)


async def test_each_row_becomes_one_credential_of_its_own_learner(scene: Scene) -> None:
    cohort = await accepts(scene, csv(120, grade="5"))
    stands = await ends(scene, cohort)
    assert (stands["state"], stands["issued"], stands["refused"], stands["erased"]) == ("finished", 120, 0, 0)
    rows = await result(scene, cohort)
    assert [row["row"] for row in rows] == list(range(2, 122))
    assert [row["external_id"] for row in rows] == [f"M{n}" for n in range(120)]
    said = [recognise(row["credential"]).credential for row in rows]
    assert [one and one.award.holder.family_name for one in said] == [f"Maasikas{n}" for n in range(120)]
    assert {one and one.ref for one in said} == {row["ref"] for row in rows}
    one = (await scene.get(f"/credentials/{rows[7]['ref']}")).json()
    assert one["credential"] == rows[7]["credential"]
    assert "external_id" not in rows[7]["credential"]


async def test_a_cohort_is_issued_in_each_format_that_is_asked_for(scene: Scene) -> None:
    cohort = await accepts(scene, csv(2), formats=["vc+jwt", "dc+sd-jwt"])
    await ends(scene, cohort)
    assert [list(row["formats"]) for row in await result(scene, cohort)] == [["vc+jwt", "dc+sd-jwt"]] * 2


async def test_the_fault_table_names_every_fault_of_every_row_and_repeats_none_of_it(scene: Scene) -> None:
    file = (
        b"given_name,family_name,workload.ects,level.eqf,external_id\nAdaSecret,Secret,2,6,1\n"
        b"BeaSecret,,two,9,1\nCarSecret,Secret,50,6,3\n"
    )
    checked = await scene.post("/cohorts/check", body(file))
    assert (checked.json()["rows"], checked.json()["faulty"]) == (3, 2)
    assert table(checked) == {
        3: [
            ("external_id", "duplicate-external-id"),
            ("holder", "value-error"),
            ("workload.ects", "float-type"),
            ("level.eqf", "less-than-equal"),
        ],
        4: [("workload", "hours-per-ects")],
    }
    assert "Secret" not in checked.text
    assert await scene.engine.store.count(CREDENTIAL_KEYS) == await scene.engine.store.count(COHORTS) == 0


async def test_one_fault_refuses_the_whole_cohort_with_the_table_of_the_check(scene: Scene) -> None:
    file = csv(60) + b"\nM0,Mari,Maasikas0"
    checked, refused = [await scene.post(path, body(file)) for path in ("/cohorts/check", "/cohorts")]
    assert refused.status_code == 422
    assert refused.json()["type"] == "/problems/cohort-refused"
    assert table(refused) == table(checked) == {62: [("external_id", "duplicate-external-id")]}
    assert await scene.engine.store.count(CREDENTIALS) == await scene.engine.store.count(CREDENTIAL_KEYS) == 0


async def test_what_stops_all_rows_alike_is_one_refusal(scene: Scene) -> None:
    unknown = await scene.post("/cohorts/check", body(csv(3), institution="nowhere"))
    assert (unknown.status_code, unknown.json()["type"]) == (404, "/problems/institution-unknown")
    holder = await scene.post("/cohorts/check", body(csv(3), template={**SHARED, "holder": {"full_name": "A"}}))
    assert (holder.status_code, holder.json()["type"]) == (422, "/problems/template-refused")
    coded = await scene.post("/cohorts/check", {**body(csv(3)), "file": "not base64!"})
    assert (coded.status_code, coded.json()["type"]) == (422, "/problems/cohort-unreadable")


async def test_a_row_that_says_what_only_the_issuer_may_say_has_a_fault(scene: Scene) -> None:
    lines = b'{"full_name":"Mari Maasikas"}\n{"full_name":"Jaan Tamm","offer":"ee/tartu/other"}'
    assert table(await scene.post("/cohorts/check", body(lines, "application/x-ndjson"))) == {2: [("", "not-for-drafts")]}


async def test_the_same_request_twice_is_one_cohort(scene: Scene) -> None:
    first, second = [await scene.post("/cohorts", body(csv(3)), key="once") for _ in range(2)]
    assert first.content == second.content
    assert first.headers["location"] == f"/cohorts/{first.json()['id']}"
    await ends(scene, first.json()["id"])
    assert await scene.engine.store.count(CREDENTIALS) == 3


async def test_a_cohort_is_issued_from_an_offer_a_template_over_it_and_each_row_over_both() -> None:
    async with world("ee") as europe:
        ee = europe["ee"]
        await ee.accredits("tartu")
        offer = written.read((ROOT / "examples" / "offer.yaml").read_bytes())
        await ee.must("registry", "POST", "/offers", {"institution": "tartu", "offer": "data", "document": offer})
        await ee.settles()
        over = {"assessment": {"grading_scheme": "1 to 5"}}
        asked = {**body(csv(2, **{"assessment.grade": "5", "title.et": "Reas"})), "offer": "data", "template": over}
        unknown = await ee.ask("issuer", "POST", "/cohorts", {**asked, "offer": "nothing"})
        assert (unknown.status_code, unknown.json()["type"]) == (404, "/problems/offer-unknown")
        cohort = (await ee.must("issuer", "POST", "/cohorts", asked))["id"]
        async with asyncio.timeout(60):
            while not (await ee.must("issuer", "GET", f"/cohorts/{cohort}"))["ended"]:
                await asyncio.sleep(0.01)
        answer = await ee.ask("issuer", "GET", f"/cohorts/{cohort}/result")
        said = recognise(orjson.loads(answer.content.splitlines()[0])["credential"]).credential
        assert said is not None
        assert said.award.title["en"] == "Data literacy"
        assert said.award.title["et"] == "Reas"
        assert said.award.assessment.grading_scheme == {"en": "1 to 5"}
        assert said.award.assessment.grade == {"en": "5"}
        assert said.award.offer == "ee/tartu/data"


@pytest.mark.usefixtures("stopped")
async def test_a_row_that_is_refused_late_says_why_and_stops_no_other(tmp_path: Path) -> None:
    async with tartu(tmp_path) as scene:
        more = InstitutionAccredited(
            institution="tartu",
            accreditation=new_ref(),
            name="University of Tartu",
            country="EE",
            scope=Scope(credential_types=("short-course",), eqf_max=7),
            valid_from=NOW - timedelta(days=1),
        )
        await scene.say(more)
        file = b"full_name,credential_type\nMari Maasikas,\nJaan Tamm,short-course\nTiiu Tamm,\n"
        cohort = await accepts(scene, file)
        await scene.say(AccreditationWithdrawn(institution="tartu", accreditation=more.accreditation, effective=NOW))
        worker = Worker(scene.context, scene.engine.outbox)
        while await worker.round():
            continue
        stands = await ends(scene, cohort)
        assert (stands["issued"], stands["refused"], stands["done"]) == (2, 1, 3)
        rows = await result(scene, cohort)
        assert [row["status"] for row in rows] == ["issued", "refused", "issued"]
        assert [fault["path"] for fault in rows[1]["faults"]] == ["credential_type"]
        assert await scene.engine.store.get(CREDENTIALS, rows[1]["ref"]) is None


@pytest.mark.usefixtures("stopped")
async def test_what_is_erased_before_it_is_issued_is_never_issued(tmp_path: Path) -> None:
    async with tartu(tmp_path) as scene:
        cohort = await accepts(scene, csv(60))
        rows = await result(scene, cohort)
        assert {row["status"] for row in rows} == {"waiting"}
        gone = rows[10]["ref"]
        answers = [await scene.post(f"/credentials/{gone}/erase", {}) for _ in range(2)]
        assert [answer.json()["status"] for answer in answers] == ["accepted"] * 2
        assert answers[0].json() == answers[1].json()
        worker = Worker(scene.context, scene.engine.outbox)
        while await worker.round():
            continue
        stands = await ends(scene, cohort)
        assert (stands["issued"], stands["erased"], stands["done"]) == (59, 1, 60)
        row = (await result(scene, cohort))[10]
        assert (row["status"], row["external_id"], row["credential"]) == ("erased", None, None)
        assert (await scene.get(f"/credentials/{gone}")).status_code == 404


@pytest.mark.usefixtures("stopped")
async def test_a_row_that_is_erased_while_its_chunk_is_drafted_is_not_issued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tartu(tmp_path) as scene:
        cohort = await accepts(scene, csv(5))
        ref = (await result(scene, cohort))[2]["ref"]
        worker, drafted = Worker(scene.context, scene.engine.outbox), Worker._draft
        erased: list[Any] = []

        async def meanwhile(self: Worker, chunk: Any, template: Any, row: Any) -> Any:
            draft = await drafted(self, chunk, template, row)
            if row.ref == ref and not erased:
                assert draft is not None
                erased.append(await scene.post(f"/credentials/{ref}/erase", {}))
            return draft

        monkeypatch.setattr(Worker, "_draft", meanwhile)
        while await worker.round():
            continue
        assert [row["status"] for row in await result(scene, cohort)] == ["issued", "issued", "erased", "issued", "issued"]
        assert erased[0].status_code == 200


async def test_after_one_key_is_destroyed_the_result_has_all_others(scene: Scene, tmp_path: Path) -> None:
    cohort = await accepts(scene, csv(4))
    await ends(scene, cohort)
    before = await result(scene, cohort)
    await scene.post(f"/credentials/{before[1]['ref']}/erase", {})
    after = await result(scene, cohort)
    assert [row["status"] for row in after] == ["issued", "erased", "issued", "issued"]
    assert (after[1]["external_id"], after[1]["credential"]) == (None, None)
    assert [after[at] for at in (0, 2, 3)] == [before[at] for at in (0, 2, 3)]


@pytest.mark.usefixtures("stopped")
async def test_cancelling_issues_no_more_and_makes_the_rest_unreadable(tmp_path: Path) -> None:
    async with tartu(tmp_path) as scene:
        cohort = await accepts(scene, csv(120))
        worker = Worker(scene.context, scene.engine.outbox)
        await worker.round()
        answers = [await scene.post(f"/cohorts/{cohort}/cancel", {}) for _ in range(2)]
        assert [answer.json()["state"] for answer in answers] == ["cancelling"] * 2
        while await worker.round():
            continue
        stands = await ends(scene, cohort)
        assert (stands["state"], stands["issued"], stands["done"]) == ("cancelled", 50, 50)
        rows = await result(scene, cohort)
        assert [row["status"] for row in rows] == ["issued"] * 50 + ["cancelled"] * 70
        assert {row["external_id"] for row in rows[50:]} == {None}
        assert await scene.engine.store.count(CREDENTIAL_KEYS) == 50


async def test_a_job_that_has_ended_is_not_cancelled(scene: Scene) -> None:
    cohort = await accepts(scene, csv(1))
    await ends(scene, cohort)
    answer = await scene.post(f"/cohorts/{cohort}/cancel", {})
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/cohort-ended")


@pytest.mark.usefixtures("stopped")
async def test_a_cohort_goes_on_after_a_restart_where_it_was(tmp_path: Path) -> None:
    async with tartu(tmp_path) as scene:
        cohort = await accepts(scene, csv(130))
        waiting = await result(scene, cohort)
        await Worker(scene.context, scene.engine.outbox).round()
    async with issuer(tmp_path) as scene:
        worker = Worker(scene.context, scene.engine.outbox)
        while await worker.round():
            continue
        rows = await result(scene, cohort)
        assert [row["ref"] for row in rows] == [row["ref"] for row in waiting]
        assert {row["status"] for row in rows} == {"issued"}
        assert await scene.engine.store.count(CREDENTIALS) == 130


@pytest.mark.usefixtures("stopped")
async def test_two_workers_at_one_cohort_issue_each_row_once(tmp_path: Path) -> None:
    async with tartu(tmp_path) as scene:
        cohort = await accepts(scene, csv(130))

        async def work(worker: Worker) -> None:
            while await worker.round():
                continue

        await asyncio.gather(*(work(Worker(scene.context, scene.engine.outbox)) for _ in range(2)))
        assert (await ends(scene, cohort))["issued"] == 130
        assert await scene.engine.store.count(CREDENTIALS) == 130
        issued = [row for row in await scene.engine.store.scan(AUDIT) if row.body["action"] == "cohort.issue"]
        assert [row.body["issued"] for row in issued] == [50, 50, 30]


@pytest.mark.usefixtures("stopped")
async def test_a_cohort_whose_rows_are_lost_stops_no_other(tmp_path: Path) -> None:
    async with tartu(tmp_path) as scene:
        cohorts = sorted([await accepts(scene, csv(2, first=10 * n)) for n in range(2)])
        lost = (await scene.engine.store.scan(COHORT_ROWS, prefix=cohorts[0]))[0].key
        await scene.engine.store.transact(lambda tx: tx.delete(COHORT_ROWS, lost))
        worker = Worker(scene.context, scene.engine.outbox)
        while await worker.round():
            continue
        assert (await ends(scene, cohorts[1]))["issued"] == 2
        assert (await scene.get(f"/cohorts/{cohorts[0]}")).json()["done"] == 0


async def test_another_institutions_cohort_is_not_there(scene: Scene) -> None:
    await scene.accredit("tallinn")
    cohort = await accepts(scene, csv(2))
    await ends(scene, cohort)
    for method, path in (("GET", ""), ("GET", "/progress"), ("GET", "/result"), ("POST", "/cancel")):
        answers = [
            await scene.client.request(method, f"/cohorts/{one}{path}", headers=scene.headers(institution="tallinn"))
            for one in (cohort, new_ref())
        ]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert [{**answer.json(), "trace_id": ""} for answer in answers] == [{**answers[1].json(), "trace_id": ""}] * 2
    assert (await scene.get("/cohorts", institution="tallinn")).json()["items"] == []
    assert [one["id"] for one in (await scene.get("/cohorts", institution="tartu")).json()["items"]] == [cohort]
    assert (await scene.post("/cohorts", body(csv(1)), institution="tallinn")).status_code == 404


@pytest.mark.usefixtures("stopped")
async def test_what_waits_is_not_another_institutions_to_erase(tmp_path: Path) -> None:
    async with tartu(tmp_path) as scene:
        await scene.accredit("tallinn")
        ref = (await result(scene, await accepts(scene, csv(1))))[0]["ref"]
        assert (await scene.post(f"/credentials/{ref}/erase", {}, institution="tallinn")).status_code == 404
        assert (await scene.post(f"/credentials/{ref}/erase", {}, institution="tartu")).status_code == 200


async def test_progress_is_told_event_by_event_and_what_was_seen_is_not_told_again(scene: Scene) -> None:
    cohort = await accepts(scene, csv(60))
    answer = await scene.get(f"/cohorts/{cohort}/progress")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "no-store" in answer.headers["cache-control"]
    told = answer.text.split("\n\n")
    last = next(event for event in reversed(told) if event.startswith("event: progress"))
    assert orjson.loads(last.partition("data: ")[2].partition("\n")[0])["state"] == "finished"
    assert told[-2:] == ["event: end\ndata: {}", ""]
    seen = last.partition("id: ")[2].partition("\n")[0]
    headers = {**scene.headers(), "Last-Event-ID": seen}
    again = await scene.client.get(f"/cohorts/{cohort}/progress", headers=headers)
    assert again.text == "event: end\ndata: {}\n\n"


@pytest.mark.usefixtures("stopped")
async def test_no_name_of_a_waiting_row_stands_in_any_file(tmp_path: Path) -> None:
    async with tartu(tmp_path) as scene:
        cohort = await accepts(scene, csv(60).replace(b"Maasikas", b"Kanaarilind"))
        row = await scene.engine.store.scan(COHORT_ROWS, prefix=cohort, limit=1)
        assert row[0].body["rows"][0][1].encode() in everything_in(tmp_path)
        assert b"Kanaarilind" not in everything_in(tmp_path)


async def test_a_large_body_is_read_only_for_a_good_token(scene: Scene) -> None:
    large = orjson.dumps(body(csv(1) + b"\n" * 1_000_000))
    unknown = await scene.client.post("/cohorts/check", content=large, headers={"Content-Type": "application/json"})
    assert unknown.status_code == 401
    known = {**scene.headers(), "Content-Type": "application/json"}
    assert (await scene.client.post("/cohorts/check", content=large, headers=known)).status_code == 200
    assert (await scene.client.post("/credentials/check", content=large, headers=known)).status_code == 413
    assert (await scene.client.post("/cohorts/check", content=large * 12, headers=known)).status_code == 413

"""Promise: a larger credential is issued from parts of several nations only if each holds, and tells when one does not."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from shared.credential import written
from shared.ids import new_ref
from shared.jose import gate, token
from tests.scenes.signatures import counted
from tests.world import EXAMPLE, World, federate, world

OFFER = EXAMPLE.with_name("offer.yaml")
LEARNER = {"given_name": "Specimen", "family_name": "Learner"}
LARGER = {"title": "Data science", "workload": {"ects": 5, "hours": 130}}


@pytest.fixture
async def europe() -> AsyncIterator[World]:
    async with world("ee", "pt") as nations:
        await nations["ee"].accredits("tartu")
        await nations["pt"].accredits("coimbra")
        await both_hear(nations)
        yield nations


async def both_hear(europe: World) -> None:
    await europe.mirrors("ee", "pt")
    await europe.mirrors("pt", "ee")


async def parts(europe: World, **second: Any) -> list[str]:
    """A part of 2 ECTS from Tartu and one of 3 from Coimbra, both known in both nations."""
    home = await europe["ee"].issues("tartu")
    abroad = await europe["pt"].issues("coimbra", **{"title": "Statistics", "workload": {"ects": 3}, **second})
    await both_hear(europe)
    return [home, abroad]


async def receipt(europe: World, credential: str, nation: str = "ee", **asked: Any) -> str:
    report = await europe[nation].verifies(credential, receipt=True, **asked)
    return str(report["receipt"])


async def handed(europe: World, credentials: list[str]) -> list[dict[str, str]]:
    return [{"credential": one, "receipt": await receipt(europe, one)} for one in credentials]


async def stack(europe: World, handed: list[dict[str, str]], **said: Any) -> httpx2.Response:
    draft = {**europe["ee"].draft(), **LARGER}
    body = {"institution": "tartu", "credential": draft, "parts": handed, **said}
    return await europe["ee"].ask("issuer", "POST", "/credentials/stack", body)


async def stacked(europe: World, credentials: list[str], **said: Any) -> str:
    answer = await stack(europe, await handed(europe, credentials), **said)
    assert answer.status_code == 201, answer.text
    await europe["ee"].settles()
    await both_hear(europe)
    return str(answer.json()["credential"])


def step_9(report: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = report["steps"][9]
    return found


def ref_of(credential: str) -> str:
    return str(gate.claims(token.read(credential, typ="vc+jwt"))["id"]).removeprefix("urn:uuid:")


def said_of(credential: str) -> dict[str, Any]:
    award: dict[str, Any] = gate.claims(token.read(credential, typ="vc+jwt"))["credentialSubject"]["microCredential"]
    return award


def rules(answer: httpx2.Response) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {fault["path"]: fault["rule"] for fault in answer.json()["faults"]}


async def test_a_credential_stacked_from_two_nations_is_valid_in_both_and_shows_its_parts(europe: World) -> None:
    small = await parts(europe)
    whole = await stacked(europe, small)
    for nation in ("ee", "pt"):
        report = await europe[nation].verifies(whole)
        assert (report["verdict"], step_9(report)["outcome"]) == ("valid", "passed")
    shown = said_of(whole)["parts"]
    assert [part["id"].removeprefix("urn:uuid:") for part in shown] == list(map(ref_of, small))
    assert [(part["title"]["en"], part["workload"]["ects"], part["level"]["eqf"]) for part in shown] == [
        ("Data literacy", 2.0, 6),
        ("Statistics", 3.0, 6),
    ]


async def test_a_stack_is_the_same_in_every_format(europe: World) -> None:
    formats = ["vc+jwt", "dc+sd-jwt", "openbadge+jwt"]
    answer = await stack(europe, await handed(europe, await parts(europe)), formats=formats)
    await europe["ee"].settles()
    await both_hear(europe)
    for name in formats:
        report = await europe["pt"].verifies(answer.json()["formats"][name])
        assert (report["verdict"], step_9(report)["outcome"]) == ("valid", "passed")


async def test_a_revoked_part_makes_the_stack_affected_in_both_nations(europe: World) -> None:
    small = await parts(europe)
    whole = await stacked(europe, small)
    await europe["pt"].revokes(ref_of(small[1]))
    await both_hear(europe)
    for nation in ("ee", "pt"):
        report = await europe[nation].verifies(whole)
        assert (report["verdict"], step_9(report)["reason"]) == ("valid", "part-affected")
        assert step_9(report)["evidence"]["affected"] == {ref_of(small[1]): "revoked"}


async def test_a_part_whose_nation_fell_silent_is_told_as_unknown(europe: World) -> None:
    whole = await stacked(europe, await parts(europe))
    europe["ee"].clock.shift += timedelta(days=1)
    await europe["ee"].issues("tartu")  # its own nation goes on talking
    async with asyncio.timeout(60):
        while (report := await europe["ee"].verifies(whole))["verdict"] != "valid":
            await asyncio.sleep(0.05)  # until its next checkpoint
    assert step_9(report)["reason"] == "part-unknown"
    assert len(step_9(report)["evidence"]["unknown"]) == 1


async def test_a_part_without_a_fresh_receipt_of_its_own_is_refused(europe: World) -> None:
    small = await parts(europe)
    whole = await handed(europe, small)
    exchanged = [{**whole[0], "receipt": whole[1]["receipt"]}, {**whole[1], "receipt": whole[0]["receipt"]}]
    refused = await stack(europe, exchanged)
    assert rules(refused) == dict.fromkeys(("parts[0].receipt", "parts[1].receipt"), "receipt-of-another")
    foreign = [{**whole[0], "receipt": await receipt(europe, small[0], "pt")}, whole[1]]
    assert rules(await stack(europe, foreign)) == {"parts[0].receipt": "receipt-refused"}
    noise = [{**whole[0], "receipt": "a.b.c"}, {**whole[1], "credential": "noise"}]
    assert rules(await stack(europe, noise)) == {"parts[0].receipt": "receipt-refused", "parts[1]": "unknown-format"}
    europe["ee"].clock.shift += timedelta(minutes=11)
    assert rules(await stack(europe, whole)) == dict.fromkeys(("parts[0].receipt", "parts[1].receipt"), "receipt-refused")


async def test_no_receipt_is_signed_for_an_answer_about_another_time(europe: World) -> None:
    small = await parts(europe)
    moment = europe["ee"].clock.now().isoformat()
    await europe["ee"].revokes(ref_of(small[0]))
    report = await europe["ee"].verifies(small[0], receipt=True, as_of=moment)
    assert report["receipt"] is None


async def test_a_part_that_does_not_hold_is_refused(europe: World) -> None:
    small = await parts(europe)
    await europe["pt"].revokes(ref_of(small[1]))
    await both_hear(europe)
    assert rules(await stack(europe, await handed(europe, small))) == {"parts[1]": "part-not-valid"}


async def test_another_learners_part_is_refused(europe: World) -> None:
    small = await parts(europe, holder={"given_name": "Other", "family_name": "Person"})
    assert rules(await stack(europe, await handed(europe, small))) == {"parts[1]": "another-learner"}


async def test_one_name_written_in_two_ways_is_one_learner(europe: World) -> None:
    small = await parts(europe, holder={"full_name": "specimen  LEARNER"})
    assert await stacked(europe, small)


async def test_one_name_with_two_dates_of_birth_is_two_learners(europe: World) -> None:
    small = await parts(europe, holder={**LEARNER, "date_of_birth": "1999-01-01"})
    holder = {**LEARNER, "date_of_birth": "1998-01-01"}
    refused = await stack(
        europe, await handed(europe, small), credential={**europe["ee"].draft(), **LARGER, "holder": holder}
    )
    assert rules(refused) == {"parts[1]": "another-learner"}


async def test_two_parts_of_two_learners_of_one_name_are_refused_whatever_the_draft_says(europe: World) -> None:
    home = await europe["ee"].issues("tartu", holder={**LEARNER, "date_of_birth": "1998-01-01"})
    abroad = await europe["pt"].issues("coimbra", workload={"ects": 3}, holder={**LEARNER, "date_of_birth": "1999-01-01"})
    await both_hear(europe)
    for credential in ({**europe["ee"].draft(), **LARGER}, {**europe["ee"].draft(), **LARGER, "holder": None}):
        refused = await stack(europe, await handed(europe, [home, abroad]), credential=credential)
        assert rules(refused) == {"parts[1]": "another-learner"}


async def test_a_part_of_a_suspended_nation_is_told_as_unknown(europe: World) -> None:
    whole = await stacked(europe, await parts(europe))
    ee, pt = europe["ee"].home, europe["pt"].home
    federate([ee, pt], version=9, nodes=(ee.node(), pt.node().model_copy(update={"status": "suspended"})))
    europe["ee"].engine("verifier").membership.reload()
    report = await europe["ee"].verifies(whole)
    assert (report["verdict"], step_9(report)["reason"]) == ("valid", "part-unknown")


async def test_credits_are_not_counted_twice_through_a_stack_in_a_stack(europe: World) -> None:
    small = await parts(europe)
    whole = await stacked(europe, small)
    again = await stack(europe, await handed(europe, [whole, *small]))
    assert rules(again) == {"parts": "too-few-parts"}
    third = await europe["pt"].issues("coimbra", title="Ethics", workload={"ects": 1})
    await both_hear(europe)
    more = {"credential": {**europe["ee"].draft(), "workload": {"ects": 8, "hours": 208}}}
    refused = await stack(europe, await handed(europe, [whole, *small, third]), **more)
    assert rules(refused) == {"workload.ects": "credits-exceed-parts"}
    assert await stacked(europe, [whole, small[0], third])


async def test_the_rule_of_the_offer_is_applied_and_its_template_used(europe: World) -> None:
    rule = {"parts": 2, "ects_min": 6, "required": ["pt/coimbra/statistics"], "nodes": ["ee", "pt"]}
    offer = {**written.read(OFFER.read_bytes()), **LARGER, "rule": rule}
    await europe["ee"].must("registry", "POST", "/offers", {"institution": "tartu", "offer": "science", "document": offer})
    statistics = {**written.read(OFFER.read_bytes()), "title": "Statistics", "workload": {"ects": 4}}
    statistics["awarding_body"] = {"legal_name": "University of Coimbra", "country": "PT"}
    await europe["pt"].must(
        "registry", "POST", "/offers", {"institution": "coimbra", "offer": "statistics", "document": statistics}
    )
    await europe["pt"].settles()
    await europe["ee"].settles()
    small = await parts(europe)
    refused = await stack(europe, await handed(europe, small), offer="science", credential={})
    assert {fault["rule"] for fault in refused.json()["faults"]} == {"too-few-credits", "part-missing"}
    command = {"institution": "coimbra", "offer": "statistics", "credential": {"holder": LEARNER}}
    third = (await europe["pt"].must("issuer", "POST", "/credentials", command))["credential"]
    await europe["pt"].settles()
    await both_hear(europe)
    whole = await stacked(europe, [small[0], third], offer="science", credential={})
    assert said_of(whole)["offer"] == "ee/tartu/science"
    assert said_of(whole)["parts"][1]["offer"] == "pt/coimbra/statistics"
    assert (await europe["pt"].verifies(whole))["verdict"] == "valid"


async def test_without_a_workload_of_its_own_the_stack_is_worth_its_parts(europe: World) -> None:
    small = await parts(europe)
    draft = {**europe["ee"].draft(), "title": "Data science"}
    del draft["workload"], draft["holder"]
    whole = await stacked(europe, small, credential=draft)
    assert said_of(whole)["workload"] == {"ects": 5.0}


async def test_parts_are_not_smuggled_in_through_a_draft(europe: World) -> None:
    small = await parts(europe)
    smuggled = {**europe["ee"].draft(), "parts": said_of(await stacked(europe, small))["parts"]}
    refused = await europe["ee"].ask("issuer", "POST", "/credentials", {"institution": "tartu", "credential": smuggled})
    assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (422, "not-for-drafts")


async def test_a_stack_is_corrected_by_stacking_it_again(europe: World) -> None:
    small = await parts(europe)
    whole = await stacked(europe, small)
    refused = await europe["ee"].ask(
        "issuer", "POST", f"/credentials/{ref_of(whole)}/correct", {"credential": europe["ee"].draft()}
    )
    assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (409, "credential-stacked")
    again = await stacked(europe, small, replaces=ref_of(whole))
    assert (await europe["pt"].verifies(again))["verdict"] == "valid"
    assert (await europe["pt"].verifies(whole))["reason"] == "superseded"


async def test_who_may_only_issue_ends_no_stack_by_stacking_it_again(europe: World) -> None:
    small = await parts(europe)
    whole = await stacked(europe, small)
    only = f"Bearer {europe['ee'].token('credentials:issue', institution='tartu')}"
    body = {"institution": "tartu", "credential": {**europe["ee"].draft(), **LARGER}, "parts": await handed(europe, small)}
    body["replaces"] = ref_of(whole)
    refused = await europe["ee"].ask("issuer", "POST", "/credentials/stack", body, authorization=only)
    assert (refused.status_code, refused.json()["scope"]) == (403, "credentials:correct")
    await europe["ee"].settles()
    assert (await europe["ee"].verifies(whole))["verdict"] == "valid"


async def test_a_repeated_request_gets_its_answer_even_when_the_receipts_are_over(europe: World) -> None:
    small = await parts(europe)
    body = {"institution": "tartu", "credential": {**europe["ee"].draft(), **LARGER}, "parts": await handed(europe, small)}
    key = new_ref()
    first = await europe["ee"].must("issuer", "POST", "/credentials/stack", body, idempotency_key=key)
    europe["ee"].clock.shift += timedelta(minutes=11)
    assert await europe["ee"].must("issuer", "POST", "/credentials/stack", body, idempotency_key=key) == first


async def test_a_stack_is_drafted_once_and_signed_once(europe: World, monkeypatch: pytest.MonkeyPatch) -> None:
    small = await parts(europe)
    body = {"institution": "tartu", "credential": {**europe["ee"].draft(), **LARGER}, "parts": await handed(europe, small)}
    key, used = new_ref(), counted(monkeypatch)
    for times in (5, 1):
        asked = (europe["ee"].ask("issuer", "POST", "/credentials/stack", body, idempotency_key=key) for _ in range(times))
        answers = await asyncio.gather(*asked)
        assert {one.status_code for one in answers} <= {201, 409}
        assert len({one.content for one in answers if one.status_code == 201}) == 1
    assert used == Counter(dict.fromkeys(used, 1)) and len(used) == 2, "a throwaway key and the institution's, once each"

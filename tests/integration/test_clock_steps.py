"""A node whose clock steps, an hour back or a day ahead, loses nothing, says nothing twice, and makes nothing look fresh."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from shared.clock import rfc3339
from shared.events.entry import parse
from shared.ids import new_ref, topic_name
from shared.log.archive import LOG
from tests.scenes.federation import comes_true
from tests.world import SCOPE, Nation, access_token, world

BACK, AHEAD = timedelta(hours=-1), timedelta(days=1)
EITHER = pytest.mark.parametrize("step", [BACK, AHEAD], ids=["an hour back", "a day ahead"])


async def _accredits(nation: Nation) -> None:
    """An institution that has been accredited since yesterday."""
    await nation.accredits("tartu")
    since = rfc3339(nation.clock.now() - timedelta(days=1))
    institution = {"institution": "tartu", "name": "University of Tartu", "country": "EE", "scope": SCOPE}
    await nation.must("registry", "POST", "/institutions", {**institution, "valid_from": since})
    await nation.settles()


async def _said(nation: Nation, stream: str) -> list[tuple[int, str]]:
    """Sequence and kind of all that the nation has said on a stream."""
    rows = await nation.engine("registry").store.scan(LOG, prefix=topic_name(nation.name, stream) + "/", limit=5_000)
    return [(place.seq, place.kind) for place in (parse(row.body["jws"]).envelope for row in rows)]


def _reached(nation: Nation, origin: str) -> datetime:
    known = nation.engine("verifier").inbox.origin(origin).checkpoint_time
    assert known is not None
    return known


@EITHER
async def test_what_is_said_after_a_step_follows_what_was_said_before_and_counts_abroad(step: timedelta) -> None:
    async with world("ee", "pt") as europe:
        ee, pt = europe["ee"], europe["pt"]
        await _accredits(ee)
        first = await ee.issues("tartu")
        await europe.mirrors("ee", "pt")
        ref, fresh = (await pt.verifies(first))["credential"]["ref"], _reached(pt, "ee")
        ee.clock.shift = step
        await ee.revokes(ref)
        second = await ee.issues("tartu")
        await europe.mirrors("ee", "pt")
        assert (await pt.verifies(first))["reason"] == "revoked"
        told = ("indeterminate", "stale") if step == BACK else ("valid", None)

        async def is_told_at_home() -> bool:  # the node's own next checkpoint is still to come
            report = await ee.verifies(second)
            return (report["verdict"], report["reason"]) == told

        await comes_true(is_told_at_home)
        for stream in ("trust", "status", "registrations"):
            said = await _said(ee, stream)
            assert [seq for seq, _ in said] == list(range(1, len(said) + 1)), stream
        assert fresh <= _reached(pt, "ee") <= pt.clock.now(), "no checkpoint of a wrong clock counts, either way"
        assert not pt.engine("verifier").inbox.origin("ee").contradictory
        ee.clock.shift = timedelta()
        third = await ee.issues("tartu")

        async def is_fresh_again() -> bool:
            await europe.mirrors("ee", "pt")
            return _reached(pt, "ee") > fresh

        await comes_true(is_fresh_again)
        assert (await pt.verifies(third))["verdict"] == "valid"
        dated_ahead = None if step == BACK else "not-yet-valid"
        assert (await pt.verifies(second))["reason"] == dated_ahead, "by the dates inside it, which its issuer's clock gave"


async def test_a_suspension_ends_once_whatever_the_clock_does() -> None:
    async with world("ee") as europe:
        ee = europe["ee"]
        await _accredits(ee)
        credential = await ee.issues("tartu")
        ref = (await ee.verifies(credential))["credential"]["ref"]
        until = rfc3339(ee.clock.now() + timedelta(hours=2))
        await ee.must("registry", "POST", f"/credentials/{ref}/suspend", {"reason": "error", "until": until})
        ee.clock.shift = BACK
        await ee.issues("tartu")
        assert not await _is_active(ee, ref), "an hour back ends nothing"
        ee.clock.shift = AHEAD
        await comes_true(lambda: _has_said(ee, "credential.reinstated.v1"))
        for shift in (BACK, AHEAD):
            ee.clock.shift = shift
            await ee.issues("tartu")
            assert await _is_active(ee, ref)
        kinds = [kind for _, kind in await _said(ee, "status")]
        assert kinds == ["credential.suspended.v1", "credential.reinstated.v1"]


async def _has_said(nation: Nation, kind: str) -> bool:
    return kind in [said for _, said in await _said(nation, "status")]


async def _is_active(nation: Nation, ref: str) -> bool:
    return bool((await nation.must("registry", "GET", f"/credentials/{ref}"))["status"] == "active")


@EITHER
async def test_a_request_that_is_repeated_after_a_step_gets_its_first_answer(step: timedelta) -> None:
    async with world("ee") as europe:
        ee = europe["ee"]
        await _accredits(ee)
        asked = {"institution": "tartu", "credential": ee.draft()}
        key = new_ref()
        first = await ee.ask("issuer", "POST", "/credentials", asked, idempotency_key=key)
        ee.clock.shift = step
        again = await ee.ask("issuer", "POST", "/credentials", asked, idempotency_key=key)
        assert (again.status_code, again.content) == (first.status_code, first.content)
        await ee.settles()
        assert len(await _said(ee, "registrations")) == 1


async def test_a_token_of_another_time_is_refused_in_words_and_a_new_one_taken() -> None:
    async with world("ee") as europe:
        ee = europe["ee"]
        bearer = access_token(ee.home)
        for shift, taken in ((timedelta(), 200), (AHEAD, 401), (BACK, 401), (timedelta(), 200)):
            ee.clock.shift = shift
            answer = await ee.clients["registry"].get("/institutions", headers={"authorization": f"Bearer {bearer}"})
            assert answer.status_code == taken, (shift, answer.text)
            assert (await ee.ask("registry", "GET", "/institutions")).status_code == 200


@EITHER
async def test_a_status_list_is_signed_anew_after_a_step_and_says_the_same(step: timedelta) -> None:
    async with world("ee") as europe:
        ee = europe["ee"]
        await _accredits(ee)
        await ee.issues("tartu")
        before = (await ee.clients["registry"].get("/status-lists/1")).content
        ee.clock.shift = step
        after = (await ee.clients["registry"].get("/status-lists/1")).content
        assert before != after, "a list that is valid from the future, or no more, is not handed out"


async def test_no_service_calls_knowledge_from_ahead_of_its_clock_young_or_gives_it_an_age() -> None:
    async with world("ee", "pt") as europe:
        pt = europe["pt"]
        await europe.mirrors("ee", "pt")
        for step, known in ((timedelta(), True), (BACK, False), (timedelta(), True)):
            pt.clock.shift = step
            for service in pt.apps:
                nodes = [node for node in await pt.must(service, "GET", "/nodes") if node["checkpoint"]]
                assert nodes or service == "issuer", service
                for node in nodes:
                    assert (node["age_seconds"] is not None, node["fresh"]) == (known, known), (service, step, node)
                    assert not known or node["age_seconds"] >= 0

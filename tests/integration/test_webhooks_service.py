"""From a subscription over HTTP to a webhook about another nation's credential, through the whole notifier."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from standardwebhooks import Webhook

from shared.ids import new_ref
from shared.web.server.serve import serve
from tests.integration.test_webhooks import Receiver
from tests.world import Nation, World, honest, world

KINDS = ["credential.registered", "credential.revoked"]


@asynccontextmanager
async def listening(*nations: str) -> AsyncIterator[tuple[World, Receiver]]:
    """These nations, and somebody's endpoint that they may send to."""
    receiver = Receiver()
    async with serve(receiver.app(), grace=0.1) as url:
        receiver.url = f"{url}/hook"
        async with world(*nations, fetch_allow=(url.removeprefix("http://"),)) as europe:
            yield europe, receiver


@pytest.fixture
async def stage() -> AsyncIterator[tuple[World, Receiver]]:
    async with listening("ee", "pt") as made:
        yield made


@pytest.fixture
async def alone() -> AsyncIterator[tuple[World, Receiver]]:
    async with listening("pt") as made:
        yield made


async def subscribes(nation: Nation, url: str, **more: Any) -> dict[str, Any]:
    made = await nation.must("notifier", "POST", "/subscriptions", {"url": url, "kinds": KINDS, **more})
    return dict(made)


async def arrivals(receiver: Receiver, number: int) -> None:
    async with asyncio.timeout(60):
        while len(receiver.came) < number:
            await asyncio.sleep(0.01)


async def state_of(nation: Nation, subscription: str) -> list[str]:
    page = await nation.must("notifier", "GET", f"/subscriptions/{subscription}/deliveries")
    return [delivery["state"] for delivery in page["items"]]


async def test_a_revocation_abroad_reaches_who_relied_on_the_credential(stage: tuple[World, Receiver]) -> None:
    europe, receiver = stage
    ee, pt = europe["ee"], europe["pt"]
    made = await subscribes(pt, receiver.url, origins=["ee"])
    await ee.accredits("tartu")
    await ee.issues("tartu")
    await europe.mirrors("ee", "pt")
    await arrivals(receiver, 1)
    headers, body = receiver.came[0]
    told = Webhook(made["secret"]).verify(body, headers)
    assert (told["type"], told["data"]["origin"]) == ("credential.registered", "ee")
    ref = told["data"]["ref"]
    await ee.revokes(ref, reason="error")
    await europe.mirrors("ee", "pt")
    await arrivals(receiver, 2)
    headers, body = receiver.came[1]
    told = Webhook(made["secret"]).verify(body, headers)
    assert (told["type"], told["data"]["ref"], told["data"]["reason"]) == ("credential.revoked", ref, "error")
    assert told["data"]["institution"] == "urn:testamur:testamur:ee:institution:tartu"
    assert b"Specimen" not in body
    async with asyncio.timeout(60):
        while await state_of(pt, made["id"]) != ["delivered", "delivered"]:
            await asyncio.sleep(0.01)


async def test_the_same_records_from_a_mirror_twice_are_told_once(stage: tuple[World, Receiver]) -> None:
    europe, receiver = stage
    ee, pt = europe["ee"], europe["pt"]
    made = await subscribes(pt, receiver.url)
    await ee.accredits("tartu")
    await ee.issues("tartu")
    await europe.mirrors("ee", "pt", change=lambda record: [honest(record)] * 2)
    await arrivals(receiver, 1)
    page = await pt.must("notifier", "GET", f"/subscriptions/{made['id']}/deliveries")
    assert len(page["items"]) == 1


async def test_a_subscription_is_made_once_however_often_it_is_asked_for(alone: tuple[World, Receiver]) -> None:
    europe, receiver = alone
    pt, key = europe["pt"], new_ref()
    command = {"url": receiver.url, "kinds": KINDS}
    first = await pt.ask("notifier", "POST", "/subscriptions", command, idempotency_key=key)
    again = await pt.ask("notifier", "POST", "/subscriptions", command, idempotency_key=key)
    assert (first.status_code, first.content) == (again.status_code, again.content)
    listed = (await pt.must("notifier", "GET", "/subscriptions"))["items"]
    assert [one["id"] for one in listed] == [first.json()["id"]]
    assert "secret" not in listed[0]
    one = await pt.must("notifier", "GET", f"/subscriptions/{listed[0]['id']}")
    assert "secret" not in one
    assert first.headers["location"].endswith(listed[0]["id"])


async def test_another_callers_subscription_looks_as_if_it_were_not_there(alone: tuple[World, Receiver]) -> None:
    europe, receiver = alone
    pt = europe["pt"]
    mine = (await subscribes(pt, receiver.url))["id"]
    other = f"Bearer {pt.token('subscriptions:manage', subject='bert')}"
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/secret"), ("GET", "/deliveries")):
        theirs = await pt.ask("notifier", method, f"/subscriptions/{mine}{path}", authorization=other)
        nobodys = await pt.ask("notifier", method, f"/subscriptions/{new_ref()}{path}", authorization=other)
        bodies = [{**answer.json(), "trace_id": ""} for answer in (theirs, nobodys)]
        assert (theirs.status_code, bodies[0]) == (404, bodies[1])
    assert (await pt.must("notifier", "GET", "/subscriptions", authorization=other))["items"] == []


async def test_a_subscription_can_be_ended_and_its_secret_renewed(alone: tuple[World, Receiver]) -> None:
    europe, receiver = alone
    pt = europe["pt"]
    made = await subscribes(pt, receiver.url)
    renewed = await pt.must("notifier", "POST", f"/subscriptions/{made['id']}/secret")
    assert renewed["secret"] != made["secret"]
    answer = await pt.ask("notifier", "DELETE", f"/subscriptions/{made['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await pt.ask("notifier", "GET", f"/subscriptions/{made['id']}")).status_code == 404


async def test_a_delivery_can_be_sent_again(stage: tuple[World, Receiver]) -> None:
    europe, receiver = stage
    ee, pt = europe["ee"], europe["pt"]
    await subscribes(ee, receiver.url)
    await ee.accredits("tartu")
    await ee.issues("tartu")
    await arrivals(receiver, 1)
    answer = await ee.ask("notifier", "POST", f"/deliveries/{receiver.ids[0]}/redeliver")
    assert (answer.status_code, answer.json()["id"]) == (202, receiver.ids[0])
    await arrivals(receiver, 2)
    assert len(set(receiver.ids)) == 1
    assert (await pt.ask("notifier", "POST", f"/deliveries/{receiver.ids[0]}/redeliver")).status_code == 404


async def test_an_address_inside_the_network_or_without_tls_is_refused(alone: tuple[World, Receiver]) -> None:
    europe, _ = alone
    for url in ("http://127.0.0.1:9/x", "https://127.0.0.1/x", "https://[::1]/", "https://10.0.0.1/", "ftp://example.org/x"):
        answer = await europe["pt"].ask("notifier", "POST", "/subscriptions", {"url": url, "kinds": KINDS})
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/fetch-refused")
        assert url not in answer.text


async def test_a_subscription_that_makes_no_sense_is_refused(alone: tuple[World, Receiver]) -> None:
    europe, receiver = alone
    pt = europe["pt"]
    for change in (
        {"kinds": []},
        {"kinds": ["credential.issued"]},
        {"refs": [new_ref()]},
        {"origins": ["Estonia"]},
        {"institutions": ["tartu"]},
        {"more": 1},
    ):
        command = {"url": receiver.url, "kinds": KINDS, **change}
        assert (await pt.ask("notifier", "POST", "/subscriptions", command)).status_code == 422
    bare = {"authorization": f"Bearer {pt.token()}"}
    keyless = await pt.clients["notifier"].post("/subscriptions", json={"url": receiver.url, "kinds": KINDS}, headers=bare)
    assert keyless.status_code == 400
    token = f"Bearer {pt.token('verify')}"
    assert (await pt.ask("notifier", "GET", "/subscriptions", authorization=token)).status_code == 403

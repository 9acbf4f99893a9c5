"""A webhook is signed as Standard Webhooks says, tried until it is taken, and repeated only under its own id."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response

from services.notifier import handlers
from services.notifier.channels.webhook import new_secret, signed_headers
from services.notifier.delivery import Courier
from services.notifier.domain import RETRY_DELAYS_SECONDS, SubscriptionDisabled
from services.notifier.repository import DELIVERIES, DUE, SUBSCRIPTIONS
from services.notifier.settings import NotifierSettings
from shared.ids import new_ref
from shared.web.outgoing.fetch import Fetcher
from shared.web.server.serve import serve
from tests.scenes.notifier import NOW, Scene, notifier, revoked
from tests.shared_data import shared_file

Answer = Callable[[], Response]


def taken() -> Response:
    return Response(status_code=204)


class Receiver:
    """A receiver: it keeps what came, and answers as the test sets it."""

    def __init__(self) -> None:
        self.url = ""
        self.came: list[tuple[dict[str, str], bytes]] = []
        self.answer: Answer = taken
        self.arrived = asyncio.Event()
        self.holding: asyncio.Event | None = None

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.came]

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/hook")
        async def hook(request: Request) -> Response:
            self.came.append((dict(request.headers), await request.body()))
            self.arrived.set()
            if self.holding is not None:
                await self.holding.wait()
            return self.answer()

        return app


class Stage:
    """A notifier, a receiver, and what carries webhooks between them."""

    def __init__(self, scene: Scene, receiver: Receiver, fetcher: Fetcher, settings: NotifierSettings) -> None:
        self.scene, self.receiver, self._fetcher, self._settings = scene, receiver, fetcher, settings
        self.hosts = settings.fetch_allow
        self.courier = self.new_courier()

    def new_courier(self, fetcher: Fetcher | None = None) -> Courier:
        return Courier(self.scene.store, self.scene.clock, fetcher or self._fetcher, self._settings)

    async def subscribes(self, **filters: Any) -> str:
        return await self.scene.subscribes(url=self.receiver.url, **filters)

    async def secret(self, subscription: str) -> str:
        row = await self.scene.store.get(SUBSCRIPTIONS, subscription)
        assert row is not None
        return str(row.body["secret"])


@asynccontextmanager
async def staged(folder: Path, **settings: Any) -> AsyncIterator[Stage]:
    receiver = Receiver()
    async with notifier(folder) as scene, serve(receiver.app(), grace=0.1) as url:
        receiver.url = f"{url}/hook"
        made = NotifierSettings(node="pt", home=folder, fetch_allow=(url.removeprefix("http://"),), **settings)
        async with Fetcher(made.fetch_allow) as fetcher:
            yield Stage(scene, receiver, fetcher, made)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as made:
        yield made


def expected(secret: str, message: str, timestamp: str, body: bytes) -> str:
    """The signature as the specification describes it, computed without the library that the product uses."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{message}.{timestamp}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(mac.digest()).decode()


def test_the_signed_content_is_the_one_in_the_specifications_text() -> None:
    text = shared_file("vectors", "standard-webhooks", "standard-webhooks.md").read_text()
    message, timestamp = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", "1674087231"
    line = next(line for line in text.splitlines() if line.startswith(f'{message}.{timestamp}.{{"type"'))
    body, secret = line.removeprefix(f"{message}.{timestamp}."), new_secret()
    headers = signed_headers(message, datetime.fromtimestamp(int(timestamp), UTC), body, [secret])
    key = base64.b64decode(secret.removeprefix("whsec_"))
    by_hand = base64.b64encode(hmac.new(key, line.encode(), hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{by_hand}"
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == (message, timestamp)
    assert headers.keys() >= set(re.findall(r"^- `(webhook-[a-z]+)`:", text, re.MULTILINE))


def test_a_secret_is_random_and_as_long_as_the_scheme_asks() -> None:
    one, other = new_secret(), new_secret()
    assert one != other
    assert one.startswith("whsec_")
    assert 24 <= len(base64.b64decode(one.removeprefix("whsec_"))) <= 64


async def test_a_webhook_arrives_signed_and_is_marked_delivered(stage: Stage) -> None:
    subscription = await stage.subscribes()
    await stage.scene.receives(revoked(new_ref()))
    assert await stage.courier.step() == 1
    ((headers, body),) = stage.receiver.came
    timestamp = headers["webhook-timestamp"]
    assert timestamp == str(int(NOW.timestamp()))
    assert headers["webhook-signature"] == expected(await stage.secret(subscription), headers["webhook-id"], timestamp, body)
    assert "." not in headers["webhook-id"]
    assert headers["content-type"] == "application/json"
    (delivery,) = await stage.scene.log(subscription)
    assert (delivery.id, delivery.state, delivery.next_attempt) == (headers["webhook-id"], "delivered", None)
    assert [attempt.status for attempt in delivery.attempts] == [204]
    assert await stage.courier.step() == 0


async def test_a_failed_webhook_is_sent_again_by_schedule_under_its_id_and_given_up_at_last(
    stage: Stage,
) -> None:
    subscription = await stage.subscribes()
    await stage.scene.receives(revoked(new_ref()))
    stage.receiver.answer = lambda: Response(status_code=500)
    for delay in RETRY_DELAYS_SECONDS:
        assert await stage.courier.step() == 1
        assert await stage.courier.step() == 0
        stage.scene.clock.advance(seconds=delay * 1.21)
    assert await stage.courier.step() == 1
    stage.scene.clock.advance(days=30)
    assert await stage.courier.step() == 0
    (delivery,) = await stage.scene.log(subscription)
    assert (delivery.state, len(delivery.attempts)) == ("failed", len(RETRY_DELAYS_SECONDS) + 1)
    assert len(set(stage.receiver.ids)) == 1
    assert len({body for _, body in stage.receiver.came}) == 1
    assert len({headers["webhook-timestamp"] for headers, _ in stage.receiver.came}) == len(RETRY_DELAYS_SECONDS) + 1


async def test_a_receiver_that_cannot_be_reached_is_tried_again(stage: Stage) -> None:
    subscription = await stage.scene.subscribes(url="https://127.0.0.1:1/hook")
    await stage.scene.receives(revoked(new_ref()))
    await stage.courier.step()
    (delivery,) = await stage.scene.log(subscription)
    assert delivery.state == "pending"
    assert [(attempt.status, attempt.error) for attempt in delivery.attempts] == [(None, "fetch-refused")]


async def test_a_redirect_is_not_followed(stage: Stage) -> None:
    subscription = await stage.subscribes()
    await stage.scene.receives(revoked(new_ref()))
    stage.receiver.answer = lambda: Response(status_code=307, headers={"location": stage.receiver.url})
    await stage.courier.step()
    assert len(stage.receiver.came) == 1
    assert [attempt.error for attempt in (await stage.scene.log(subscription))[0].attempts] == ["fetch-failed"]


async def test_retry_after_is_heeded(stage: Stage) -> None:
    subscription = await stage.subscribes()
    await stage.scene.receives(revoked(new_ref()))
    stage.receiver.answer = lambda: Response(status_code=429, headers={"retry-after": "3600"})
    await stage.courier.step()
    (delivery,) = await stage.scene.log(subscription)
    assert delivery.next_attempt is not None
    assert (delivery.next_attempt - NOW).total_seconds() == 3600


async def test_a_receiver_that_is_gone_is_left_alone(stage: Stage) -> None:
    subscription = await stage.subscribes()
    await stage.scene.receives(revoked(new_ref()))
    await stage.scene.receives(revoked(new_ref()))
    stage.receiver.answer = lambda: Response(status_code=410)
    await stage.courier.step()
    came = len(stage.receiver.came)
    await stage.scene.receives(revoked(new_ref()))
    stage.scene.clock.advance(days=2)
    await stage.courier.step()
    assert len(stage.receiver.came) == came
    assert {delivery.state for delivery in await stage.scene.log(subscription)} <= {"failed", "cancelled"}
    with pytest.raises(SubscriptionDisabled):
        await redelivers(stage, stage.receiver.ids[0])


async def test_a_process_that_dies_after_sending_sends_again_under_the_same_id(stage: Stage) -> None:
    await stage.subscribes()
    await stage.scene.receives(revoked(new_ref()))
    stage.receiver.holding = asyncio.Event()
    dying = asyncio.create_task(stage.courier.run())
    await stage.receiver.arrived.wait()
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    stage.receiver.holding.set()
    stage.receiver.holding = None
    assert await stage.new_courier().step() == 1
    assert len(stage.receiver.ids) == 2
    assert len(set(stage.receiver.ids)) == 1


async def test_a_slow_receiver_does_not_hold_up_the_others(tmp_path: Path) -> None:
    async with staged(tmp_path, notifier_concurrency=3, notifier_per_subscription=2) as stage:
        await stage.subscribes(kinds=("credential.revoked",))
        for _ in range(4):
            await stage.scene.receives(revoked(new_ref()))
        stage.receiver.holding = asyncio.Event()
        other = Receiver()
        async with serve(other.app(), grace=0.1) as url, Fetcher((url.removeprefix("http://"), *stage.hosts)) as fetcher:
            await stage.scene.subscribes(url=f"{url}/hook", owner="bert")
            await stage.scene.receives(revoked(new_ref()))
            running = asyncio.create_task(stage.new_courier(fetcher).run())
            await other.arrived.wait()
            assert len(stage.receiver.came) == 2
            stage.receiver.holding.set()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_redelivery_sends_the_same_webhook_again(stage: Stage) -> None:
    subscription = await stage.subscribes()
    await stage.scene.receives(revoked(new_ref()))
    await stage.courier.step()
    await redelivers(stage, stage.receiver.ids[0])
    assert await stage.courier.step() == 1
    assert len(set(stage.receiver.ids)) == 1
    (delivery,) = await stage.scene.log(subscription)
    assert (delivery.state, len(delivery.attempts)) == ("delivered", 2)


async def test_a_new_secret_signs_beside_the_old_one_for_a_day(stage: Stage) -> None:
    subscription = await stage.subscribes()
    old, new = await stage.secret(subscription), new_secret()
    await stage.scene.outbox.transact(lambda unit: handlers.renew_secret(unit, "anna", subscription, new), "anna")
    for hours, secrets in ((23, [new, old]), (2, [new])):
        stage.scene.clock.advance(hours=hours)
        await stage.scene.receives(revoked(new_ref()))
        await stage.courier.step()
        headers, body = stage.receiver.came[-1]
        signed = [expected(secret, headers["webhook-id"], headers["webhook-timestamp"], body) for secret in secrets]
        assert headers["webhook-signature"].split() == signed


async def test_what_was_due_to_an_ended_subscription_is_cancelled(stage: Stage) -> None:
    subscription = await stage.subscribes()
    await stage.scene.receives(revoked(new_ref()))
    await stage.scene.outbox.transact(lambda unit: handlers.end_subscription(unit, "anna", subscription), "anna")
    await stage.courier.step()
    assert stage.receiver.came == []
    assert [delivery.state for delivery in await stage.scene.log(subscription)] == ["cancelled"]


async def test_old_deliveries_are_forgotten_and_young_ones_kept(stage: Stage) -> None:
    await stage.subscribes()
    await stage.scene.receives(revoked(new_ref()))
    stage.scene.clock.advance(days=31)
    await stage.scene.receives(revoked(new_ref()))
    assert await stage.courier.sweep() == 1
    assert len(await stage.scene.store.scan(DELIVERIES)) == 1
    assert len(await stage.scene.store.scan(DUE)) == 1


async def redelivers(stage: Stage, delivery: str) -> None:
    await stage.scene.outbox.transact(lambda unit: handlers.redeliver(unit, "anna", delivery), "anna")

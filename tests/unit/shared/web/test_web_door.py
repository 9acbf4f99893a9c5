"""The floor under every service: commands are strict, parts report their health, limits hold, a server ends gracefully."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from shared.clock import Instant, ManualClock
from shared.errors import Misconfigured, TestamurError, TooManyRequests
from shared.settings import NodeSettings
from shared.web.app import ApiSpec, make_app
from shared.web.command import Command, JsonBytes, View
from shared.web.problems import all_problems, refusal
from shared.web.ratelimit import Limiter, address_of, metered
from shared.web.server.serve import serve
from shared.web.strict import router

SETTINGS = NodeSettings.load(node="ee")
START = datetime(2026, 11, 23, tzinfo=UTC)


class Part(Command):
    number: int


class Whole(Command):
    when: Instant
    parts: tuple[Part, ...] = ()
    share: float = 1.0


def app_of(*routers: APIRouter, **more: Any) -> FastAPI:
    return make_app(ApiSpec(name="floor", title="Floor", routers=routers), SETTINGS, **more)


def client_of(app: FastAPI) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://node")


def test_a_command_reads_json_forms_of_times_and_tuples() -> None:
    raw = JsonBytes(b'{"when":"2026-11-23T20:19:00+02:00","parts":[{"number":1}],"share":1}')
    whole = TypeAdapter(Whole).validate_python(raw)
    assert whole == Whole(when=datetime(2026, 11, 23, 18, 19, tzinfo=UTC), parts=(Part(number=1),))


def test_a_command_made_in_python_stays_strict() -> None:
    with pytest.raises(ValidationError):
        Whole(when="2026-11-23T20:19:00Z")  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        Part(number=True)


def test_a_nested_command_is_one_named_schema() -> None:
    schema = Whole.model_json_schema()
    assert schema["properties"]["parts"]["items"] == {"$ref": "#/$defs/Part"}
    assert schema["additionalProperties"] is False


@given(st.lists(st.sampled_from(["body", "query", "number", "<script>", "Kadri", "a" * 50, 3]), max_size=4))
def test_a_fault_repeats_no_name_that_is_not_shaped_like_ours(steps: list[str | int]) -> None:
    error = {"type": "int_type", "loc": ("body", *steps), "msg": "Input should be a valid integer"}
    text = str(refusal([error]).document())
    assert "script" not in text
    assert "Kadri" not in text
    assert "aaaa" not in text


def test_every_problem_has_a_slug_of_its_own_a_title_and_a_fitting_status() -> None:
    problems = [one for one in all_problems() if one.__module__.startswith(("shared.", "services."))]
    slugs = [one.slug() for one in problems]
    assert len(set(slugs)) == len(slugs), sorted(slug for slug in slugs if slugs.count(slug) > 1)
    assert all(one.title.endswith(".") and 400 <= one.status < 600 for one in problems)


def test_a_router_that_reads_laxly_cannot_be_used() -> None:
    lax = APIRouter()

    @lax.post("/lax")
    async def lax_route(part: Part) -> None: ...

    with pytest.raises(TypeError, match="/lax"):
        app_of(lax)


async def test_a_service_is_ready_when_every_part_is() -> None:
    complaint: list[str | None] = ["The store does not answer."]

    async def store() -> str | None:
        return complaint[0]

    async def broken() -> str | None:
        raise OSError("secret path")

    app = app_of(checks={"store": store})
    async with client_of(app) as client:
        assert (await client.get("/healthz")).json() == {"status": "alive", "service": "floor", "node": "ee"}
        waiting = await client.get("/readyz")
        assert (waiting.status_code, waiting.json()["waiting"]) == (503, {"store": "The store does not answer."})
        assert "retry-after" in waiting.headers
        complaint[0] = None
        assert (await client.get("/readyz")).json()["status"] == "ready"
        app.state.checks["broken"] = broken
        assert "secret" not in (await client.get("/readyz")).text


async def test_a_problem_type_explains_itself_at_its_own_address() -> None:
    async with client_of(app_of()) as client:
        missing = (await client.get("/nowhere")).json()
        explained = (await client.get(missing["type"])).json()
        assert explained == {"type": missing["type"], "title": missing["title"], "status": 404}
        assert (await client.get("/problems/no-such-problem")).status_code == 404


async def test_requests_are_measured_by_route_and_never_by_address() -> None:
    routes = router()

    @routes.get("/measured/{ref}")
    async def measured(ref: str) -> None: ...

    async with client_of(app_of(routes)) as client:
        await client.get("/measured/telling")
        await client.request("FROB", "/measured/telling")
        text = (await client.get("/metrics")).text
    labels = 'method="GET",node="ee",route="/measured/{ref}",service="floor",status="200"'
    assert f"testamur_floor_request_seconds_count{{{labels}}} 1.0" in text
    assert 'method="other"' in text
    assert "telling" not in text


def test_a_bucket_gives_its_burst_then_its_rate() -> None:
    clock = ManualClock(START)
    limiter = Limiter(rate=2, burst=3, clock=clock)
    for _ in range(3):
        limiter.take("kadri")
    with pytest.raises(TooManyRequests) as refused:
        limiter.take("kadri")
    assert refused.value.headers()["Retry-After"] == "1"
    limiter.take("jaan")
    clock.advance(seconds=0.5)
    limiter.take("kadri")
    with pytest.raises(TooManyRequests):
        limiter.take("kadri")
    clock.advance(seconds=3600)
    for _ in range(3):
        limiter.take("kadri")
    with pytest.raises(TooManyRequests):
        limiter.take("kadri")


@given(st.lists(st.floats(min_value=0, max_value=3), max_size=60))
def test_no_pattern_of_requests_gets_more_than_burst_and_rate(pauses: list[float]) -> None:
    clock = ManualClock(START)
    limiter = Limiter(rate=1.5, burst=4, clock=clock)
    granted = 0
    for pause in pauses:
        clock.advance(seconds=pause)
        try:
            limiter.take("kadri")
            granted += 1
        except TooManyRequests:
            pass
    assert granted <= 4 + 1.5 * clock.monotonic() + 1e-6


def test_callers_without_end_are_forgotten_in_order() -> None:
    limiter = Limiter(rate=1, burst=1, clock=ManualClock(START), capacity=10)
    for number in range(1000):
        limiter.take(str(number))
    assert len(limiter) == 10
    with pytest.raises(TooManyRequests):
        limiter.take("999")


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::"),
        ("no:address", "unknown"),
    ],
)
def test_an_address_counts_by_its_network(host: str, network: str) -> None:
    assert address_of(Request({"type": "http", "client": (host, 1), "headers": []})) == network


async def test_an_open_route_is_limited_by_address() -> None:
    routes = router()

    @routes.get("/open", dependencies=[Depends(metered)])
    async def open_route() -> None: ...

    app = app_of(routes)
    app.state.limiters.anonymous._burst = 2
    async with client_of(app) as client:
        assert [(await client.get("/open")).status_code for _ in range(3)] == [200, 200, 429]


async def test_the_lifespan_surrounds_the_server_and_its_failure_is_the_callers() -> None:
    happened: list[str] = []

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        happened.append("opened")
        yield
        happened.append("closed")

    @asynccontextmanager
    async def failing(_app: FastAPI) -> AsyncIterator[None]:
        raise Misconfigured("No store.")
        yield

    async with serve(app_of(lifespan=lifespan)) as url, httpx2.AsyncClient() as client:
        assert (await client.get(f"{url}/healthz")).status_code == 200
        assert happened == ["opened"]
    assert happened == ["opened", "closed"]
    with pytest.raises(Misconfigured, match="No store"):
        async with serve(app_of(lifespan=failing)):
            pass


async def test_a_request_under_way_is_answered_before_the_server_ends() -> None:
    routes, arrived = router(), asyncio.Event()

    class Done(View):
        done: bool

    @routes.get("/slow")
    async def slow() -> dict[str, bool]:
        arrived.set()
        await asyncio.sleep(0.3)
        return {"done": True}

    async with httpx2.AsyncClient() as client:
        async with serve(app_of(routes)) as url:
            asking = asyncio.create_task(client.get(f"{url}/slow"))
            await arrived.wait()
        assert (await asking).json() == {"done": True}
        with pytest.raises(httpx2.ConnectError):
            await client.get(f"{url}/healthz")


async def test_a_port_that_is_taken_is_a_clear_error() -> None:
    async with serve(app_of()) as url:
        taken = int(url.rpartition(":")[2])
        with pytest.raises(Misconfigured, match="choose another: --port"):
            async with serve(app_of(), port=taken):
                pass


async def test_an_error_of_ours_carries_its_members_and_headers() -> None:
    routes = router()

    class OutOfInk(TestamurError):
        status = 503
        title = "There is no ink."

        def headers(self) -> dict[str, str]:
            return {"Retry-After": "9"}

    @routes.get("/ink")
    async def ink() -> None:
        raise OutOfInk("Fill it up.", colour="blue")

    async with client_of(app_of(routes)) as client:
        answer = await client.get("/ink")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "9")
    assert {"type": "/problems/out-of-ink", "detail": "Fill it up.", "colour": "blue"}.items() <= answer.json().items()

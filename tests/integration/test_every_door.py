"""Promise: at every door of the four services, who asks and how often is looked at before anything else is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from shared.clock import SystemClock
from shared.settings import NodeSettings
from shared.web.ratelimit import Limiters
from tests.world import SERVICES, world

BROKEN = {"content": b"{", "headers": {"Content-Type": "application/json"}}
WATCHED = {"/healthz", "/readyz", "/metrics", "/problems/{slug}"}
"""What the node's own operators and probes ask."""


def doors(app: FastAPI) -> Iterator[tuple[str, str]]:
    for path, methods in app.openapi()["paths"].items():
        if path not in WATCHED:
            yield from ((method.upper(), path) for method in methods)


@pytest.mark.parametrize("service", SERVICES)
async def test_a_stranger_is_refused_at_once_or_counted_and_never_has_anything_parsed(service: str, tmp_path: Path) -> None:
    settings = NodeSettings.load(node="ee", home=tmp_path, anonymous_rate_burst=1, anonymous_rate_per_second=0.001)
    app = SERVICES[service](settings)  # none of its parts is open: whoever gets past the door meets a fault
    answers = {}
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://ee.test") as client:
        for method, path in doors(app):
            app.state.limiters = Limiters.of(settings, SystemClock())
            address = re.sub(r"{\w+}", "x", path)
            both = [(await client.request(method, address, **BROKEN)).status_code for _ in range(2)]
            answers[method, path] = both
    assert answers
    assert not {door: both for door, both in answers.items() if both[1] != 429}
    assert not {door: both for door, both in answers.items() if door[0] != "GET" and both[0] != 401}


async def test_a_body_is_read_only_of_whom_the_route_is_for() -> None:
    async with world("ee") as europe:
        ee = europe["ee"]
        for token, status in (
            (None, 401),
            ("nonsense", 401),
            (ee.token("verify"), 403),
            (ee.token("credentials:issue"), 400),
        ):
            bearer = {"Authorization": f"Bearer {token}"} if token else {}
            for path in ("/credentials", "/cohorts"):
                answer = await ee.clients["issuer"].post(
                    path, content=b"{", headers={"Content-Type": "application/json", "Idempotency-Key": "1", **bearer}
                )
                assert answer.status_code == status, (path, answer.text)

"""How long a border takes: revoked at home, `invalid` abroad, over HTTP federation between two nodes being served."""

from __future__ import annotations

import asyncio
import socket
import statistics
import time
from pathlib import Path
from typing import Any

import httpx2

from services.node import RunningNode, running_node
from services.verifier.commands import VerifyCredential
from services.verifier.handlers import check
from shared.credential import written
from shared.home.folder import Home
from shared.ids import new_ref
from tests.bench.measure import Row, at_most
from tests.world import EXAMPLE, SCOPE, access_token, federate, found

REVOCATIONS = 60
WHAT = "revoke -> invalid abroad over HTTP federation"


async def rows(folder: Path) -> list[Row]:
    """Median and 99th percentile of the time from the request to the changed answer abroad."""
    ee, pt = (home_of(folder, name) for name in ("ee", "pt"))
    federate([ee, pt])
    async with (
        running_node(ee.settings) as home,
        running_node(pt.settings) as abroad,
        httpx2.AsyncClient(timeout=30) as http,
    ):
        await accredit(http, home, ee)
        credentials = [await issue(http, home, ee) for _ in range(REVOCATIONS)]
        for credential in credentials:
            await until(abroad, credential, "valid")
        times = [await revoked_abroad(http, home, ee, abroad, credential) for credential in credentials]
    milliseconds = sorted(1_000 * one for one in times)
    late = milliseconds[int(0.99 * (len(milliseconds) - 1))]
    return [
        at_most(
            "border-p50", "revoke -> invalid abroad over HTTP federation, median ms", statistics.median(milliseconds), 100
        ),
        at_most("border-p99", "revoke -> invalid abroad over HTTP federation, p99 ms", late, 400),
    ]


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def home_of(folder: Path, name: str, **settings: Any) -> Home:
    """A node that is served on a free port."""
    return found(folder / name, name, port=free_port(), fetch_allow=("127.0.0.0/8",), **settings)


async def _ask(
    http: httpx2.AsyncClient, node: RunningNode, home: Home, path: str, body: Any = None, who: str = "someone"
) -> Any:
    headers = {"authorization": f"Bearer {access_token(home, subject=who)}", "idempotency-key": new_ref()}
    answer = await http.post(f"{node.url}{path}", json=body, headers=headers)
    answer.raise_for_status()
    return answer.json()


async def accredit(http: httpx2.AsyncClient, node: RunningNode, home: Home) -> None:
    """An institution with a key, at home."""
    institution = {"institution": "tartu", "name": "University of Tartu", "country": "EE", "scope": SCOPE}
    await _ask(http, node, home, "/registry/institutions", institution)
    key = await _ask(http, node, home, "/issuer/institutions/tartu/keys")
    await _ask(http, node, home, "/registry/institutions/tartu/keys", {"kid": key["kid"], "jwk": key["jwk"]})


async def issue(http: httpx2.AsyncClient, node: RunningNode, home: Home) -> dict[str, Any]:
    """A credential, as the issuer answers."""
    body = {"institution": "tartu", "credential": written.read(EXAMPLE.read_bytes())}
    for _ in range(200):
        try:
            return dict(await _ask(http, node, home, "/issuer/credentials", body))
        except httpx2.HTTPStatusError:
            await asyncio.sleep(0.02)  # the issuer hears of the accreditation a moment later
    raise TimeoutError("the issuer never heard of the accreditation")


async def revoke(http: httpx2.AsyncClient, home: RunningNode, keys: Home, credential: dict[str, Any]) -> None:
    """Ten single revocations an hour are one administrator's share, so each has an administrator of its own here."""
    await _ask(http, home, keys, f"/registry/credentials/{credential['ref']}/revoke", {"reason": "error"}, who=new_ref())


async def revoked_abroad(
    http: httpx2.AsyncClient, home: RunningNode, keys: Home, abroad: RunningNode, credential: dict[str, Any]
) -> float:
    """Seconds from the request at home to the changed answer abroad."""
    start = time.perf_counter()
    asked = asyncio.create_task(revoke(http, home, keys, credential))
    await until(abroad, credential, "invalid")
    taken = time.perf_counter() - start
    await asked
    return taken


async def until(abroad: RunningNode, credential: dict[str, Any], verdict: str, patience: float = 30) -> None:
    """Ask abroad until it answers so."""
    context = abroad.apps["verifier"].state.context
    question = VerifyCredential(credential=credential["credential"])
    async with asyncio.timeout(patience):
        while (await check(context, question)).verdict.value != verdict:
            await asyncio.sleep(0.001)

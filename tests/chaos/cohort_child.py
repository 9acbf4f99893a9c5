"""A nation in a process of its own that issues a cohort, to be killed: `main(HOME, MODE, [POINT])`.

- `prepare`: an institution that may issue. `accept`: a cohort is accepted, and the process dies at the third chunk.
- `look`: runs without a trap until the job has ended and everything settled, and prints what is true as one JSON line.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from services.issuer.cohorts import worker
from services.issuer.credentials.repository import CREDENTIAL_KEYS, CREDENTIALS
from shared.events.entry import parse
from shared.home.folder import Home
from shared.ids import topic_name
from shared.log.archive import LOG
from tests.chaos.child import settings
from tests.scenes.cohort import body, csv
from tests.world import Nation, running

LEARNERS = 430
FATAL = 3
"""The chunk at which the process dies."""
POINTS: dict[str, tuple[Any, str, bool]] = {
    "a chunk, drafted and not kept": (worker, "keep", True),
    "a chunk, in its transaction, before the commit": (worker, "keep", False),
    "a chunk, after its commit": (worker.Worker, "_issue", False),
}
"""Where the process dies: the function, and whether before or after it did its work."""


def arm(point: str) -> None:
    """Kill this process, without a word, at the third passage of a point."""
    owner, name, before = POINTS[point]
    real: Callable[..., Any] = getattr(owner, name)
    left = FATAL

    async def trapped(*args: Any) -> Any:
        nonlocal left
        left -= 1
        if before and left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        result = await real(*args)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, trapped)


async def accept(nation: Nation) -> None:
    """Have a cohort accepted, say which references it has, and wait for the end."""
    asked = body(csv(LEARNERS))
    made = await nation.must("issuer", "POST", "/cohorts", asked)
    print(f"accepted {made['id']}", flush=True)
    await asyncio.sleep(60)


async def look(nation: Nation) -> None:
    """What is true once the job has ended."""
    async with asyncio.timeout(60):
        while not (stands := (await nation.must("issuer", "GET", "/cohorts"))["items"][0])["ended"]:
            await asyncio.sleep(0.05)
    await nation.settles(60)
    answer = await nation.ask("issuer", "GET", f"/cohorts/{stands['id']}/result")
    store = nation.engine("issuer").store
    said, after = [], ""
    while rows := await store.scan(LOG, prefix=topic_name("ee", "issuance") + "/", after=after):
        said += [parse(row.body["jws"]).envelope.sub for row in rows]
        after = rows[-1].key
    true = {
        "stands": stands,
        "rows": [orjson.loads(line) for line in answer.content.splitlines()],
        "said": said,
        "credentials": await store.count(CREDENTIALS),
        "keys": await store.count(CREDENTIAL_KEYS),
    }
    print(orjson.dumps(true).decode(), flush=True)


async def main(home: Path, mode: str, *more: str) -> None:
    """Do what the words say."""
    async with running(Home(settings(home))) as nation:
        if mode == "prepare":
            await nation.accredits("tartu")
        elif mode == "accept":
            arm(more[0])
            await accept(nation)
        else:
            await look(nation)

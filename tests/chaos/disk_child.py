"""A nation on a disk that fills up: `python -m tests.chaos.disk_child FOLDER`, where a small file system is mounted.

Prints as one JSON line what was acknowledged while the disk filled up, what the node said then, and what is true once it was
started again with room to write.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import orjson

from shared.clock import SystemClock
from shared.events.entry import parse
from shared.home.folder import Home
from shared.ids import topic_name
from shared.log.archive import LOG
from tests.chaos.child import settings
from tests.world import Nation, running

ROOM = 512 * 1024
"""What is left on the disk when the load begins: less than a few credentials take."""


def fill(ballast: Path) -> None:
    """Fill the disk up to the last few bytes that the node then asks for."""
    free = os.statvfs(ballast.parent)
    with ballast.open("wb") as file:
        file.write(bytes(free.f_bavail * free.f_frsize - ROOM))


async def issue(nation: Nation) -> Any:
    """Ask for one credential."""
    body = {"institution": "tartu", "credential": nation.draft()}
    return await nation.ask("issuer", "POST", "/credentials", body)


async def until_it_is_full(home: Home, ballast: Path) -> dict[str, Any]:
    """Issue until the disk refuses, and see what the node says from then on, also with room again."""
    acknowledged = []
    async with running(home) as nation:
        await nation.accredits("tartu")
        fill(ballast)
        async with asyncio.timeout(60):
            while (answer := await issue(nation)).status_code == 201:
                acknowledged.append(answer.json()["ref"])
        os.unlink(ballast)  # noqa: PTH108 - one call, nothing to wait for
        again = await issue(nation)
        ready = await nation.clients["issuer"].get("/readyz")
        return {
            "acknowledged": acknowledged,
            "refused": [answer.status_code, answer.json()["detail"]],
            "again": again.status_code,
            "ready": ready.status_code,
        }


async def afterwards(home: Home) -> dict[str, Any]:
    """What is true once it was started again."""
    async with running(home) as nation:
        answer = await issue(nation)
        await nation.settles()
        made = await nation.must("issuer", "GET", "/credentials?limit=200")
        rows = await nation.engine("registry").store.scan(LOG, prefix=topic_name("ee", "registrations") + "/", limit=5_000)
        chain = [parse(row.body["jws"]).envelope for row in rows]
        return {
            "goes_on": answer.status_code,
            "issuer": {one["ref"]: one["status"] for one in made["items"]},
            "registered": [place.sub for place in chain],
            "sequences": [place.seq for place in chain],
        }


async def main() -> None:
    """Fill the disk under a node, and start it again."""
    folder = Path(sys.argv[1])
    home = Home(settings(folder / "ee"))
    home.set_up(SystemClock().now())
    full = await until_it_is_full(home, folder / "ballast")
    print(orjson.dumps({**full, **await afterwards(Home(home.settings))}).decode(), flush=True)


if __name__ == "__main__":
    asyncio.run(main())

"""A nation in a process of its own that rotates its keys, to be killed: `main(HOME, MODE, [POINT])`.

- `prepare`: an institution that may issue. `rotate`: rotates every key while it issues, and dies at a point.
- `look`: rotates what is left, runs without a trap until everything settled, and prints what is true as one JSON line.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from services.registry.trust import service_keys
from shared.home import rotation
from shared.home.folder import CERTIFIED, Home
from shared.home.generations import UNCERTIFIED, Generations
from shared.log.sequencer import Sequencer
from tests.chaos.child import settings
from tests.scenes.rotation import EVERY, entries, has_retired, kids, refused, retired, rotates
from tests.world import Nation, running

POINTS: dict[str, tuple[Any, str, bool, int]] = {
    "the end of the old key noted, nothing made": (Generations, "retire", False, 1),
    "the new key made and not certified": (rotation, "request", False, 2),
    "the certificate, before it is in place": (Generations, "certify", True, 3),
    "the certificate, in place and not announced": (Generations, "certify", False, 4),
    "the announcement, before its commit": (service_keys, "announce_service_keys", True, 2),
    "the announcement, after its commit": (service_keys, "announce_service_keys", False, 2),
    "an end, said and not committed": (service_keys.repository, "retire", False, 1),
    "an end, before it is said": (service_keys, "_retire", True, 2),
    "an end, after its commit": (service_keys, "_retire", False, 3),
    "an entry about a key, before its commit": (Sequencer, "_commit", True, 9),
    "an entry about a key, after its commit": (Sequencer, "_commit", False, 10),
    "an entry about a key, stored and not learnt": (Sequencer, "_learn", True, 12),
}
"""Where the process dies: the function, whether before or after it did its work, and at which passage."""


def arm(point: str) -> None:
    """Kill this process, without a word, at a point."""
    owner, name, before, left = POINTS[point]
    real: Callable[..., Any] = getattr(owner, name)

    def passes() -> bool:
        nonlocal left
        left -= 1
        return left == 0

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def trapped(*args: Any) -> Any:
        fatal = passes()
        if fatal and before:
            die()
        result = real(*args)
        if not asyncio.iscoroutine(result):
            if fatal:
                die()
            return result

        async def awaited() -> Any:
            value = await result
            if fatal:
                die()
            return value

        return awaited()

    setattr(owner, name, trapped)


async def rotate(nation: Nation) -> None:
    """Rotate every key while credentials are issued; says of each what was acknowledged."""
    await asyncio.to_thread(rotates, nation.home, *rotation.ROTATED)
    for _ in range(40):
        made = await nation.must("issuer", "POST", "/credentials", {"institution": "tartu", "credential": nation.draft()})
        print(f"issued {made['ref']}", flush=True)
        await asyncio.sleep(0.1)


async def look(nation: Nation) -> None:
    """Finish what was begun, as an operator would by repeating the command, and say what is true once everything settled."""
    home = nation.home
    rotates(home, *(name for name in CERTIFIED if len(home.generations.of(name)) == 1))
    if len(home.generations.of(UNCERTIFIED)) == 1:
        rotates(home, UNCERTIFIED)
    credential = await nation.issues("tartu")
    async with asyncio.timeout(60):
        while not await has_retired(nation, *EVERY):  # the issuer's key ends with the first credential after it
            credential = await nation.issues("tartu")
            await asyncio.sleep(0.3)
    await nation.settles()
    issued = await nation.must("issuer", "GET", "/credentials?limit=200")
    true = {
        "chains": {
            stream: [
                [one.envelope.seq, one.envelope.kind, one.envelope.sub, one.envelope.kid]
                for one in await entries(nation, stream)
            ]
            for stream in ("trust", "registrations")
        },
        "kids": {name: kids(home, name) for name in CERTIFIED},
        "retired": await retired(nation),
        "refused": await refused(nation),
        "issued": {one["ref"]: one["status"] for one in issued["items"]},
        "verdict": (await nation.verifies(credential))["verdict"],
    }
    print(orjson.dumps(true).decode(), flush=True)


async def main(home: Path, mode: str, *more: str) -> None:
    """Do what the words say."""
    if mode == "rotate":
        arm(more[0])
    async with running(Home(settings(home))) as nation:
        if mode == "prepare":
            await nation.accredits("tartu")
        elif mode == "rotate":
            await rotate(nation)
        else:
            await look(nation)

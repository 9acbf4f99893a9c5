"""A nation in a process of its own, made to be killed: `python -m tests.chaos.child HOME MODE [POINT SEED WEBHOOK]`.

- `work`: arms one point of the path, then issues and revokes, and prints a line for each answer it gave (acknowledged).
- `look`: runs without a trap until everything settled, and prints what is true as one JSON line.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from services.notifier.delivery import Courier
from services.notifier.repository import DELIVERIES
from services.verifier.repository import FACTS
from shared.bus.inbox import Inbox
from shared.bus.listener import Listener
from shared.bus.log import LOG
from shared.bus.outbox import Outbox
from shared.bus.relay import Relay
from shared.bus.sequencer import Sequencer
from shared.events.entry import parse
from shared.home import Home
from shared.ids import topic_name
from shared.settings import NodeSettings
from tests.world import Nation, running

ISSUED = 6
POINTS: dict[str, tuple[type, str, bool]] = {
    "request, before its commit": (Outbox, "transact", True),
    "request, after its commit": (Outbox, "transact", False),
    "sequencer, before its commit": (Sequencer, "_commit", True),
    "sequencer, after its commit": (Sequencer, "_commit", False),
    "relay, before it publishes": (Relay, "_publish", True),
    "relay, published and not marked": (Relay, "_mark", True),
    "relay, marked": (Relay, "_mark", False),
    "consumer, before its transaction": (Inbox, "_transact", True),
    "consumer, after its transaction": (Inbox, "_transact", False),
    "consumer, after its offset": (Listener, "_take", False),
    "webhook, before it is sent": (Courier, "_send", True),
    "webhook, sent and not marked": (Courier, "_send", False),
}
"""Where the process dies: the function, and whether before or after it did its work."""


def settings(home: Path) -> NodeSettings:
    """The child's settings; webhooks go to the parent on this machine."""
    return NodeSettings(
        node="ee", home=home, rate_per_second=10_000, rate_burst=100_000, fetch_allow=("127.0.0.0/8",), log_level="error"
    )


def arm(point: str, seed: int) -> None:
    """Kill this process, without a word, at the n-th passage of a point; the seed chooses n."""
    owner, name, before = POINTS[point]
    real: Callable[..., Any] = getattr(owner, name)
    left = random.Random(f"{point}/{seed}").randint(1, 4)

    async def trapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        left -= 1
        fatal = left == 0
        if before and fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        result = await real(*args, **kwargs)
        if fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, trapped)


async def prepare(nation: Nation, webhook: str) -> None:
    """An institution that may issue, and a receiver of webhooks."""
    await nation.accredits("tartu")
    subscription = {"url": webhook, "kinds": ["credential.registered", "credential.revoked"]}
    await nation.must("notifier", "POST", "/subscriptions", subscription)


async def work(nation: Nation) -> None:
    """Issue and revoke, saying of each what was acknowledged."""
    for number in range(ISSUED):
        made = await nation.must("issuer", "POST", "/credentials", {"institution": "tartu", "credential": nation.draft()})
        print(f"issued {made['ref']}", flush=True)
        await nation.settles()
        if number % 2:
            await nation.must("registry", "POST", f"/credentials/{made['ref']}/revoke", {"reason": "error"})
            print(f"revoked {made['ref']}", flush=True)
    await nation.settles()
    await asyncio.sleep(1.0)
    print("finished", flush=True)


async def look(nation: Nation) -> None:
    """What is true once everything settled."""
    await nation.settles()
    async with asyncio.timeout(20):
        while await _undelivered(nation):
            await asyncio.sleep(0.05)
    registry, verifier = nation.engine("registry").store, nation.engine("verifier").store
    chains = {}
    for stream in ("trust", "status", "registrations"):
        rows = await registry.scan(LOG, prefix=topic_name("ee", stream) + "/")
        chains[stream] = [
            [entry.envelope.seq, entry.envelope.knd, entry.envelope.sub]
            for row in rows
            for entry in [parse(row.body["jws"])]
        ]
    seen = [row.key for row in await verifier.scan(FACTS)]
    made = await nation.must("issuer", "GET", "/credentials?limit=200")
    true = {"chains": chains, "facts": seen, "issuer": {one["ref"]: one["status"] for one in made["items"]}}
    print(orjson.dumps(true).decode(), flush=True)


async def _undelivered(nation: Nation) -> bool:
    rows = await nation.engine("notifier").store.scan(DELIVERIES)
    return any(row.body["state"] == "pending" for row in rows)


async def main() -> None:
    """Do what the command line says."""
    home, mode, *more = sys.argv[1:]
    async with running(Home(settings(Path(home)))) as nation:
        if mode == "prepare":
            await prepare(nation, more[0])
        elif mode == "work":
            arm(more[0], int(more[1]))
            await work(nation)
        else:
            await look(nation)


if __name__ == "__main__":
    asyncio.run(main())

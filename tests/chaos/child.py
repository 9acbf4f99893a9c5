"""A nation in a process of its own, made to be killed: `main(HOME, MODE, [POINT, SEED, WEBHOOK])` (tests/forked.py).

- `work`: arms one point of the path if it is given any, then issues and revokes, and prints a line for each answer it gave
  (acknowledged).
- `recover`: arms one point of taking back what a restored store has forgotten, and waits until all of it is back.
- `show`: waits for that as well, and prints the log, the register and what is lost as one JSON line.
- `look`: runs without a trap until everything settled, and prints what is true as one JSON line.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from services.issuer.credentials.repository import LOST_CREDENTIALS
from services.notifier.delivery import Courier
from services.notifier.repository import DELIVERIES
from services.registry.credentials.repository import CREDENTIALS, REFUSALS
from services.registry.status.handlers import StatusLists
from services.verifier.repository import FACTS
from shared.errors import Unavailable
from shared.events.base import CHECKPOINTS, PUBLIC
from shared.events.entry import parse
from shared.home.folder import Home
from shared.ids import topic_name
from shared.inbox.inbox import Inbox
from shared.inbox.listener import Listener
from shared.jose import gate
from shared.jose.purpose import CREDENTIAL
from shared.log.archive import LOG
from shared.log.outbox import Outbox
from shared.log.relay import Relay
from shared.log.sequencer import Sequencer
from shared.recovery import recovery
from shared.recovery.recovery import Recovery
from shared.settings import NodeSettings
from shared.status.bitstring import decode, is_set
from tests.world import Nation, running

ISSUED = 6
POINTS: dict[str, tuple[type, str, str]] = {
    "request, before its commit": (Outbox, "transact", "before"),
    "request, after its commit": (Outbox, "transact", "after"),
    "sequencer, before its commit": (Sequencer, "_commit", "before"),
    "sequencer, once it has stored anything": (Sequencer, "_commit", "amid"),
    "sequencer, after its commit": (Sequencer, "_commit", "after"),
    "relay, before it publishes": (Relay, "_publish", "before"),
    "relay, published and not marked": (Relay, "_mark", "before"),
    "relay, marked": (Relay, "_mark", "after"),
    "consumer, before its transaction": (Inbox, "_transact", "before"),
    "consumer, after its transaction": (Inbox, "_transact", "after"),
    "consumer, after its store was away": (Inbox, "_transact", "refused"),
    "consumer, after its offset": (Listener, "_take", "after"),
    "status list, before it is signed": (StatusLists, "_publish", "before"),
    "status list, signed and not handed out": (StatusLists, "_publish", "after"),
    "webhook, before it is sent": (Courier, "_send", "before"),
    "webhook, sent and not marked": (Courier, "_send", "after"),
}
"""Where the process dies: the function, and when. `before` or `after` it did its work; `amid` it, as soon as it has stored
anything, which must be all of it; or once it was `refused` by a store that is away, and has gone on from there.
"""

RECOVERY_POINTS: dict[str, tuple[type, str, str]] = {
    "recovery, before its transaction": (Recovery, "_take", "before"),
    "recovery, once it has stored anything": (Recovery, "_take", "amid"),
    "recovery, after its transaction": (Recovery, "_take", "after"),
    "recovery, all taken back and the numbers not": (Recovery, "_number_on", "before"),
}
"""The same, while a store that was set back is brought up to what others hold."""


def settings(home: Path) -> NodeSettings:
    """The child's settings; webhooks go to the parent on this machine."""
    return NodeSettings(
        node="ee", home=home, rate_per_second=10_000, rate_burst=100_000, fetch_allow=("127.0.0.0/8",), log_level="error"
    )


def arm(point: str, seed: int) -> None:
    """Kill this process, without a word, at the n-th passage of a point; the seed chooses n."""
    owner, name, when = (POINTS | RECOVERY_POINTS)[point]
    real: Callable[..., Any] = getattr(owner, name)
    left = 1 if name == "_number_on" else random.Random(f"{point}/{seed}").randint(1, 4)

    async def trapped(this: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal left
        left -= 1
        if left:
            return await real(this, *args, **kwargs)
        if when == "before":
            _die()
        elif when == "refused":
            _die_after(Listener, "_take", lambda listener: listener._inbox is this)
            raise Unavailable("The store is away, says the test.")
        elif when == "amid":
            _die_after(type(this._store), "transact", lambda store: store is this._store)
        result = await real(this, *args, **kwargs)
        _die()
        return result

    setattr(owner, name, trapped)


def _die_after(owner: type, name: str, meant: Callable[[Any], bool]) -> None:
    """Kill this process when that function of the object that is meant has done its work."""
    real: Callable[..., Any] = getattr(owner, name)

    async def last(this: Any, *args: Any, **kwargs: Any) -> Any:
        result = await real(this, *args, **kwargs)
        if meant(this):
            _die()
        return result

    setattr(owner, name, last)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


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
        await nation.clients["registry"].get("/status-lists/1")
    await nation.settles()
    await asyncio.sleep(1.0)
    print("finished", flush=True)


async def look(nation: Nation) -> None:
    """What is true once everything settled."""
    await nation.settles()
    async with asyncio.timeout(60):
        while await _undelivered(nation):
            await asyncio.sleep(0.05)
    registry, verifier = nation.engine("registry").store, nation.engine("verifier").store
    chains = {}
    for stream in ("trust", "status", "registrations"):
        rows = await registry.scan(LOG, prefix=topic_name("ee", stream) + "/")
        chains[stream] = [
            [entry.envelope.seq, entry.envelope.kind, entry.envelope.sub]
            for row in rows
            for entry in [parse(row.body["jws"])]
        ]
    seen = [row.key for row in await verifier.scan(FACTS)]
    refused = [row.key for row in await registry.scan(REFUSALS)]
    made = await nation.must("issuer", "GET", "/credentials?limit=200")
    true = {
        "chains": chains,
        "listed": await _listed(nation),
        "facts": seen,
        "refused": refused,
        "issuer": {one["ref"]: one["status"] for one in made["items"]},
    }
    print(orjson.dumps(true).decode(), flush=True)


async def _listed(nation: Nation) -> list[int]:
    """The places that the status list says are revoked; there is no list where nothing was ever registered."""
    answer = await nation.clients["registry"].get("/status-lists/1")
    if answer.status_code == 404:
        return []
    listed = gate.claims(gate.read(answer.content, typ=CREDENTIAL))
    bits = decode(listed["credentialSubject"]["encodedList"])
    return [index for index in range(len(bits) * 8) if is_set(bits, index)]


async def _undelivered(nation: Nation) -> bool:
    rows = await nation.engine("notifier").store.scan(DELIVERIES)
    return any(row.body["state"] == "pending" for row in rows)


async def recover(nation: Nation) -> None:
    """Wait until nothing is missing any more."""
    for service in ("registry", "issuer"):
        await nation.engine(service).continuity.log_complete.until(on=True)


async def show(nation: Nation) -> None:
    """The log, the register and what is lost, once nothing is missing any more and everything settled."""
    await recover(nation)
    await nation.settles()
    registry, issuer = nation.engine("registry").store, nation.engine("issuer").store
    own = [
        row
        for stream in PUBLIC
        if stream != CHECKPOINTS.name
        for row in await registry.scan(LOG, prefix=f"testamur.ee.{stream}.")
    ]
    members = ("status", "reason", "effective", "status_list", "status_index", "commitments", "institution", "kid")
    held = {row.key: [row.body[name] for name in members] for row in await registry.scan(CREDENTIALS)}
    true = {
        "chains": [row.body["jws"] for row in own],
        "credentials": held,
        "lost": [row.key for row in await issuer.scan(LOST_CREDENTIALS)],
    }
    print(orjson.dumps(true).decode(), flush=True)


async def main(home: Path, mode: str, *more: str) -> None:
    """Do what the words say."""
    if mode == "recover":
        recovery.BATCH_ENTRIES = 2  # so that there are several
        arm(more[0], int(more[1]))
    async with running(Home(settings(home))) as nation:
        if mode == "prepare":
            await prepare(nation, more[0])
        elif mode == "work":
            if more:
                arm(more[0], int(more[1]))
            await work(nation)
        elif mode == "recover":
            await recover(nation)
        elif mode == "show":
            await show(nation)
        else:
            await look(nation)

"""A process that dies while it writes loses nothing that it acknowledged, and leaves no transaction half done.

Killing a process shows the order of commit and answer; what a power cut does is up to `synchronous=FULL`.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from shared.bus.open import open_bus
from shared.store.open import open_store
from shared.store.port import Collection, Index, Transaction

ROOT = Path(__file__).resolve().parents[2]
PAIRS = Collection("pairs", (Index(("half",)),))
KILLS = 3

_CHILD = """
import asyncio, os, resource, sys
from shared.bus.open import open_bus
from shared.bus.port import Message
from shared.errors import Unavailable
from shared.store.open import open_store
from tests.chaos.test_sqlite_power import PAIRS

what, url, first, most_bytes = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])

def say(line):
    os.write(1, line.encode() + b"\\n")

async def write_pair(store, n):
    async def work(tx):
        await tx.insert(PAIRS, f"left-{n:06}", {"half": "left", "fill": "x" * 200})
        await tx.insert(PAIRS, f"right-{n:06}", {"half": "right", "fill": "x" * 200})
    await store.transact(work)
    say(str(n))

async def write_batch(bus, n):
    offset = await bus.append("t", [Message("k", b"%d" % n, ())] * 3)
    say(f"{n} {offset}")

async def main():
    opened = await (open_store(url, "power", [PAIRS]) if what == "store" else open_bus(url))
    write = write_pair if what == "store" else write_batch
    if most_bytes:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, resource.RLIM_INFINITY))
    n = first
    try:
        while True:
            await asyncio.gather(*[write(opened, n + more) for more in range(8)])
            n += 8
    except Unavailable:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    for again in (lambda: write(opened, n), lambda: opened.get(PAIRS, "a") if what == "store" else opened.end("t")):
        try:
            await again()
            say("it went on")
        except Unavailable as error:
            say(error.detail)
    os._exit(0)

asyncio.run(main())
"""


def run(what: str, folder: Path, first: int, most_bytes: int = 0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _CHILD, what, f"sqlite:///{folder}", str(first), str(most_bytes)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


def killed_after(child: subprocess.Popen[str], lines: int) -> list[str]:
    """What the child acknowledged until it was killed, some time after that many lines."""
    assert child.stdout is not None
    said = [child.stdout.readline() for _ in range(lines)]
    child.kill()
    said += child.stdout.readlines()
    child.wait()
    child.stdout.close()
    return [line for line in said if line.endswith("\n")]


async def pairs_in(folder: Path) -> tuple[set[int], set[int]]:
    store = await open_store(f"sqlite:///{folder}", "power", [PAIRS])
    halves = []
    for half in ("left", "right"):
        rows = await store.scan(PAIRS, where={"half": half}, limit=1_000_000)
        halves.append({int(row.key.partition("-")[2]) for row in rows})
    await store.close()
    return halves[0], halves[1]


async def test_a_killed_store_keeps_what_it_acknowledged_and_no_half_transaction(tmp_path: Path) -> None:
    seeded = random.Random(20260616)
    acknowledged: set[int] = set()
    first = 0
    for _ in range(KILLS):
        said = killed_after(run("store", tmp_path, first), seeded.randrange(20, 400))
        acknowledged |= {int(line) for line in said}
        left, right = await pairs_in(tmp_path)
        assert left == right
        assert acknowledged <= left
        first = max(left) + 1


async def test_a_killed_bus_keeps_what_it_acknowledged_in_unbroken_offsets(tmp_path: Path) -> None:
    seeded = random.Random(20260617)
    acknowledged: dict[int, str] = {}
    for kill in range(KILLS):
        for line in killed_after(run("bus", tmp_path, 1_000_000 * kill), seeded.randrange(20, 400)):
            value, offset = line.split()
            acknowledged[int(offset)] = value
        bus = await open_bus(f"sqlite:///{tmp_path}")
        consumer = bus.consumer("after")
        consumer.follow(["t"])
        records = await consumer.poll(1_000_000, 0)
        await bus.close()
        assert [record.offset for record in records] == list(range(1, len(records) + 1))
        assert len(records) % 3 == 0
        assert all(records[offset - 1].value.decode() == value for offset, value in acknowledged.items())


@pytest.mark.parametrize("what", ["store", "bus"])
async def test_after_a_refused_write_nothing_is_tried_again_and_nothing_acknowledged_is_lost(
    tmp_path: Path, what: str
) -> None:
    output = run(what, tmp_path, 0, most_bytes=300_000).communicate(timeout=60)[0].splitlines()
    *acknowledged, write_again, read_again = output
    assert len(acknowledged) > 8
    assert "restart" in write_again
    assert "restart" in read_again
    if what == "store":
        left, right = await pairs_in(tmp_path)
        assert left == right
        assert {int(line) for line in acknowledged} <= left
    else:
        bus = await open_bus(f"sqlite:///{tmp_path}")
        assert await bus.end("t") >= max(int(line.split()[1]) for line in acknowledged)
        await bus.close()


async def test_a_reopened_store_takes_new_work_after_a_kill(tmp_path: Path) -> None:
    killed_after(run("store", tmp_path, 0), 10)
    store = await open_store(f"sqlite:///{tmp_path}", "power", [PAIRS])

    async def work(tx: Transaction) -> None:
        await tx.insert(PAIRS, "new", {"half": "none"})

    await store.transact(work)
    assert await store.count(PAIRS, {"half": "none"}) == 1
    await store.close()

"""A disk that is full, or whose sync fails, ends the writing: nothing is tried again, and nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.test_sqlite_power import pairs_in
from tests.shared_data import ROOT

SYNCS = {"x86_64": (0xC000003E, (74, 75)), "aarch64": (0xC00000B7, (82, 83))}
"""By machine: its number (linux/audit.h), and those of its system calls `fsync` and `fdatasync` (asm/unistd.h)."""

_CHILD = """
import asyncio, ctypes, errno, os, struct, sys
from pathlib import Path
from shared.errors import Unavailable
from shared.store.open import open_store
from tests.chaos.test_disk_faults import SYNCS
from tests.chaos.test_sqlite_power import PAIRS

folder, machine = Path(sys.argv[1]), sys.argv[2]

def break_the_disk():
    \"\"\"Have the kernel answer EIO to every sync of this thread, for ever (seccomp, filter mode).\"\"\"
    arch, (fsync, fdatasync) = SYNCS[machine]
    rules = [(0x20, 0, 0, 4), (0x15, 0, 4, arch), (0x20, 0, 0, 0), (0x15, 1, 0, fsync), (0x15, 0, 1, fdatasync),
             (0x06, 0, 0, 0x00050000 | errno.EIO), (0x06, 0, 0, 0x7FFF0000)]
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
    libc = ctypes.CDLL(None, use_errno=True)
    header = struct.pack("HxxxxxxP", len(rules), ctypes.addressof(program))
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.create_string_buffer(header), 0, 0):
        os.write(1, b"no seccomp\\n")
        os._exit(0)

async def write_pair(store, n):
    async def work(tx):
        if n == 40:
            break_the_disk()  # transactions run on the writer's own thread, which syncs after this
        await tx.insert(PAIRS, f"left-{n:06}", {"half": "left"})
        await tx.insert(PAIRS, f"right-{n:06}", {"half": "right"})
    await store.transact(work)
    print(n, flush=True)

async def main():
    store = await open_store(f"sqlite:///{folder}", "power", [PAIRS])
    n = 0
    try:
        while n < 80:
            await write_pair(store, n)
            n += 1
    except Unavailable as error:
        print(error.detail, flush=True)
    wal = next(folder.glob("*-wal"))
    before = (wal.stat().st_size, wal.stat().st_mtime_ns, wal.read_bytes())
    for again in (lambda: write_pair(store, n + 1), lambda: store.get(PAIRS, "a")):
        try:
            await again()
            print("it went on", flush=True)
        except Unavailable as error:
            print(error.detail, flush=True)
    print(before == (wal.stat().st_size, wal.stat().st_mtime_ns, wal.read_bytes()), flush=True)
    os._exit(0)

asyncio.run(main())
"""


def in_its_own_mounts(folder: Path, size: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command with a file system of that size on the folder, which nobody else sees; skips where none may be."""
    mount = f'mount -t tmpfs -o size={size},mode=700 tmpfs "$0" || exit 99; exec "$@"'
    unshared = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, str(folder), *command]
    try:
        done = subprocess.run(unshared, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)
    except FileNotFoundError:
        pytest.skip("this machine has no `unshare`, which mounts a disk that may be filled")
    if done.returncode == 99 or "unshare failed" in done.stderr:
        pytest.skip(f"a disk that may be filled cannot be mounted here: {done.stderr.strip()}")
    return done


def test_a_node_whose_disk_is_full_says_so_and_has_lost_nothing_when_it_is_started_again(tmp_path: Path) -> None:
    done = in_its_own_mounts(tmp_path, "32m", sys.executable, "-m", "tests.chaos.disk_child", str(tmp_path))
    assert done.returncode == 0, done.stderr
    true = json.loads(done.stdout.splitlines()[-1])
    status, detail = true["refused"]
    assert (status, true["again"], true["ready"]) == (503, 503, 503), "room alone does not heal what was refused once"
    assert "restart this service" in detail
    assert true["goes_on"] == 201
    assert set(true["acknowledged"]) <= set(true["registered"])
    assert len(true["registered"]) == len(set(true["registered"]))
    assert true["sequences"] == list(range(1, len(true["sequences"]) + 1))
    assert set(true["issuer"].values()) == {"registered"}


@pytest.mark.skipif(platform.machine() not in SYNCS, reason="the numbers of this machine's system calls are not known here")
def test_a_sync_that_failed_is_never_tried_again_and_the_writer_stays_down(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _CHILD, str(tmp_path), platform.machine()]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    if done.stdout.endswith("no seccomp\n"):
        pytest.skip("the kernel takes no seccomp filter here")
    *acknowledged, refused, write_again, read_again, untouched = done.stdout.splitlines()
    assert [int(line) for line in acknowledged] == list(range(40))
    assert "restart this service" in refused
    assert (write_again, read_again) == (refused, refused)
    assert untouched == "True", "the log of a failed sync was written to again"
    left, right = asyncio.run(pairs_in(tmp_path))
    assert left == right
    assert {int(line) for line in acknowledged} <= left

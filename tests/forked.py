"""Processes that can be killed at any point, each forked from one that has imported the product already.

A new interpreter spends two seconds on imports before its first line of work, and every point at which something is killed
needs two or three. The standard library's fork server imports once for all that a test run starts; what it forks has memory,
files and sockets of its own, and dies of SIGKILL like any other.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import tempfile
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

PRELOADED = ("tests.chaos.child", "tests.chaos.cohort_child", "tests.chaos.rotation_child", "tests.scenes.migrating")
"""What is imported once. A module whose import starts a thread, or draws a random number, has no place here."""

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(list(PRELOADED))


class Ended(NamedTuple):
    """How a process ended (negative: the signal it died of), and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


def run(
    main: Callable[..., Any], *words: object, environment: Mapping[str, str] = os.environ, seconds: float = 110
) -> Ended:
    """Call a module's function, or await its coroutine, in a process of its own; an integer it returns is the exit code.

    `environment`: all variables it sees.
    """
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = _FORKS.Process(target=_begin, args=(main, words, dict(environment), out, err))
        process.start()
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            pytest.fail(f"it did not end within {seconds} s: {out.read_text()}{err.read_text()}")
        return Ended(process.exitcode, out.read_text(), err.read_text())


def _begin(main: Callable[..., Any], words: tuple[Any, ...], environment: dict[str, str], out: Path, err: Path) -> None:
    for file, descriptor in ((out, 1), (err, 2)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), descriptor)
    os.environ.clear()
    os.environ.update(environment)
    ended = main(*words)
    if isinstance(ended, Coroutine):
        ended = asyncio.run(ended)
    raise SystemExit(ended)

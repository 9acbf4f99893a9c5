"""The pytest plugin: ends all engines with the run, and says in its last lines which were used and which were not here.

Workers that share a run (pytest-xdist) each have engines of their own, and tell the process that says the last lines.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from tests.engines import cache
from tests.engines.run import RUN, Run

VERSIONS = {"Kafka": cache.KAFKA_VERSION, "MirrorMaker": cache.KAFKA_VERSION, "MongoDB": cache.MONGO_VERSION}
"""Of the processes; an image's version is in its tag."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    """Outermost, so that this comes after the list of skips."""
    yield
    lines = list(summary(RUN))
    if lines:
        terminalreporter.section("engines")
        for line in lines:
            terminalreporter.write_line(line)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker tells what it used."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["engines"] = RUN.told()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """What a worker used counts as used here; a worker that died has told nothing."""
    told = getattr(node, "workeroutput", {}).get("engines")
    if told:
        RUN.add(told)


def pytest_unconfigure() -> None:
    """After the last test, after Ctrl-C, and after a failure."""
    RUN.end()


def summary(run: Run) -> list[str]:
    """A line for each engine that was asked for."""
    used: dict[str, list[str]] = {}
    for (engine, form), count in sorted(run.used.items()):
        used.setdefault(engine, []).append(_form(engine, form, count))
    here = [f"{engine}: {', '.join(forms)}" for engine, forms in used.items()]
    return here + [f"not here: {engine} ({reason})" for engine, reason in sorted(run.missing.items())]


def _form(engine: str, form: str, count: int) -> str:
    from tests.engines.choice import VARIABLES
    from tests.engines.containers import IMAGES

    if form == "environment":
        return f"environment ({VARIABLES[engine]})"
    what = IMAGES[engine] if form == "docker" else VERSIONS[engine]
    return f"{form} ({'testcontainers, ' if form == 'docker' else ''}{what}, {count} {'start' if count == 1 else 'starts'})"

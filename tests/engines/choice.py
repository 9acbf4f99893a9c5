"""Which forms of an engine can be had here, in which order they are taken, and why one cannot.

`TESTAMUR_TEST_KAFKA`, `TESTAMUR_TEST_MONGO`   URL of an engine that runs: used before all, and never harmed
`TESTAMUR_TEST_ENGINES=docker|process|none`    only this form, or no engine at all
`TESTAMUR_TEST_FORMS=all`                      suites that run once per form run over each that can be had
`TESTAMUR_TEST_NEED=1`                         an engine that cannot be had in any form fails its tests, and skips none
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NoReturn

import pytest

from tests.engines import cache, containers
from tests.engines.run import RUN

KAFKA, MONGO, MIRROR = "Kafka", "MongoDB", "MirrorMaker"
VARIABLES = {KAFKA: "TESTAMUR_TEST_KAFKA", MONGO: "TESTAMUR_TEST_MONGO"}
"""Which variable names an engine that runs."""
SHARED_ORDER = ("docker", "process")
"""A shared engine is what a deployment runs, as near as it can be had."""
OWN_ORDER = ("process", "docker")
"""An engine of one test's own gets killed and restarted, which a process does faster."""


def address(engine: str) -> str | None:
    """The URL that the environment gives for an engine."""
    return os.environ.get(VARIABLES.get(engine, "")) or None


def why_not(engine: str, form: str) -> str:
    """Why an engine cannot be had in this form; empty when it can."""
    only = os.environ.get("TESTAMUR_TEST_ENGINES")
    if only not in (None, "", form):
        return f"TESTAMUR_TEST_ENGINES={only} leaves it out"
    if form == "docker":
        return containers.why_not(containers.IMAGES[engine])
    return cache.why_no_mongo() if engine == MONGO else cache.why_no_kafka()


def available(engine: str, order: Iterable[str] = SHARED_ORDER) -> list[str]:
    """The forms in which an engine can be started here, the preferred one first."""
    return [form for form in order if not why_not(engine, form)]


def pick(engine: str, order: Iterable[str], form: str | None = None) -> str:
    """The form to start; skips the test with the reasons where there is none (or fails it, under TESTAMUR_TEST_NEED)."""
    wanted = (form,) if form in SHARED_ORDER else tuple(order)
    found = available(engine, wanted)
    return found[0] if found else refuse(engine, wanted)


def refuse(engine: str, forms: Iterable[str]) -> NoReturn:
    """Say why there is none, now and in the run's last lines."""
    reason = "; ".join(f"{form}: {why_not(engine, form)}" for form in forms)
    RUN.missing[engine] = reason
    if os.environ.get("TESTAMUR_TEST_NEED") and not available(engine):
        pytest.fail(f"no {engine} for this test, and TESTAMUR_TEST_NEED is set ({reason})", pytrace=False)
    pytest.skip(f"no {engine} for this test ({reason})")


def forms(*wanted: str) -> list[str]:
    """What a suite that runs once per form is parametrised with; never empty, so that a test skips with its reason."""
    names = wanted or tuple(VARIABLES)
    if all(address(engine) for engine in names):
        return ["environment"]
    found = [form for form in SHARED_ORDER if any(not why_not(engine, form) for engine in names)]
    return (found if os.environ.get("TESTAMUR_TEST_FORMS") == "all" else found[:1]) or ["none"]

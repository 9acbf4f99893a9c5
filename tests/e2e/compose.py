"""The compose files of deploy/, brought up and taken down by tests: images under a tag of their own, a project of its own.

Where the Docker engine has no network but the host's, the loopback overlay is laid over: everything listens on 127.0.0.1.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

import orjson
import pytest

from services.cli import local
from services.cli.demo.world import WAIT_SECONDS
from tests.e2e.story import Elsewhere
from tests.engines import containers
from tests.engines.run import LABEL, RUN
from tests.shared_data import ROOT

DEPLOY = ROOT / "deploy"
TAG = "under-test"
"""The tag of the images that tests build; `latest` stays what it was."""
MAX_AGE_SECONDS = 8
"""Seconds after which a silent nation is stale: more than its checkpoints take here, less than a story's patience."""
BUILD_S, UP_S = 600, 300
"""Seconds that a build with nothing in the cache, and a start, may take at most."""
IMAGES = ("python:3.11-slim-bookworm", "apache/kafka:4.3.1", "mongo:8.2")
"""What the Dockerfile and the compose files stand on; a test pulls none of them."""

assert MAX_AGE_SECONDS < WAIT_SECONDS


@lru_cache
def why_not() -> str:
    """Why deploy/ cannot be tried here; empty when it can."""
    only = os.environ.get("TESTAMUR_TEST_ENGINES") or "docker"
    if only != "docker":
        return f"TESTAMUR_TEST_ENGINES={only} leaves Docker out"
    reasons = [reason for image in IMAGES if (reason := containers.why_not(image))]
    if not reasons and docker("compose", "version", check=False).returncode:
        reasons.append("docker has no compose plug-in")
    return reasons[0] if reasons else ""


def require() -> None:
    """Skip the test with the reason where Docker cannot be had; under TESTAMUR_TEST_NEED fail it."""
    if reason := why_not():
        refuse(reason)


def refuse(reason: str) -> NoReturn:
    """Skip the test in words; under TESTAMUR_TEST_NEED fail it."""
    verdict = pytest.fail if os.environ.get("TESTAMUR_TEST_NEED") else pytest.skip
    verdict(f"deploy/ cannot be tried here: {reason}")


def docker(*line: str, check: bool = True, seconds: float = 60, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run a docker command; what it says is in the result, and in the failure."""
    done = subprocess.run(["docker", *line], capture_output=True, text=True, timeout=seconds, check=False, cwd=ROOT, **more)
    assert not check or done.returncode == 0, f"docker {' '.join(line)}\n{done.stdout}{done.stderr}"
    return done


def build(target: str, *options: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Build one target of the Dockerfile from this checkout."""
    network = ("--network", "host") if containers.has_host_network_only() else ()
    line = ("build", *network, "--target", target, "--tag", image(target), "--file", "deploy/Dockerfile", *options, ".")
    return docker(*line, check=check, seconds=BUILD_S, env={**os.environ, "DOCKER_BUILDKIT": "1"})


def image(target: str) -> str:
    """The image of a target, as tests tag it."""
    return f"testamur/{target}:{TAG}"


class Project:
    """One compose file, with what is laid over it, under a project name of its own."""

    def __init__(self, file: str, *over: str, **environment: str) -> None:
        names = [file, *over]
        self.name = f"testamur-{TAG}-{'-'.join(names).replace('.', '-')}"
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("TESTAMUR_", "COMPOSE_"))}
        self._environment = clean | {
            "IMAGE_TAG": TAG,
            "TESTAMUR_MAX_AGE": str(MAX_AGE_SECONDS),
            "TESTAMUR_CHECKPOINT_INTERVAL": "1",
            "TESTAMUR_LOG_LEVEL": "warning",
            "KAFKA_HEAP_OPTS": "-Xms256m -Xmx512m -XX:TieredStopAtLevel=1",  # it starts sooner, and lives for a minute
            **environment,
        }
        loopback = [f"{name}.loopback" for name in names] if containers.has_host_network_only() else []
        self._files = [DEPLOY / f"{name}.yaml" for name in (*names, *loopback)]
        services = self("config", "--services").split()
        labels = RUN.folder("deploy") / "labels.json"  # by its label a container goes when this run is killed
        labels.write_bytes(orjson.dumps({"services": {name: {"labels": {LABEL: RUN.name}} for name in services}}))
        self._files.append(labels)

    def __call__(self, *line: str, check: bool = True, seconds: float = 60) -> str:
        """Run `docker compose ...` on this project, and return what it printed."""
        files = [part for file in self._files for part in ("--file", str(file))]
        whole = ("compose", "--project-name", self.name, *files, *line)
        return docker(*whole, check=check, seconds=seconds, env=self._environment).stdout

    def up(self) -> None:
        """Start what does not run; returns when all of it is well, and fails with the last words of what is not."""
        try:
            self("up", "--detach", "--wait", "--no-build", seconds=UP_S)
        except (AssertionError, subprocess.TimeoutExpired):
            raise AssertionError(f"{self.name} did not come up\n{self._last_words()}") from None

    def down(self) -> None:
        """End it all, data included."""
        self("down", "--volumes", "--remove-orphans", "--timeout", "5", seconds=UP_S)

    def ports(self) -> list[int]:
        """The ports of this machine at which its services will answer."""
        whole = ("compose", "--file", str(self._files[0]), "config", "--format", "json")
        found = orjson.loads(docker(*whole, env=self._environment).stdout)
        return [int(one["published"]) for service in found["services"].values() for one in service.get("ports", ())]

    def _last_words(self) -> str:
        """How each container stands, and what those say that are not well; healthy engines say much and nothing of use."""
        containers = [orjson.loads(line) for line in self("ps", "--all", "--format", "json").splitlines()]
        unwell = [one["Service"] for one in containers if one["Health"] != "healthy" and one["ExitCode"] != 0]
        unwell += [one["Service"] for one in containers if one["Health"] in ("starting", "unhealthy")]
        standing = [f"{one['Service']}: {one['Status']}" for one in containers]
        return "\n".join([*standing, self("logs", "--tail", "30", *dict.fromkeys(unwell), check=False)])

    def nation(self, name: str, place: str, folder: Path, prefix: str = "", port: int = 8401) -> Elsewhere:
        """A nation of this project, with a copy of its folder. `port` is its registry's; the others' follow."""
        order = ("registry", "issuer", "verifier", "notifier")
        addresses = ",".join(f"{service}=http://127.0.0.1:{port + number}" for number, service in enumerate(order))

        def fetch() -> None:
            self("cp", f"{prefix}issuer:/var/lib/testamur/.", str(folder))

        def silence() -> None:
            self("stop", *(f"{prefix}{service}" for service in order))

        folder.mkdir()
        fetch()
        passphrase = self._environment.get("TESTAMUR_KEY_PASSPHRASE")
        opened = {"key_passphrase": passphrase} if passphrase else {}
        settings = local.find(name, folder, max_age=MAX_AGE_SECONDS, **opened)
        return Elsewhere(name, place, settings, addresses=addresses, silence=silence, fetch=fetch)


@contextmanager
def running(file: str, *over: str, **environment: str) -> Iterator[Project]:
    """A project that is up while the block runs; what an earlier, killed run left of it goes first."""
    project = Project(file, *over, **environment)
    project.down()
    if taken := [port for port in project.ports() if _answers(port)]:
        refuse(f"another program listens on port {taken[0]}, where {file}.yaml would")
    try:
        project.up()
        yield project
    finally:
        project.down()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

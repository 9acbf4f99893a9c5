"""What deploy/ promises: images that run without rights, and compose files that come up and tell the demo's story."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

from services.cli.demo import world
from shared.client import SERVICES
from tests.e2e import compose, story
from tests.e2e.compose import docker, image
from tests.e2e.test_demo import EXPECTED
from tests.shared_data import ROOT

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

TARGETS = (*SERVICES, "node")
NOWHERE = "http://127.0.0.1:9/"
"""A package index at which nobody answers."""
HEALTHY = 30.0
"""Seconds within which a container is well."""


@pytest.fixture(scope="module", autouse=True)
def _images() -> Iterator[None]:
    """All targets, built from this checkout, gone afterwards (their layers stay, for the next time)."""
    compose.require()
    for target in TARGETS:
        compose.build(target)
    yield
    docker("image", "rm", "--force", *map(image, TARGETS), check=False)


@pytest.fixture(scope="module")
def confined() -> Iterator[dict[str, str]]:
    """A container of each service by its name, without rights, without a network, its own file system read-only."""
    started: dict[str, str] = {}
    rights = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "none")
    try:
        for service in SERVICES:
            options = ("--detach", *rights, "--env", "TESTAMUR_NODE=ee", "--env", "TESTAMUR_HOST=127.0.0.1")
            started[service] = docker("run", *options, image(service)).stdout.strip()
        yield started
    finally:
        if started:
            docker("rm", "--force", "--volumes", *started.values())


def inspected(container: str) -> dict[str, Any]:
    """What the engine knows of a container."""
    found: list[dict[str, Any]] = orjson.loads(docker("inspect", container).stdout)
    return found[0]


def health(container: str) -> str:
    """What its health check says; `exited` when it runs no more."""
    state = inspected(container)["State"]
    return str(state["Health"]["Status"] if state["Running"] else "exited")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_well_without_rights_and_without_a_writable_file_system(confined: dict[str, str], service: str) -> None:
    container = confined[service]
    seen, _ = world.until(lambda: health(container), lambda said: said != "starting", patience=HEALTHY)
    assert seen == "healthy", docker("logs", container).stderr
    assert docker("exec", container, "id", "--user").stdout.strip() == "10001"
    assert "Read-only file system" in docker("exec", container, "touch", "/opt/testamur/x", check=False).stderr
    docker("exec", container, "touch", "/var/lib/testamur/x")
    config = inspected(container)["Config"]
    assert config["Entrypoint"] == ["testamur", "run", service]
    assert list(config["ExposedPorts"]) == ["8400/tcp"]


def test_a_service_that_is_told_to_stop_ends_by_itself_and_well(confined: dict[str, str]) -> None:
    world.until(lambda: health(confined["registry"]), lambda said: said == "healthy", patience=HEALTHY)
    docker("stop", "--time", "20", confined["registry"])
    assert inspected(confined["registry"])["State"]["ExitCode"] == 0
    assert "Stopped." in docker("logs", confined["registry"]).stderr


def test_a_service_that_does_not_answer_is_not_called_well(confined: dict[str, str]) -> None:
    for port in ("8400", "1"):
        check = ("--env", f"TESTAMUR_PORT={port}", confined["verifier"], "python", "-I", "/opt/testamur/healthcheck.py")
        assert docker("exec", *check, "registry", check=False).returncode == 1


def test_the_settings_of_pip_are_used_while_building_and_are_in_no_image(tmp_path: Path) -> None:
    settings = tmp_path / "pip.conf"
    settings.write_text(f"[global]\nindex-url = {NOWHERE}\nretries = 0\n")
    secret = ("--secret", f"id=pip,src={settings}")
    refused = compose.build("wheel", *secret, "--no-cache-filter", "wheel", check=False)
    assert refused.returncode != 0
    assert "No matching distribution" in refused.stderr
    compose.build("node", *secret)  # from the layers that are there
    assert NOWHERE not in docker("history", "--no-trunc", image("node")).stdout
    look = ("run", "--rm", "--network", "none", "--entrypoint", "sh", image("node"), "-c", "ls -A /run/secrets")
    assert "pip.conf" not in docker(*look, check=False).stdout


def test_one_nation_on_kafka_and_mongodb_comes_up_by_one_command_and_tells_its_story(tmp_path: Path) -> None:
    with compose.running("compose") as project:
        estonia = project.nation("ee", "Tallinn", tmp_path / "ee")
        assert [outcome.answered for outcome in story.tell_at_home(estonia)] == story.AT_HOME


def test_one_nation_on_secured_engines_keeps_strangers_out_and_its_data_when_all_is_killed(
    tmp_path: Path,
) -> None:
    secrets = passwords(tmp_path)
    with compose.running("compose", "compose.secured", **secrets) as project:
        estonia = project.nation("ee", "Tallinn", tmp_path / "ee")
        assert [outcome.answered for outcome in story.tell_at_home(estonia)] == story.AT_HOME
        project("exec", "--no-TTY", "registry", "testamur", "doctor")  # exit code 0 when all is well
        for stranger in strangers(secrets):
            said = project("exec", "--no-TTY", *stranger.line, check=False)
            assert stranger.refusal in said, f"{stranger.line} was answered {said!r}"
        project("kill", "--signal", "KILL")
        project.up()
        assert [outcome.answered for outcome in story.tell_at_home(estonia)] == story.AT_HOME


def passwords(folder: Path) -> dict[str, str]:
    """What the script writes for .env, new each time, for its owner's eyes alone."""
    file, line = folder / ".env", ("sh", "deploy/passwords.sh", str(folder / ".env"))
    subprocess.run(line, cwd=ROOT, check=True)
    assert file.stat().st_mode & 0o077 == 0
    assert subprocess.run(line, cwd=ROOT, capture_output=True, check=False).returncode, "it wrote over what was there"
    return dict(line.split("=", 1) for line in file.read_text().splitlines())


class Stranger(NamedTuple):
    """Somebody who asks an engine for what is not his: a command in one of the containers, and what he is told."""

    line: tuple[str, ...]
    refusal: str


def strangers(secrets: dict[str, str]) -> list[Stranger]:
    """Without a user, as another service's user, and with a database's user at another database."""
    admin = "kafka://testamur-ee-verifier@kafka:9092?security=sasl_plaintext&mechanism=PLAIN"
    word = f"TESTAMUR_BUS_PASSWORD={secrets['KAFKA_VERIFIER_PASSWORD']}"
    plain = ("--env", "TESTAMUR_BUS=kafka://kafka:9092", "--env", "TESTAMUR_BUS_PASSWORD=")
    known = f"db.auth('verifier', '{secrets['MONGO_VERIFIER_PASSWORD']}');"
    reading = "db.getSiblingDB('testamur_issuer').credentials.findOne()"
    shell = ("mongo", "sh", "-c", 'exec mongosh --quiet --host mongo testamur_verifier --eval "$1" 2>&1', "sh")
    command = ("registry", "sh", "-c", "exec testamur topics apply 2>&1")
    return [
        Stranger((*plain, *command), "TESTAMUR_BUS"),
        Stranger(("--env", f"TESTAMUR_BUS={admin}", "--env", word, *command), "may not"),
        Stranger((*shell, reading), "requires authentication"),
        Stranger((*shell, known + reading), "not authorized on testamur_issuer"),
    ]


def test_two_nations_on_clusters_of_their_own_tell_the_whole_story_through_mirrors(tmp_path: Path) -> None:
    with compose.running("compose.federation") as project:
        estonia = project.nation("ee", "Tallinn", tmp_path / "ee", prefix="ee-", port=8411)
        portugal = project.nation("pt", "Lisbon", tmp_path / "pt", prefix="pt-", port=8421)
        assert [outcome.answered for outcome in story.tell(estonia, portugal)] == EXPECTED

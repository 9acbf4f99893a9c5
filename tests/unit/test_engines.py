"""Which engine a test gets, why it gets none, and what the run says about it at its end."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import engines
from tests.engines import cache, choice, containers, engine, fetch, plugin, run
from tests.engines.body import EngineFailed, PortTaken
from tests.engines.engine import Engine, started
from tests.engines.ports import free_port
from tests.engines.process import Process
from tests.shared_data import ROOT


@pytest.fixture(autouse=True)
def a_run(monkeypatch: pytest.MonkeyPatch) -> Iterator[run.Run]:
    """A run of its own, so that the real one's last lines stay true; nothing set by whoever runs the suite."""
    for name in ("TESTAMUR_TEST_ENGINES", "TESTAMUR_TEST_FORMS", "TESTAMUR_TEST_NEED", *choice.VARIABLES.values()):
        monkeypatch.delenv(name, raising=False)
    own = run.Run()
    for module in (choice, engine):
        monkeypatch.setattr(module, "RUN", own)
    yield own
    own.end()


def here(monkeypatch: pytest.MonkeyPatch, *, docker: bool, process: bool) -> None:
    """Say what this machine has."""
    monkeypatch.setattr(containers, "why_not", lambda image: "" if docker else f"no {image}")
    for name in ("kafka", "mongo"):
        monkeypatch.setattr(cache, f"why_no_{name}", lambda: "" if process else "not fetched")


def test_a_shared_engine_is_a_container_where_docker_answers_and_a_killed_one_a_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here(monkeypatch, docker=True, process=True)
    assert choice.pick("Kafka", choice.SHARED_ORDER) == "docker"
    assert choice.pick("Kafka", choice.OWN_ORDER) == "process"


@pytest.mark.parametrize(("docker", "process", "form"), [(True, False, "docker"), (False, True, "process")])
def test_the_form_that_is_there_serves_for_everything(
    docker: bool, process: bool, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here(monkeypatch, docker=docker, process=process)
    assert {choice.pick("MongoDB", order) for order in (choice.SHARED_ORDER, choice.OWN_ORDER)} == {form}
    assert engines.forms("MongoDB") == [form]


def test_a_form_can_be_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    here(monkeypatch, docker=True, process=True)
    monkeypatch.setenv("TESTAMUR_TEST_ENGINES", "process")
    assert choice.pick("Kafka", choice.SHARED_ORDER) == "process"


def test_a_test_without_its_engine_is_skipped_with_the_reasons(monkeypatch: pytest.MonkeyPatch, a_run: run.Run) -> None:
    here(monkeypatch, docker=False, process=False)
    with pytest.raises(pytest.skip.Exception, match=r"no MongoDB .*docker: no mongo:8.2; process: not fetched"):
        engines.mongo("nobody has this one")
    assert plugin.summary(a_run) == ["not here: MongoDB (docker: no mongo:8.2; process: not fetched)"]


def test_a_test_without_its_engine_fails_where_engines_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    here(monkeypatch, docker=False, process=False)
    monkeypatch.setenv("TESTAMUR_TEST_NEED", "1")
    with pytest.raises(pytest.fail.Exception, match=r"no Kafka .* TESTAMUR_TEST_NEED is set"):
        engines.own_kafka()
    here(monkeypatch, docker=False, process=True)
    with pytest.raises(pytest.skip.Exception, match="no Kafka"):
        engines.own_kafka(form="docker")


def test_a_suite_runs_over_the_first_form_and_over_all_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    here(monkeypatch, docker=True, process=True)
    assert engines.forms() == ["docker"]
    monkeypatch.setenv("TESTAMUR_TEST_FORMS", "all")
    assert engines.forms() == ["docker", "process"]
    here(monkeypatch, docker=False, process=False)
    assert engines.forms() == ["none"]
    monkeypatch.setenv("TESTAMUR_TEST_KAFKA", "kafka://127.0.0.1:9")
    assert engines.forms("Kafka") == ["environment"]


def test_the_last_lines_name_each_engine_its_form_and_its_starts(a_run: run.Run) -> None:
    a_run.used.update({("Kafka", "docker"): 1, ("Kafka", "process"): 3, ("MongoDB", "environment"): 1})
    a_run.missing["MirrorMaker"] = "docker: none; process: none"
    assert plugin.summary(a_run) == [
        f"Kafka: docker (testcontainers, {containers.KAFKA_IMAGE}, 1 start), process ({cache.KAFKA_VERSION}, 3 starts)",
        "MongoDB: environment (TESTAMUR_TEST_MONGO)",
        "not here: MirrorMaker (docker: none; process: none)",
    ]


def test_the_run_ends_with_what_was_not_here(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text("from tests import engines\ndef test_it() -> None:\n    engines.kafka()\n")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-ra",
        "-p",
        "tests.engines.plugin",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    told = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "TESTAMUR_TEST_ENGINES": "none"}, capture_output=True, text=True, check=False
    )
    assert "not here: Kafka (docker: TESTAMUR_TEST_ENGINES=none" in told.stdout.splitlines()[-2], told.stdout
    assert "1 skipped" in told.stdout.splitlines()[-1]


def test_jars_that_are_not_exactly_those_of_the_list_are_refused(tmp_path: Path) -> None:
    (tmp_path / "kafka-clients-4.3.1.jar").write_bytes(b"something else")
    with pytest.raises(fetch.NotFetched, match=r"not those of kafka-jars\.sha256"):
        fetch.check_jars(tmp_path)
    assert f"{fetch.sha256(tmp_path / 'kafka-clients-4.3.1.jar')}  kafka-clients-4.3.1.jar" in fetch.jar_list(tmp_path)


def test_a_run_is_over_when_its_process_is_gone_even_if_its_number_is_used_again(a_run: run.Run) -> None:
    host, pid, begun = a_run.name.rsplit(".", 2)
    assert not run.is_over(a_run.name)
    assert run.is_over(f"{host}.{pid}.{int(begun) - 1}")
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as ended:
        gone = f"{socket.gethostname()}.{ended.pid}.{run.began(ended.pid)}"
    assert run.is_over(gone)
    assert not run.is_over(f"another-host.{pid}.{int(begun) - 1}")


def test_folders_of_runs_that_are_over_are_swept_and_others_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, a_run: run.Run
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    host, pid, begun = a_run.name.rsplit(".", 2)
    mine, over = (tmp_path / f"testamur-engines.{host}.{pid}.{began}.abc" for began in (begun, int(begun) - 1))
    strange = tmp_path / "testamur-engines.abc"
    for folder in (mine, over, strange):
        folder.mkdir()
    run.sweep()
    assert sorted(tmp_path.iterdir()) == sorted([mine, strange])


def test_an_engine_whose_port_was_taken_is_made_again(tmp_path: Path) -> None:
    scripts = iter(["echo Address already in use; exit 1", "exec sleep 60"])

    def make() -> Engine:
        folder = tmp_path / str(free_port())
        folder.mkdir()
        return Speaking(Process(["sh", "-c", next(scripts)], folder))

    with started(make) as second:
        assert second.answers()
    assert next(scripts, None) is None


def test_an_engine_that_does_not_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(EngineFailed, match="no such setting") as failed:
        started(lambda: Speaking(Process(["sh", "-c", "echo no such setting; exit 1"], tmp_path)))
    assert not isinstance(failed.value, PortTaken)


class Speaking(Engine):
    """A program that is ready when it sleeps."""

    def answers(self) -> bool:
        """Whether it is there and has not complained."""
        body = self.body
        assert isinstance(body, Process)
        return body.is_alive() and Path(f"/proc/{body.pid}/comm").read_text().strip() == "sleep"

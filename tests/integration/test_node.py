"""The embedded node: four services on one port, a command line that works against it, and an end that loses nothing."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from services.cli import local
from services.cli.app import run
from services.cli.demo import world
from services.cli.demo.world import DemoNode, once_known, until
from services.cli.exit_codes import Code
from services.cli.registry.institutions import accredit_with_key
from shared.client import Client, ProblemError
from shared.credential import written
from shared.settings import NodeSettings
from tests.shared_data import ROOT

DRAFT = ROOT / "examples" / "data-literacy.yaml"
TARTU = {
    "institution": "tartu",
    "name": "University of Tartu",
    "country": "EE",
    "scope": {"credential_types": ["micro-credential"], "eqf_max": 8, "isced_f": []},
}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


def _nation(folder: Path) -> DemoNode:
    port = _free_port()
    home = folder / "testamur-ee"
    settings = NodeSettings.load(
        node="ee", home=home, port=port, checkpoint_interval=1, log_level="error", rate_per_second=1000.0, rate_burst=5000
    )
    return DemoNode("ee", "Estonia", settings)


@pytest.fixture(scope="module")
def nation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoNode]:
    """A running node with one accredited university."""
    running = _nation(tmp_path_factory.mktemp("node"))
    running.start()
    try:
        with running.client() as client:
            accredit_with_key(client, TARTU)
            once_known(lambda: client.issue("tartu", written.read(DRAFT.read_bytes())))
        yield running
    finally:
        running.stop()


@pytest.fixture
def at_home(nation: DemoNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line stands beside the node's folder."""
    for name in [name for name in os.environ if name.startswith("TESTAMUR_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(nation.settings.home.parent)


def _issue(capsys: pytest.CaptureFixture[str], name: str) -> str:
    """Issue the example at the command line into a file, wait until it is registered, and return its ref."""
    capsys.readouterr()
    assert run(["issue", str(DRAFT), "--institution", "tartu", "--out", name, "--json"]) == Code.FINE
    ref = str(json.loads(capsys.readouterr().out)["ref"])
    assert until(lambda: run(["status", ref]), lambda code: code == Code.FINE)[0] == Code.FINE
    assert until(lambda: run(["verify", name]), lambda code: code == Code.FINE)[0] == Code.FINE
    capsys.readouterr()
    return ref


def _verified(name: str, expected: Code) -> int:
    return until(lambda: run(["verify", name]), lambda code: code == expected)[0]


def test_one_address_shows_where_everything_is(nation: DemoNode) -> None:
    index = httpx2.get(nation.url).json()
    assert [one["path"] for one in index["services"]] == ["/registry", "/issuer", "/verifier", "/notifier"]
    for one in index["services"]:
        assert httpx2.get(one["openapi"]).json()["info"]["title"].startswith("Testamur")
        assert httpx2.get(one["docs"]).status_code == 200


def test_the_whole_node_is_ready_when_every_service_is(nation: DemoNode) -> None:
    assert httpx2.get(f"{nation.url}/healthz").json()["status"] == "alive"
    assert httpx2.get(f"{nation.url}/readyz").json()["status"] == "ready"
    for service in ("registry", "issuer", "verifier", "notifier"):
        assert httpx2.get(f"{nation.url}/{service}/readyz").json()["service"] == service


def test_metrics_of_all_services_are_read_at_one_place(nation: DemoNode) -> None:
    counted = httpx2.get(f"{nation.url}/metrics").text
    assert "testamur_registry_request_seconds" in counted
    assert "testamur_issuer_request_seconds" in counted


@pytest.mark.parametrize("path", ["/nothing", "/registry/nothing", "/registry", "/%ff", "/issuer/%00", "/../etc/passwd"])
def test_what_is_not_there_is_a_problem_document_wherever_it_is_asked(nation: DemoNode, path: str) -> None:
    answer = httpx2.get(f"{nation.url}{path}")
    assert answer.status_code in (400, 404)
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_client_raises_the_problem_with_its_document(nation: DemoNode) -> None:
    with nation.client() as client, pytest.raises(ProblemError) as raised:
        client.status("0d1f5a52-7a0e-4a7c-9d68-0e7f3d5f7b11")
    assert raised.value.status == 404
    assert raised.value.document["trace_id"]
    with Client(nation.url) as stranger, pytest.raises(ProblemError) as raised:
        stranger.institutions()
    assert raised.value.status == 401


@pytest.mark.usefixtures("at_home")
def test_a_credential_lives_its_whole_life_at_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    ref = _issue(capsys, "life.jwt")
    assert run(["suspend", ref]) == Code.FINE
    assert _verified("life.jwt", Code.INDETERMINATE) == Code.INDETERMINATE
    assert run(["reinstate", ref]) == Code.FINE
    assert _verified("life.jwt", Code.FINE) == Code.FINE
    assert run(["revoke", ref, "--reason", "error", "--yes"]) == Code.FINE
    assert _verified("life.jwt", Code.REFUSED) == Code.REFUSED
    capsys.readouterr()
    assert run(["revoke", ref, "--yes"]) == Code.REFUSED
    assert capsys.readouterr().err.startswith("testamur: The credential is revoked")


@pytest.mark.usefixtures("at_home")
def test_a_corrected_credential_supersedes_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    ref = _issue(capsys, "wrong.jwt")
    assert run(["correct", ref, str(DRAFT), "--set", "title=Data literacy, corrected", "--out", "right.jwt"]) == Code.FINE
    assert _verified("right.jwt", Code.FINE) == Code.FINE
    assert _verified("wrong.jwt", Code.REFUSED) == Code.REFUSED
    capsys.readouterr()
    assert run(["verify", "wrong.jwt", "--json"]) == Code.REFUSED
    assert json.loads(capsys.readouterr().out)["reason"] == "superseded"


@pytest.mark.usefixtures("at_home")
def test_many_are_revoked_only_with_yes(capsys: pytest.CaptureFixture[str]) -> None:
    refs = [_issue(capsys, "first.jwt"), _issue(capsys, "second.jwt")]
    assert run(["revoke", *refs]) == Code.FINE
    assert [run(["verify", name]) for name in ("first.jwt", "second.jwt")] == [Code.FINE, Code.FINE]
    assert run(["revoke", *refs, "--yes"]) == Code.FINE
    assert _verified("first.jwt", Code.REFUSED) == Code.REFUSED
    assert _verified("second.jwt", Code.REFUSED) == Code.REFUSED


@pytest.mark.usefixtures("at_home")
def test_the_signed_credential_alone_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(["issue", str(DRAFT), "--institution", "tartu"]) == Code.FINE
    (line,) = capsys.readouterr().out.splitlines()
    assert line.count(".") == 2


@pytest.mark.usefixtures("at_home")
def test_a_dry_run_of_issuing_issues_nothing(nation: DemoNode, capsys: pytest.CaptureFixture[str]) -> None:
    with nation.client() as client:
        before = len(client.pages("/issuer/credentials"))
        assert run(["issue", str(DRAFT), "--institution", "tartu", "--check"]) == Code.FINE
        assert len(client.pages("/issuer/credentials")) == before


@pytest.mark.usefixtures("at_home")
def test_the_log_is_watched_with_the_node_s_own_key(capsys: pytest.CaptureFixture[str]) -> None:
    ref = _issue(capsys, "watched.jwt")
    assert run(["events", "tail"]) == Code.FINE
    said = capsys.readouterr().out
    assert "institution.accredited.v1  tartu" in said
    assert f"credential.registered.v1  {ref}" in said


@pytest.mark.usefixtures("at_home")
def test_the_doctor_finds_a_running_node_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert until(lambda: run(["doctor"]), lambda code: code == Code.FINE)[0] == Code.FINE
    assert "notifier: ready" in capsys.readouterr().out


@pytest.mark.usefixtures("at_home")
def test_there_are_no_dead_letters_and_replaying_one_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["dead", "list", "--json"]) == Code.FINE
    assert json.loads(capsys.readouterr().out) == []
    assert run(["dead", "replay", "0d1f5a52-7a0e-4a7c-9d68-0e7f3d5f7b11"]) == Code.REFUSED
    assert "dead list" in capsys.readouterr().err


def test_a_neighbour_that_waits_for_news_does_not_hold_up_the_end(tmp_path: Path) -> None:
    nation = _nation(tmp_path)
    nation.start()
    bearer = local.node_bearer(nation.settings, "ee")
    answers: list[int] = []
    waiting = httpx2.Client(headers={"Authorization": f"Bearer {bearer}"}, timeout=60)
    url = f"{nation.url}/registry/log/status?after=0&wait=25"
    poll = threading.Thread(target=lambda: answers.append(waiting.get(url).status_code))
    poll.start()
    until(lambda: httpx2.get(f"{nation.url}/healthz").status_code, lambda _: False, patience=0.3)
    nation.stop()
    poll.join(world.WAIT_SECONDS)
    assert answers == [503]


def test_sigterm_ends_a_real_node_and_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    port = _free_port()
    line = [sys.executable, "-m", "testamur", "up", "--node", "ee", "--port", str(port), "--json"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TESTAMUR_")}
    environment |= {"PYTHONPATH": str(ROOT), "TESTAMUR_CHECKPOINT_INTERVAL": "1"}

    def start() -> subprocess.Popen[str]:
        node = subprocess.Popen(line, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)
        assert node.stdout is not None
        assert "{" in node.stdout.readline()  # printed once the node serves
        return node

    settings = NodeSettings.load(node="ee", home=tmp_path / "testamur-ee", port=port)
    draft = written.read(DRAFT.read_bytes())
    node = start()
    with Client(settings.public_url, local.access_token(settings)) as client:
        accredit_with_key(client, TARTU)
        refs = [once_known(lambda: client.issue("tartu", draft))["ref"]]
        refs += [client.issue("tartu", draft)["ref"] for _ in range(20)]
    node.send_signal(signal.SIGTERM)
    assert node.wait(world.WAIT_SECONDS) == Code.FINE

    node = start()
    with Client(settings.public_url, local.access_token(settings)) as client:
        for ref in refs:
            standing, _ = until(lambda ref=ref: client.credential(ref)["status"], lambda status: status == "registered")  # type: ignore[misc]
            assert standing == "registered"
    node.send_signal(signal.SIGTERM)
    assert node.wait(world.WAIT_SECONDS) == Code.FINE


def test_one_service_alone_answers_under_the_same_path(tmp_path: Path) -> None:
    port = _free_port()
    line = [sys.executable, "-m", "testamur", "run", "registry", "--node", "ee", "--port", str(port), "--json"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TESTAMUR_")}
    node = subprocess.Popen(
        line, cwd=tmp_path, env=environment | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True
    )
    assert node.stdout is not None
    assert "{" in node.stdout.readline()
    try:
        assert httpx2.get(f"http://127.0.0.1:{port}/registry/healthz").json()["service"] == "registry"
        assert httpx2.get(f"http://127.0.0.1:{port}/issuer/healthz").status_code == 404
    finally:
        node.send_signal(signal.SIGTERM)
        assert node.wait(world.WAIT_SECONDS) == Code.FINE

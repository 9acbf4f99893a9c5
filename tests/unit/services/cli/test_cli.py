"""The command line promises: one line for a mistake, an exit code for a script, and nothing destroyed by accident."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from services.cli import app as command
from services.cli.demo.command import exit_code
from services.cli.demo.stage import EXAMPLE, SceneOutcome
from services.cli.exit_codes import OF_VERDICT, Code
from shared.clock import SystemClock
from shared.home.folder import Home
from shared.jose import gate
from shared.jose.purpose import ACCESS_TOKEN
from shared.settings import NodeSettings
from shared.version import __version__
from tests.shared_data import ROOT, shared_file

REF = "0d1f5a52-7a0e-4a7c-9d68-0e7f3d5f7b11"
DRAFT = ROOT / "examples" / "data-literacy.yaml"


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test starts where there is no node, and no variable names one."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("TESTAMUR_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def nobody() -> str:
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    return f"http://127.0.0.1:{port}"


@pytest.fixture
def settings(tmp_path: Path) -> NodeSettings:
    """A node's folder as `up` makes it, beneath the present folder."""
    made = NodeSettings.load(node="ee", home=tmp_path / "testamur-ee")
    Home(made).set_up(SystemClock().now())
    return made


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "issue",
        "issue x.yaml",
        "verify",
        "verify --bad x",
        "revoke",
        f"revoke {REF} --key abc",
        f"revoke {REF} --reason because",
        "revoke not-a-ref",
        "status ../../etc/passwd",
        f"suspend {REF} --until whenever",
        f"suspend {REF} --until 0001-01-01T00:00:00+14:00",
        "institution add tartu",
        "institution add tartu --name T --country EE --eqf-max 9",
        "institution add tartu --name T --country EE --identifier eter",
        "token --role king",
        "run postman",
        "up --port 70000",
        "federation sign --days 0",
        "events tail --stream gossip",
        "events tail --follow",
        "dead replay",
        "dead replay --all x",
        "demo --seed many",
    ],
)
def test_a_wrong_argument_gets_one_line_and_exit_code_2(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(line.split()) == Code.USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("testamur: ")


@pytest.mark.parametrize(
    "line",
    [
        "verify nowhere.jwt",
        "issue nowhere.yaml --institution tartu",
        "token --role issuer",
        "up",
        "up --node Estonia",
        "federation show nowhere",
        "federation sign",
        "federation init Europe!",
        f"status {REF} --url not-an-address --token x",
        f"status {REF} --url http://[::1",
        f"status {REF} --token \u00e9",
        "up --node ee --port 0 --home /dev/null/x",
    ],
)
def test_what_cannot_be_done_is_one_sentence_without_a_traceback(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(line.split()) in (Code.REFUSED, Code.UNREACHABLE)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    "line", [f"status {REF}", f"revoke {REF} --yes", "institution list", "dead list", f"issue {DRAFT} --institution tartu"]
)
def test_a_node_that_does_not_answer_is_exit_code_4_with_the_next_action(
    line: str, nobody: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.run([*line.split(), "--url", nobody]) == Code.UNREACHABLE
    assert "testamur up" in capsys.readouterr().err


def test_with_json_a_refusal_is_a_document_on_standard_error(nobody: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(["status", REF, "--url", nobody, "--json"]) == Code.UNREACHABLE
    said = capsys.readouterr()
    assert said.out == ""
    assert json.loads(said.err)["exit_code"] == Code.UNREACHABLE


def test_each_verdict_has_its_own_exit_code() -> None:
    assert {name: int(code) for name, code in OF_VERDICT.items()} == {"valid": 0, "invalid": 1, "indeterminate": 3}


def test_the_help_names_the_exit_codes_and_every_group(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(["--help"]) == Code.FINE
    said = capsys.readouterr().out
    groups = (
        "demo up run issue verify revoke suspend reinstate correct status institution federation token events dead doctor"
    )
    assert all(f" {group} " in said for group in groups.split())
    assert "0 fine or valid, 1 refused or invalid, 2 usage, 3 indeterminate, 4" in said


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(["--version"]) == Code.FINE
    assert capsys.readouterr().out.strip() == __version__


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_usual_shell_gets_a_completion_script(shell: str) -> None:
    environment = {**os.environ, "_TESTAMUR_COMPLETE": f"source_{shell}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-m", "testamur"], env=environment, capture_output=True, text=True, check=True)
    assert "_TESTAMUR_COMPLETE" in done.stdout


@pytest.mark.parametrize(
    "line", [f"revoke {REF}", f"revoke {REF} {REF}", "revoke --key abc --stand-to 7", "revoke --confirm abc"]
)
def test_revoking_where_nobody_is_asked_only_says_what_it_would_do(
    line: str, nobody: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.run([*line.split(), "--url", nobody]) == Code.FINE
    assert "--yes" in capsys.readouterr().out


def test_a_token_is_made_with_the_key_in_the_folder(settings: NodeSettings, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(["token", "--role", "issuer", "--institution", "tartu", "--lifetime", "60"]) == Code.FINE
    key = Home(settings).signer("access-token").verification_key()
    token = gate.check(capsys.readouterr().out.strip(), typ=ACCESS_TOKEN, keys=lambda _: key)
    claims = gate.claims(token)
    assert claims["institution"] == "tartu"
    assert claims["exp"] - claims["iat"] == 60
    assert set(claims["scope"].split()) == {
        "credentials:issue",
        "credentials:read",
        "credentials:correct",
        "offers:publish",
        "institutions:read",
    }


def test_the_doctor_is_content_with_a_new_folder(settings: NodeSettings, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(["doctor", "--offline", "--json"]) == Code.FINE
    found = {one["what"]: one["well"] for one in json.loads(capsys.readouterr().out)}
    assert found == {"Python": True, "keys": True, "federation list": True, "disk": True}


def test_the_doctor_misses_a_key_that_is_gone(settings: NodeSettings, capsys: pytest.CaptureFixture[str]) -> None:
    (settings.home / "keys" / "checkpoint.jwe").unlink()
    assert command.run(["doctor", "--offline"]) == Code.REFUSED
    assert "checkpoint" in capsys.readouterr().out


def test_the_doctor_does_not_believe_a_list_that_was_changed(
    settings: NodeSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    path = settings.home / "federation.json"
    listed = json.loads(path.read_text())
    listed["signatures"][0]["signature"] = "A" * 86
    path.write_text(json.dumps(listed))
    assert command.run(["doctor", "--offline", "--node", "ee"]) == Code.REFUSED
    assert "anchor" in capsys.readouterr().err


def test_a_draft_that_lacks_an_element_is_refused_before_anything_is_sent(
    nobody: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["issue", str(DRAFT), "--institution", "tartu", "--url", nobody, "--set", "assessment="]
    assert command.run(line) == Code.REFUSED
    assert "--set assessment.type=" in capsys.readouterr().err


def test_the_commission_s_own_sample_lacks_quality_assurance_and_passes_once_it_is_given(
    nobody: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sample = str(shared_file("samples", "europass-elm-v3", "Sample-MC-Annex1-unsigned.jsonld"))
    line = ["issue", "--from", "elm", sample, "--institution", "tartu", "--url", nobody]
    assert command.run(line) == Code.REFUSED
    assert "It lacks element 11, type of quality assurance" in capsys.readouterr().err
    assert command.run([*line, "--set", "quality_assurance=Institutional Quality Assurance"]) == Code.UNREACHABLE


def test_the_demo_fails_when_one_answer_is_not_the_expected_one() -> None:
    good, bad = SceneOutcome("a", "valid", "valid", 0.0), SceneOutcome("b", "invalid (revoked)", "valid", 0.0)
    assert exit_code([good, good]) == Code.FINE
    assert exit_code([good, bad]) == Code.REFUSED
    assert exit_code([]) == Code.REFUSED


def test_the_demo_issues_the_very_file_that_the_examples_show() -> None:
    assert EXAMPLE.samefile(DRAFT)

"""What the command line makes of a node's answer, and of its own surroundings: moments, folders, places to write to."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from services.cli.app import run
from services.cli.datetimes import in_utc
from services.cli.exit_codes import Code
from services.cli.output import verdict
from shared.clock import SystemClock
from shared.home.folder import Home
from shared.settings import NodeSettings
from tests.shared_data import ROOT

REF = "0d1f5a52-7a0e-4a7c-9d68-0e7f3d5f7b11"
DRAFT = str(ROOT / "examples" / "data-literacy.yaml")


class Refusing(HTTPServer):
    """A door that refuses everything with one problem document, and counts how often."""

    document: dict[str, Any]
    asked = 0


class _Door(BaseHTTPRequestHandler):
    server: Refusing

    def do_POST(self) -> None:
        self.server.asked += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps(self.server.document).encode()
        self.send_response(self.server.document["status"])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: the test reads standard error."""


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("TESTAMUR_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def door() -> Iterator[Refusing]:
    with Refusing(("127.0.0.1", 0), _Door) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def _asked(door: Refusing, *line: str, **document: Any) -> Code | int:
    door.document = document
    return run([*line, "--url", f"http://127.0.0.1:{door.server_port}"])


def test_without_a_token_the_next_action_is_one_of_the_command_line_s(
    door: Refusing, capsys: pytest.CaptureFixture[str]
) -> None:
    detail = "Send an access token: Authorization: Bearer (the token)."
    assert _asked(door, "reinstate", REF, status=401, title="A token is needed.", detail=detail) == Code.REFUSED
    assert "--token or TESTAMUR_TOKEN" in capsys.readouterr().err


def test_a_scope_that_is_missing_is_named(door: Refusing, capsys: pytest.CaptureFixture[str]) -> None:
    _asked(door, "reinstate", REF, status=403, title="Not allowed.", detail="Get it.", scope="credentials:suspend")
    assert "credentials:suspend" in capsys.readouterr().err


def test_a_fault_is_said_once_and_in_place_of_the_pointer_to_it(door: Refusing, capsys: pytest.CaptureFixture[str]) -> None:
    fault = {"path": "/country", "message": "two letters"}
    _asked(door, "reinstate", REF, status=422, title="A rule.", detail="Correct what `faults` names.", faults=[fault])
    _asked(door, "reinstate", REF, status=422, title="A rule.", detail="Correct: two letters.", faults=[fault])
    first, second = capsys.readouterr().err.splitlines()
    assert first == "testamur: A rule. /country: two letters"
    assert second == "testamur: A rule. Correct: two letters."


def test_nothing_is_issued_when_the_answer_could_not_be_written(door: Refusing, tmp_path: Path) -> None:
    line = ["issue", DRAFT, "--institution", "tartu", "--out"]
    assert _asked(door, *line, str(tmp_path), status=500) == Code.REFUSED
    assert _asked(door, *line, str(tmp_path / "no" / "folder.jwt"), status=500) == Code.REFUSED
    assert door.asked == 0


def test_with_json_standard_error_holds_the_document_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["issue", DRAFT, "--institution", "tartu", "--set", "assessment=", "--json"]) == Code.REFUSED
    assert json.loads(capsys.readouterr().err)["missing"][0]["path"] == "assessment.type"


def test_a_document_of_the_learning_model_that_is_called_a_draft_is_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    Path("sample.jsonld").write_text('{"@context": "http://data.europa.eu/snb/model/context/edc-ap", "id": "urn:x"}')
    assert run(["issue", "sample.jsonld", "--institution", "tartu"]) == Code.REFUSED
    assert "--from elm" in capsys.readouterr().err


def test_a_moment_without_an_offset_is_utc_and_one_with_it_is_what_it_says() -> None:
    assert in_utc(None) is None
    assert in_utc(datetime.fromisoformat("2027-01-01")) == "2027-01-01T00:00:00Z"
    assert in_utc(datetime.fromisoformat("2027-01-01T00:00:00Z")) == "2027-01-01T00:00:00Z"
    assert in_utc(datetime.fromisoformat("2027-01-01T00:00:00+02:00")) == "2026-12-31T22:00:00Z"


def test_where_two_nodes_lie_a_command_asks_which_is_meant(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for node in ("ee", "pt"):
        Home(NodeSettings.load(node=node, home=Path(f"testamur-{node}"))).set_up(SystemClock().now())
    assert run(["institution", "list"]) == Code.REFUSED
    assert "ee or pt? Set TESTAMUR_NODE" in capsys.readouterr().err


def test_a_usage_error_points_at_the_help_of_its_own_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["events", "tail", "--frob"]) == Code.USAGE
    assert capsys.readouterr().err.rstrip().endswith("See `testamur events tail --help`.")


@pytest.mark.parametrize("asked", [{"known_at": "2026-03-02T12:00:00Z"}, {"moment_asked": True}])
def test_a_valid_answer_of_another_time_says_so_in_its_first_line(asked: dict[str, Any]) -> None:
    found = {"verdict": "valid", "reason": None, "detail": "As of then, not of now.", "as_of": {"known_at": None}}
    assert verdict(found).plain == "valid"
    assert verdict({**found, "as_of": asked}).plain == "valid  As of then, not of now."

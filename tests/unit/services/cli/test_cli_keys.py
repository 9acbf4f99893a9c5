"""Rotating a service key at the command line: with the root at hand, with the root elsewhere, and nothing by accident."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from services.cli.app import run
from services.cli.exit_codes import Code
from shared.home import rotation
from shared.home.folder import Home
from shared.settings import NodeSettings


@pytest.fixture(autouse=True)
def _a_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("TESTAMUR_")]:
        monkeypatch.delenv(name)
    assert run(["init", "--node", "ee"]) == Code.FINE
    capsys.readouterr()


def _home(folder: str = "testamur-ee") -> Home:
    return Home(NodeSettings(node="ee", home=Path(folder)))


def _says(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    assert run([*words]) == Code.FINE, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def _refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert run([*words]) == Code.REFUSED
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_without_yes_it_says_what_it_would_do_and_makes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(path.name for path in Path("testamur-ee").rglob("*"))
    in_use = _home().signer("registry").kid
    plan = _says(capsys, "keys", "rotate", "registry", "--json")
    assert plan == {"dry_run": True, "would_retire": in_use, "reason": "superseded", "root": "here"}
    assert sorted(path.name for path in Path("testamur-ee").rglob("*")) == before


@pytest.mark.parametrize("name", rotation.ROTATED)
def test_each_service_key_is_rotated_in_one_go_where_the_root_is(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    old = _home().signer(name).kid
    found = _says(capsys, "keys", "rotate", name, "--reason", "compromised", "--yes", "--json")
    assert [(key["kid"] == old, key["state"]) for key in found] == [(True, "compromised"), (False, "in use")]
    assert _home().signer(name).kid == found[-1]["kid"]
    listed = _says(capsys, "keys", "list", "--json")
    assert [key for key in listed if key["key"] == name] == found
    assert len(listed) == len(rotation.ROTATED) + 1


def test_with_the_root_elsewhere_it_takes_two_steps(capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree("testamur-ee", "vault")
    Path("testamur-ee/keys/root.jwe").unlink()
    old = _home().signer("issuer").kid
    request = _says(capsys, "keys", "rotate", "issuer", "--yes", "--json")
    Path("request.json").write_text(json.dumps(request))
    assert _home().signer("issuer").kid == old, "nothing has changed yet"
    assert _says(capsys, "keys", "rotate", "issuer", "--yes", "--json") == request, "asked again, it asks for the same"
    listed = _says(capsys, "keys", "list", "--json")
    assert [key["state"] for key in listed if key["key"] == "issuer"] == ["in use", "waits for its certificate"]
    capsys.readouterr()
    assert run(["keys", "certify", "request.json", "--home", "vault", "--node", "ee"]) == Code.FINE
    Path("certificate.jwt").write_text(capsys.readouterr().out)
    _says(capsys, "keys", "rotate", "issuer", "--certificate", "certificate.jwt", "--yes", "--json")
    assert _home().signer("issuer").kid == request["jwk"]["kid"]


def test_what_is_not_the_roots_word_on_the_waiting_key_is_refused_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("noise").write_text("a.b.c")
    assert "keys rotate" in _refused(capsys, "keys", "rotate", "receipt", "--certificate", "noise", "--yes")
    assert run(["init", "--node", "pt"]) == Code.FINE
    request = _says(capsys, "keys", "rotate", "issuer", "--yes", "--json", "--node", "ee")
    assert [key["state"] for key in request] == ["superseded", "in use"]
    shutil.copytree("testamur-ee", "vault")
    Path("testamur-ee/keys/root.jwe").unlink()
    asked = _says(capsys, "keys", "rotate", "receipt", "--yes", "--json", "--node", "ee")
    Path("request.json").write_text(json.dumps(asked))
    assert "the node ee" in _refused(capsys, "keys", "certify", "request.json", "--node", "pt")
    Path("request.json").write_text(json.dumps({**asked, "streams": ["status"]}))
    assert "No service has such a key" in _refused(
        capsys, "keys", "certify", "request.json", "--home", "vault", "--node", "ee"
    )
    Path("request.json").write_text("{}")
    assert "keys rotate NAME" in _refused(capsys, "keys", "certify", "request.json", "--home", "vault", "--node", "ee")
    _refused(capsys, "keys", "rotate", "receipt", "--certificate", "noise", "--yes", "--node", "ee")
    assert len(_home().generations.of("receipt")) == 1

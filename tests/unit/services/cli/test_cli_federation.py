"""Founding a federation at the command line: an anchor signs, members join, and a changed list is not believed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from services.cli.app import run
from services.cli.exit_codes import Code
from services.cli.federation.anchor import AnchorFolder
from shared.clock import SystemClock
from shared.home.folder import Home
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner
from shared.keys.file import KeyFile
from shared.settings import NodeSettings
from shared.trust import federation_list
from shared.trust.nodes import Anchor
from shared.trust.pinned import Pinned


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("TESTAMUR_")]:
        monkeypatch.delenv(name)


def _describe(node: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(["federation", "describe", "--node", node]) == Code.FINE
    Path(f"{node}.json").write_text(capsys.readouterr().out)


def _found(capsys: pytest.CaptureFixture[str], *nodes: str) -> None:
    assert run(["federation", "init", "europe"]) == Code.FINE
    for node in nodes:
        _describe(node, capsys)
        assert run(["federation", "add-node", f"{node}.json"]) == Code.FINE
    assert run(["federation", "sign"]) == Code.FINE
    capsys.readouterr()


def test_two_nodes_join_one_federation_and_know_its_name_from_then_on(capsys: pytest.CaptureFixture[str]) -> None:
    _found(capsys, "ee", "pt")
    assert run(["federation", "join", "federation-europe", "--node", "ee"]) == Code.FINE
    capsys.readouterr()
    assert run(["federation", "show", "testamur-ee", "--json"]) == Code.FINE
    listed = json.loads(capsys.readouterr().out)
    assert (listed["federation"], listed["version"]) == ("europe", 1)
    assert [node["name"] for node in listed["nodes"]] == ["ee", "pt"]


def test_a_node_that_was_set_up_before_it_joined_is_told_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    _found(capsys, "ee")
    assert run(["init", "--node", "ee"]) == Code.FINE
    assert "testamur federation join" in capsys.readouterr().err
    assert run(["federation", "join", "federation-europe", "--node", "ee"]) == Code.REFUSED
    assert "Join with a new folder, before `testamur init`" in capsys.readouterr().err


def test_a_service_whose_address_is_not_the_listed_one_is_told_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _found(capsys, "ee")
    assert run(["federation", "join", "federation-europe", "--node", "ee"]) == Code.FINE
    capsys.readouterr()
    monkeypatch.setenv("TESTAMUR_PORT", "8402")
    assert run(["init", "--node", "ee"]) == Code.FINE
    assert "Set TESTAMUR_PUBLIC_URL=http://127.0.0.1:8400" in capsys.readouterr().err
    monkeypatch.setenv("TESTAMUR_PUBLIC_URL", "http://127.0.0.1:8400")
    assert run(["init", "--node", "ee"]) == Code.FINE
    assert "TESTAMUR_PUBLIC_URL" not in capsys.readouterr().err


def test_the_next_list_names_the_digest_of_the_one_before(capsys: pytest.CaptureFixture[str]) -> None:
    _found(capsys, "ee")
    assert run(["federation", "sign", "--json"]) == Code.FINE
    second = json.loads(capsys.readouterr().out)
    assert run(["federation", "sign", "--json"]) == Code.FINE
    third = json.loads(capsys.readouterr().out)
    assert [(second["version"], len(second["history"])), (third["version"], len(third["history"]))] == [(2, 1), (3, 2)]
    assert third["history"][0] == second["history"][0]


def test_adding_a_node_again_replaces_its_entry(capsys: pytest.CaptureFixture[str]) -> None:
    _found(capsys, "ee")
    moved = json.loads(Path("ee.json").read_text()) | {"url": "https://testamur.example.org"}
    Path("ee.json").write_text(json.dumps(moved))
    assert run(["federation", "add-node", "ee.json"]) == Code.FINE
    capsys.readouterr()
    assert run(["federation", "sign", "--json"]) == Code.FINE
    assert [node["url"] for node in json.loads(capsys.readouterr().out)["nodes"]] == ["https://testamur.example.org"]


def test_a_list_that_was_changed_after_signing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    _found(capsys, "ee")
    path = Path("federation-europe/federation.json")
    listed = json.loads(path.read_text())
    path.write_text(json.dumps(listed | {"payload": listed["payload"][:-4] + "AAAA"}))
    assert run(["federation", "join", "federation-europe", "--node", "ee"]) == Code.REFUSED
    assert not Path("testamur-ee/federation.json").exists()


def test_a_stranger_s_list_is_refused_by_whoever_pinned_another_anchor(capsys: pytest.CaptureFixture[str]) -> None:
    _found(capsys, "ee")
    assert run(["federation", "init", "stranger", "--folder", "other"]) == Code.FINE
    assert run(["federation", "sign", "--folder", "other"]) == Code.FINE
    Path("federation-europe/federation.json").write_bytes(Path("other/federation.json").read_bytes())
    assert run(["federation", "show", "federation-europe"]) == Code.REFUSED


def test_joining_again_needs_as_many_anchors_as_were_pinned_when_it_joined(capsys: pytest.CaptureFixture[str]) -> None:
    _found(capsys, "ee")
    keys = [LocalSigner.generate(Purpose.ANCHOR) for _ in range(3)]
    pins = Pinned({key.kid: key.verification_key() for key in keys})
    said = AnchorFolder.public(Path("federation-europe")).listed(SystemClock().now())
    anchors = tuple(Anchor(kid=key.kid, jwk=key.public_jwk) for key in keys)
    for name, version, threshold, by in (("two", 2, 2, keys[:2]), ("one", 3, 1, keys[2:]), ("three", 3, 1, keys[1:])):
        Path(name).mkdir()
        one = said.model_copy(update={"anchors": anchors, "version": version, "threshold": threshold})
        Path(name, "federation.json").write_bytes(federation_list.sign_list(one, by))
        Path(name, "anchors.json").write_bytes(pins.document())
    found = [run(["federation", "join", name, "--node", "ee"]) for name in ("two", "one", "three")]
    assert found == [Code.FINE, Code.REFUSED, Code.FINE]


def test_one_anchor_at_the_command_line_does_not_sign_for_a_federation_of_several(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _found(capsys, "ee")
    path = Path("federation-europe")
    other, folder = LocalSigner.generate(Purpose.ANCHOR), AnchorFolder.public(path)
    pins = Pinned({**folder.pinned().anchors, other.kid: other.verification_key()}, 2)
    mine = KeyFile.open(path / "keys", (path / "passphrase").read_text().strip()).load("anchor")
    (path / "federation.json").write_bytes(federation_list.sign_list(folder.listed(SystemClock().now()), [mine, other]))
    (path / "anchors.json").write_bytes(pins.document())
    assert run(["federation", "sign"]) == Code.REFUSED
    assert "several anchors" in capsys.readouterr().err
    assert folder.pinned() == pins


def test_beginning_twice_in_one_folder_leaves_the_first_anchor_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    _found(capsys, "ee")
    before = Path("federation-europe/keys/anchor.jwe").read_bytes()
    assert run(["federation", "init", "europe"]) == Code.REFUSED
    assert Path("federation-europe/keys/anchor.jwe").read_bytes() == before


def test_what_is_no_description_of_a_node_is_not_added(capsys: pytest.CaptureFixture[str]) -> None:
    _found(capsys, "ee")
    Path("odd.json").write_text('{"name": "EE", "roots": []}')
    assert run(["federation", "add-node", "odd.json"]) == Code.REFUSED
    assert "describe" in capsys.readouterr().err


def test_the_anchor_s_public_files_hold_no_private_key(capsys: pytest.CaptureFixture[str]) -> None:
    _found(capsys, "ee")
    for name in ("federation.json", "anchors.json", "draft.json"):
        assert '"d"' not in Path("federation-europe", name).read_text()


def test_a_node_of_its_own_needs_no_ceremony(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    Home(NodeSettings.load(node="pt", home=tmp_path / "testamur-pt")).set_up(SystemClock().now())
    assert run(["federation", "show", "--json"]) == Code.FINE
    assert [node["name"] for node in json.loads(capsys.readouterr().out)["nodes"]] == ["pt"]

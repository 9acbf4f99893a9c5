"""Promise: `testamur verify` and `testamur export` work on files alone, without a node, and say what they found."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.cli.app import run
from shared.credential import draft, written
from shared.formats import vc_jwt
from shared.formats.elm import read as elm
from shared.formats.port import Issuance, new_salt
from shared.ids import InstitutionId, new_ref
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner
from tests.sealing import QC, authority, sealed_example, trusted_list
from tests.shared_data import ROOT, shared_file

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def test_a_sealed_file_is_verified_without_a_node(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, given = tmp_path / "sealed.jsonld", tmp_path / "EE.xml"
    file.write_bytes(sealed_example() + b"\n")
    given.write_bytes(trusted_list((authority(), QC, "granted", datetime(2026, 1, 1, tzinfo=UTC))))
    assert run(["verify", str(file), "--trusted-list", str(given), "--json"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert found["reason"] == "revocation-not-checked"
    assert found["steps"][3]["outcome"] == "passed"
    file.write_bytes(sealed_example().replace(b"Tartu", b"Tortu"))
    assert run(["verify", str(file)]) == 1
    assert "invalid (seal-broken)" in capsys.readouterr().out


def test_a_trusted_list_that_is_none_is_refused_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "sealed.jsonld"
    file.write_bytes(sealed_example())
    assert run(["verify", str(file), "--trusted-list", str(file)]) == 1
    assert "trusted list" in capsys.readouterr().err


def test_the_official_shapes_are_run_where_their_folder_is_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pyshacl", reason="the extra testamur[shacl] is not installed")
    folder, file = shared_file("samples", "europass-elm-v3-shapes"), tmp_path / "sealed.jsonld"
    file.write_bytes(sealed_example())
    assert run(["verify", str(file), "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["steps"][11]["reason"] == "no-shapes"
    assert run(["verify", str(file), "--shapes", str(folder), "--json"]) == 3
    shaped = json.loads(capsys.readouterr().out)["steps"][11]
    assert shaped["evidence"]["shapes"] == ["EDC-generic-full", "EDC-generic-no-cv"]
    assert shaped["outcome"] in ("passed", "warning")


def test_a_folder_without_shapes_is_refused_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pyshacl", reason="the extra testamur[shacl] is not installed")
    file = tmp_path / "sealed.jsonld"
    file.write_bytes(sealed_example())
    assert run(["verify", str(file), "--shapes", str(tmp_path)]) == 1
    assert "EDC-generic-full" in capsys.readouterr().err


def test_a_credential_is_exported_to_the_european_learning_model(tmp_path: Path) -> None:
    award = draft.build(written.read((ROOT / "examples/data-literacy.yaml").read_bytes()), issued=NOW)
    made = Issuance(ref=new_ref(), institution=InstitutionId("demo", "ee", "tartu"), status=(), salt=new_salt())
    file, out = tmp_path / "credential.jwt", tmp_path / "credential.json"
    file.write_bytes(vc_jwt.sign(award, made, LocalSigner.generate(Purpose.INSTITUTION)) + b"\n")
    assert run(["export", str(file), "--to", "elm", "--out", str(out)]) == 0
    assert draft.build(elm.to_draft(out.read_bytes())).title == award.title


def test_what_is_no_credential_is_not_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("Dear learner")
    assert run(["export", str(file)]) == 1
    assert "signed credential" in capsys.readouterr().err

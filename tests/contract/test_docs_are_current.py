"""The documents in docs/api are those of this code, and a kind of event breaks for nobody without anyone noticing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.events import asyncapi
from shared.events.base import CATALOGUE
from tests import docs
from tests.contract import evolution


def test_the_published_documents_are_what_the_code_renders_now() -> None:
    assert docs.stale() == [], "run make docs"


def test_a_changed_a_missing_and_a_forgotten_document_are_each_named(tmp_path: Path) -> None:
    docs.write(tmp_path)
    assert docs.stale(tmp_path) == []
    (tmp_path / "asyncapi.json").write_text("{}\n")
    (tmp_path / "issuer.openapi.json").unlink()
    (tmp_path / "wallet.openapi.json").write_text("{}\n")
    assert docs.stale(tmp_path) == ["asyncapi.json", "issuer.openapi.json", "wallet.openapi.json"]


def test_writing_again_removes_what_nothing_renders_any_more(tmp_path: Path) -> None:
    (tmp_path / "wallet.openapi.json").write_text("{}\n")
    docs.write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(docs.documents())


def test_a_breaking_change_is_refused_and_leaves_the_goldens_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(evolution, "GOLDEN", tmp_path)
    docs.accept()
    golden = evolution.schema_file("credential.revoked.v1")
    once = json.loads(golden.read_bytes())
    once["properties"]["reason"]["enum"] = ["error"]
    golden.write_bytes(docs.as_file(once))
    kept = golden.read_bytes()
    assert docs.main(["--accept"]) == 1
    assert capsys.readouterr().out.startswith("credential.revoked.v1: reason/enum changed")
    assert golden.read_bytes() == kept


def test_an_optional_member_is_accepted_into_the_golden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evolution, "GOLDEN", tmp_path)
    docs.accept()
    golden = evolution.schema_file("credential.revoked.v1")
    before = json.loads(golden.read_bytes())
    del before["properties"]["replaced_by"]
    golden.write_bytes(docs.as_file(before))
    assert docs.main(["--accept"]) == 0
    assert json.loads(golden.read_bytes()) == asyncapi.payload_schema(CATALOGUE["credential.revoked.v1"])

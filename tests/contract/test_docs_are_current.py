"""What is rendered in docs is what the code says now, promises name tests that exist, and no kind of event breaks unseen."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from shared.events import asyncapi
from shared.events.base import CATALOGUE
from shared.settings import NodeSettings
from tests import docs, settings_page
from tests.chaos import child
from tests.contract import evolution
from tests.shared_data import ROOT


def test_the_published_documents_are_what_the_code_renders_now() -> None:
    assert docs.stale() == [], "run make docs"


def test_a_changed_a_missing_and_a_forgotten_document_are_each_named(tmp_path: Path) -> None:
    docs.write(tmp_path)
    assert docs.stale(tmp_path) == []
    (tmp_path / "api/asyncapi.json").write_text("{}\n")
    (tmp_path / "api/issuer.openapi.json").unlink()
    (tmp_path / "api/wallet.openapi.json").write_text("{}\n")
    (tmp_path / "settings.md").write_text("# Settings\n")
    assert docs.stale(tmp_path) == ["api/asyncapi.json", "api/issuer.openapi.json", "api/wallet.openapi.json", "settings.md"]


def test_writing_again_removes_what_nothing_renders_any_more(tmp_path: Path) -> None:
    (tmp_path / "api").mkdir()
    (tmp_path / "api/wallet.openapi.json").write_text("{}\n")
    docs.write(tmp_path)
    written = (path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert sorted(written) == sorted(docs.documents())


def test_the_page_of_settings_has_a_row_for_every_setting_with_its_meaning() -> None:
    page = settings_page.render()
    for settings in (NodeSettings, *settings_page.SERVICES):
        for name in settings.model_fields:
            row = next(line for line in page.splitlines() if line.startswith(f"| `TESTAMUR_{name.upper()}` |"))
            assert all(cell.strip() for cell in row.strip("|").split("|"))


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


PROMISED = re.compile(r"\[`(\w+\.py)`\]\(([^)]+)\)`::(\w+)`")
"""A promise's test, as the promises and the crash matrix write it: a link to the file, and the function."""

PAGES = ("docs/promises.md", "docs/crash-matrix.md")


@pytest.mark.parametrize("page", PAGES)
def test_every_promise_names_a_test_that_is_there(page: str) -> None:
    named = PROMISED.findall((ROOT / page).read_text())
    assert len(named) > 30
    for name, link, function in named:
        file = ((ROOT / page).parent / link).resolve()
        assert file.name == name
        assert re.search(rf"^(async )?def {function}\(", file.read_text(), re.MULTILINE), f"{link} has no {function}"


def test_the_crash_matrix_names_every_point_at_which_a_process_is_killed() -> None:
    said = set(re.findall(r"\*([^*\n]+)\*", (ROOT / "docs/crash-matrix.md").read_text()))
    assert said - {"so"} == set(child.POINTS | child.RECOVERY_POINTS)

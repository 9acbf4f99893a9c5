"""`testamur issue-batch` checks a file first, issues all of it or nothing, and can be watched again after it broke off."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from services.cli.app import run
from services.cli.demo.world import DemoNode, once_known, until
from services.cli.exit_codes import Code
from services.cli.registry.institutions import accredit_with_key
from shared.client import Client, NodeUnreachable
from shared.credential import written
from tests.integration.test_node import DRAFT, TARTU, _nation
from tests.scenes.cohort import csv
from tests.shared_data import ROOT

TEMPLATE = str(ROOT / "examples" / "cohort-template.yaml")
COHORT = str(ROOT / "examples" / "cohort.csv")


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


@pytest.fixture(autouse=True)
def _in_the_nodes_place(nation: DemoNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command finds the node as a person's would: by the folder that it stands in."""
    for name in [name for name in os.environ if name.startswith("TESTAMUR_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(Path(nation.settings.home or "").parent)


def batch(*words: str) -> int:
    return run(["issue-batch", *words])


def test_the_examples_are_issued_and_their_result_is_written(tmp_path: Path, nation: DemoNode) -> None:
    result = tmp_path / "result.ndjson"
    line = (COHORT, "--template", TEMPLATE, "--institution", "tartu", "--yes", "--out", str(result))
    assert batch(*line) == Code.FINE
    rows = [json.loads(row) for row in result.read_text().splitlines()]
    assert [(row["external_id"], row["status"]) for row in rows] == [(f"2026-00{n}", "issued") for n in (1, 2, 3)]
    with nation.client() as client:
        found = once_known(lambda: _valid(client, rows[2]["credential"]))
    assert found["verdict"] == "valid"


def _valid(client: Client, credential: str) -> dict[str, object]:
    found = client.verify(credential)
    assert found["verdict"] == "valid"
    return found


def test_a_fault_is_shown_with_its_row_and_nothing_is_issued(
    tmp_path: Path, nation: DemoNode, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "faulty.csv"
    file.write_text("given_name,family_name,workload.ects\nMari,Maasikas,2\nJaan,,fifty\n")
    with nation.client() as client:
        before = len(client.pages("/issuer/cohorts"))
        assert batch(str(file), "--template", TEMPLATE, "--institution", "tartu", "--yes") == Code.REFUSED
        assert len(client.pages("/issuer/cohorts")) == before
    shown = capsys.readouterr().out
    assert "workload.ects" in shown
    assert "fifty" not in shown
    assert batch(str(file), "--template", TEMPLATE, "--institution", "tartu", "--check", "--json") == Code.REFUSED
    assert json.loads(capsys.readouterr().out)["faulty"] == 1


def test_without_a_yes_it_is_only_checked(nation: DemoNode, capsys: pytest.CaptureFixture[str]) -> None:
    with nation.client() as client:
        before = len(client.pages("/issuer/cohorts"))
        assert batch(COHORT, "--template", TEMPLATE, "--institution", "tartu") == Code.FINE
        assert len(client.pages("/issuer/cohorts")) == before
    assert "--yes" in capsys.readouterr().err


def test_a_cohort_that_was_left_alone_is_watched_again(
    tmp_path: Path, nation: DemoNode, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "many.csv"
    file.write_bytes(csv(200))
    with nation.client() as client:
        made = client.issue_cohort(_asked(file))
    assert batch("--resume", made["id"], "--json", "--out", str(tmp_path / "many.ndjson")) == Code.FINE
    assert json.loads(capsys.readouterr().out)["issued"] == 200
    assert len((tmp_path / "many.ndjson").read_text().splitlines()) == 200
    assert batch("--cancel", made["id"]) == Code.REFUSED
    assert "ended" in capsys.readouterr().err


def _asked(file: Path) -> dict[str, object]:
    from services.cli.credential.cohorts import _asked as asked

    return asked(file, "tartu", Path(TEMPLATE), None, None)


@pytest.mark.parametrize(
    "words", [(), ("x.csv",), ("x.doc", "--institution", "tartu", "--template", TEMPLATE), ("--resume", "x")]
)
def test_what_is_not_given_is_asked_for(words: tuple[str, ...]) -> None:
    assert batch(*words) == Code.USAGE


def test_who_watches_does_not_hold_up_a_node_that_stops(tmp_path: Path) -> None:
    running = _nation(tmp_path)
    running.start()
    try:
        with running.client() as client:
            accredit_with_key(client, TARTU)
            once_known(lambda: client.issue("tartu", written.read(DRAFT.read_bytes())))
            file = tmp_path / "many.csv"
            file.write_bytes(csv(2000))
            cohort = client.issue_cohort(_asked(file))["id"]
            told: list[str] = []

            def watch() -> None:
                with suppress(NodeUnreachable):
                    told.extend(client.lines(f"/issuer/cohorts/{cohort}/progress"))

            watching = threading.Thread(target=watch)
            watching.start()
            assert until(lambda: len(told), bool)[0]
            running.stop()
            watching.join(20)
            assert not watching.is_alive()
            assert not any("event: end" in line for line in told), "it was broken off, not done"
    finally:
        running.stop()

"""The doctor says of a store that runs elsewhere whether it takes this node in, and what to do when it does not."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from services.cli.app import run
from tests import engines
from tests.world import PASSPHRASE, found

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def _node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of a node, the present one."""
    for name in [name for name in os.environ if name.startswith("TESTAMUR_") and not name.startswith("TESTAMUR_TEST_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TESTAMUR_KEY_PASSPHRASE", PASSPHRASE)
    found(tmp_path / "testamur-ee", "ee")


def _said_of_the_store(capsys: pytest.CaptureFixture[str]) -> tuple[bool, str]:
    run(["doctor", "--json", "--url", NOWHERE])
    (store,) = [one for one in json.loads(capsys.readouterr().out) if one["what"] == "store"]
    return store["well"], store["detail"]


def test_a_replica_set_that_answers_is_well(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TESTAMUR_STORE", engines.mongo().database("doctor"))
    assert _said_of_the_store(capsys) == (True, "it answers")


def test_a_replica_set_of_another_name_is_named_as_that(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TESTAMUR_STORE", engines.mongo().database("doctor").replace("replicaSet=rs0", "replicaSet=other"))
    well, said = _said_of_the_store(capsys)
    assert not well
    assert "replica set" in said


def test_a_wrong_password_is_a_sentence_that_does_not_repeat_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TESTAMUR_STORE", engines.mongo().database("doctor").replace("://", "://me:hidden-word@"))
    well, said = _said_of_the_store(capsys)
    assert not well
    assert "password" in said
    assert "hidden-word" not in said


def test_an_embedded_store_is_part_of_the_folder(capsys: pytest.CaptureFixture[str]) -> None:
    run(["doctor", "--json", "--url", NOWHERE])
    assert {"store", "bus"}.isdisjoint(one["what"] for one in json.loads(capsys.readouterr().out))

"""Settings come from the environment, have good defaults, and complain in one sentence that names the variable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shared.errors import Misconfigured
from shared.settings import NodeSettings, unknown_variables


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("TESTAMUR_")]:
        monkeypatch.delenv(name)


def test_a_node_needs_its_name_and_nothing_else() -> None:
    settings = NodeSettings.load(node="ee")
    assert settings.home == Path("testamur-ee")
    assert settings.store == settings.bus == "sqlite:///testamur-ee/data"
    assert settings.public_url == "http://127.0.0.1:8400"
    assert settings.audience == "urn:testamur:testamur:ee"
    assert settings.source("registry") == "urn:testamur:testamur:ee:registry"


def test_an_absolute_home_makes_absolute_urls() -> None:
    assert NodeSettings.load(node="ee", home="/srv/ee").store == "sqlite:////srv/ee/data"


def test_variables_are_read_and_keywords_win(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "NODE": "be-fr",
        "PORT": "9000",
        "FETCH_ALLOW": "localhost:8401, 127.0.0.0/8,",
        "KEY_PASSPHRASE": "correct horse",
        "AUTHORISATION_SERVERS": '[{"issuer": "https://id.example", "jwks_uri": "https://id.example/jwks"}]',
    }
    for name, value in given.items():
        monkeypatch.setenv(f"TESTAMUR_{name}", value)
    settings = NodeSettings.load(port=9001)
    assert (settings.node, settings.port) == ("be-fr", 9001)
    assert settings.fetch_allow == ("localhost:8401", "127.0.0.0/8")
    assert settings.authorisation_servers[0].issuer == "https://id.example"
    assert "correct horse" not in repr(settings)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "TESTAMUR_NODE is not set"),
    ({"node": "Estonia"}, "TESTAMUR_NODE"),
    ({"node": "ee", "port": "zebra"}, "TESTAMUR_PORT"),
    ({"node": "ee", "port": 70000}, "TESTAMUR_PORT"),
    ({"node": "ee", "federation": "A B"}, "TESTAMUR_FEDERATION"),
    ({"node": "ee", "public_url": "zebra"}, "TESTAMUR_PUBLIC_URL"),
    ({"node": "ee", "max_age": 0}, "TESTAMUR_MAX_AGE"),
    ({"node": "ee", "rate_per_second": float("nan")}, "TESTAMUR_RATE_PER_SECOND"),
    ({"node": "ee", "log_level": "zebra"}, "TESTAMUR_LOG_LEVEL"),
    ({"node": "ee", "authorisation_servers": [{"issuer": "x"}]}, "TESTAMUR_AUTHORISATION_SERVERS"),
    ({"node": "ee", "prot": 1}, "no setting prot"),
]


@pytest.mark.parametrize(("given", "words"), WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_value_is_one_sentence_that_names_its_variable(given: dict[str, Any], words: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        NodeSettings.load(**given)
    assert words in caught.value.detail
    assert "\n" not in caught.value.detail
    assert "zebra" not in caught.value.detail
    assert caught.value.__cause__ is None


def test_a_list_that_is_no_json_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESTAMUR_AUTHORISATION_SERVERS", "zebra")
    with pytest.raises(Misconfigured, match="TESTAMUR_AUTHORISATION_SERVERS is not JSON"):
        NodeSettings.load(node="ee")


def test_a_misspelt_variable_is_found() -> None:
    class Wider(NodeSettings):
        lease_seconds: int = 5

    present = {
        "TESTAMUR_PROT": "1",
        "TESTAMUR_PORT": "1",
        "TESTAMUR_LEASE_SECONDS": "1",
        "TESTAMUR_SHARED": "x",
        "PATH": "x",
    }
    assert unknown_variables([Wider], present) == ["TESTAMUR_PROT"]
    assert unknown_variables([NodeSettings], present) == ["TESTAMUR_LEASE_SECONDS", "TESTAMUR_PROT"]


def test_every_setting_explains_itself_and_shows_an_example() -> None:
    for name, field in NodeSettings.model_fields.items():
        assert field.description, name
        assert field.examples, name

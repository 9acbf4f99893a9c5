"""The mirror's file lets each nation's public streams through in one direction, and nothing else."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest

from services.cli.app import run
from services.cli.exit_codes import Code
from services.cli.federation.anchor import AnchorFolder
from shared.bus.kafka.mirror_maker import properties
from shared.bus.kafka.url import KafkaUrl
from shared.clock import SystemClock
from shared.events.base import PUBLIC, STREAMS
from shared.home.folder import Home
from shared.ids import topic_name
from shared.settings import NodeSettings

EE, PT, BE = "ee=one.example:9092", "pt=two.example:9092", "be-fr=three.example:9092,four.example:9092"
NODES = ("ee", "pt", "be-fr")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A federation of three nodes and one that is suspended, by whose list ee goes."""
    place = tmp_path_factory.mktemp("federation")
    nodes = []
    for name in (*NODES, "lv"):
        node = Home(NodeSettings.load(node=name, home=place / f"testamur-{name}", federation="europe")).node()
        nodes.append(node.model_copy(update={"status": "suspended"}) if name == "lv" else node)
    anchor = AnchorFolder.begin(place / "federation-europe", "europe")
    for node in nodes:
        anchor.add(node)
    anchor.sign(SystemClock().now(), timedelta(days=30))
    signed = (anchor.folder / "federation.json").read_bytes()
    Home(NodeSettings.load(node="ee", home=place / "testamur-ee", federation="europe")).join(signed, *anchor.pinned())
    return place


@pytest.fixture(autouse=True)
def _in_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TESTAMUR_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(folder)


def _config(capsys: pytest.CaptureFixture[str], *clusters: str, into: str = "") -> dict[str, str]:
    given = [word for cluster in clusters for word in ("--cluster", cluster)]
    assert run(["mirror", "config", *given, *(["--only-into", into] if into else [])]) == Code.FINE
    return _read(capsys.readouterr().out)


def _read(text: str) -> dict[str, str]:
    """The file as the mirror's own reader takes it: no backslash, one meaning a line."""
    assert "\\" not in text
    lines = [line.partition(" = ") for line in text.splitlines() if line and not line.startswith("#")]
    written = {name: value for name, _, value in lines}
    assert len(written) == len(lines)
    return written


def _refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run(["mirror", "config", *words]) in (Code.REFUSED, Code.USAGE)
    out, err = capsys.readouterr()
    assert out == ""
    (sentence,) = [line for line in err.splitlines() if line.startswith("testamur: ")]
    return sentence


def test_each_direction_carries_its_origins_public_topics_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    written = _config(capsys, EE, PT, BE)
    for origin, target in product(NODES, NODES):
        if origin == target:
            assert f"{origin}->{target}.enabled" not in written
            continue
        assert written[f"{origin}->{target}.enabled"] == "true"
        pattern = re.compile(written[f"{origin}->{target}.topics"])
        every = [topic_name(node, stream) for node in (*NODES, "be", "fr") for stream in STREAMS]
        passed = {topic for topic in every if pattern.fullmatch(topic)}
        assert passed == {topic_name(origin, stream) for stream in PUBLIC}
        assert not pattern.fullmatch(f"testamurX{origin}.status.v1")


def test_names_stay_as_they_are_and_nothing_but_records_is_carried(capsys: pytest.CaptureFixture[str]) -> None:
    written = _config(capsys, EE, PT)
    assert written["replication.policy.class"].endswith(".IdentityReplicationPolicy")
    off = ("emit.heartbeats", "emit.checkpoints", "emit.offset-syncs", "refresh.groups", "sync.group.offsets")
    for name in (*off, "sync.topic.acls", "sync.topic.configs"):
        assert written[f"{name}.enabled"] == "false"
    assert written["exactly.once.source.support"] == "disabled"


def test_a_mirror_beside_one_cluster_only_writes_there(capsys: pytest.CaptureFixture[str]) -> None:
    written = _config(capsys, EE, PT, BE, into="pt")
    assert {name for name in written if name.endswith(".enabled") and "->" in name} == {
        "ee->pt.enabled",
        "be-fr->pt.enabled",
    }
    assert written["clusters"] == "ee, pt, be-fr"


def test_several_brokers_of_a_cluster_and_its_replicas_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    written = _config(capsys, EE, f"be-fr=kafka://{BE.partition('=')[2]}?replication=3")
    assert written["be-fr.bootstrap.servers"] == "three.example:9092,four.example:9092"
    assert written["ee->be-fr.replication.factor"] == "3"
    assert written["be-fr->ee.replication.factor"] == "-1", "as ee's brokers have it by default"


def test_a_suspended_node_is_left_out_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    clusters = [word for one in (EE, PT, "lv=five.example") for word in ("--cluster", one)]
    assert run(["mirror", "config", *clusters]) == Code.FINE
    out, err = capsys.readouterr()
    assert "lv" not in _read(out)["clusters"]
    assert "lv is left out" in err
    assert "two active nodes" in _refused(capsys, "--cluster", EE, "--cluster", "lv=five.example")


def test_no_password_is_written_and_the_variable_that_holds_it_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    secret = "be-fr=kafka://mirror:hidden-word@three.example?security=sasl_ssl&mechanism=SCRAM-SHA-512&ca=/etc/ca.pem"
    assert run(["mirror", "config", "--cluster", EE, "--cluster", secret]) == Code.FINE
    out, err = capsys.readouterr()
    assert "hidden-word" not in out + err
    written = _read(out)
    assert 'username="mirror" password="${env:MIRROR_BE_FR_PASSWORD}";' in written["be-fr.sasl.jaas.config"]
    assert (written["be-fr.security.protocol"], written["be-fr.sasl.mechanism"]) == ("SASL_SSL", "SCRAM-SHA-512")
    assert written["be-fr.ssl.truststore.location"] == "/etc/ca.pem"
    assert "MIRROR_BE_FR_PASSWORD" in err


def test_a_users_name_cannot_break_out_of_the_login_line() -> None:
    clusters = {name: KafkaUrl.parse(f"kafka://a%22b%5Cc@{name}.example?security=sasl_ssl") for name in ("ee", "pt")}
    # a properties file eats one backslash of two, the login line's quotes the other
    assert r'username="a\\"b\\\\c" password=' in properties(clusters, ["ee"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--cluster", EE), "two active nodes"),
        (("--cluster", EE, "--cluster", "zz=six.example"), "names no node zz"),
        (("--cluster", EE, "--cluster", "Portugal=two.example"), "NODE=HOST:PORT"),
        (("--cluster", EE, "--cluster", "pt"), "NODE=HOST:PORT"),
        (("--cluster", EE, "--cluster", "ee=again.example"), "given twice"),
        (("--cluster", EE, "--cluster", "pt=two.example:port"), "--cluster pt"),
        (("--cluster", EE, "--cluster", "pt=http://two.example"), "--cluster pt"),
        (("--cluster", EE, "--cluster", PT, "--only-into", "be-fr"), "--only-into"),
        ((), "--cluster"),
    ],
)
def test_a_wrong_line_is_a_sentence(words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert says in _refused(capsys, *words)

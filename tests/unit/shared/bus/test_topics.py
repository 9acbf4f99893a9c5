"""A node's topics are set so that nothing is lost by their settings, and each service may do what it needs and no more."""

from __future__ import annotations

import json
import os
import socket
from importlib import import_module
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.app import run
from services.cli.exit_codes import Code
from shared.bus.access import READS, Right, group_of, principal_of, rights_of, writers_beside
from shared.bus.topics import TopicState, copies_to_try, differences, settings_of, topics_of
from shared.clock import SystemClock
from shared.events.base import PUBLIC, STREAMS
from shared.events.entry import MAX_ENTRY_BYTES
from shared.home.folder import Home
from shared.ids import parse_topic, topic_name
from shared.settings import NodeSettings
from tests.shared_data import ROOT

TOPICS = topics_of("ee", ["pt", "be-fr"])
STATUS = topic_name("ee", "status")
ISSUANCE = topic_name("ee", "issuance")
CHECKPOINTS = topic_name("ee", "checkpoints")


def _as_wanted(topic: str, replication: int = 1) -> TopicState:
    return TopicState(1, replication, {"compression.type": "producer", **settings_of(topic, replication)})


def _with(topic: str, **changed: str) -> TopicState:
    state = _as_wanted(topic)
    return state._replace(settings={**state.settings, **{name.replace("_", "."): value for name, value in changed.items()}})


def test_a_broker_holds_its_nodes_topics_and_the_public_ones_of_its_neighbours() -> None:
    named = [parse_topic(topic) for topic in TOPICS]
    assert None not in named
    assert {one.stream for one in named if one and one.node == "ee"} == set(STREAMS)
    assert {(one.node, one.stream) for one in named if one and one.node != "ee"} == set(product(("be-fr", "pt"), PUBLIC))
    assert len(set(TOPICS)) == len(TOPICS)


def test_only_checkpoints_are_compacted() -> None:
    compacted = {topic for topic in TOPICS if "compact" in settings_of(topic)["cleanup.policy"]}
    assert compacted == {topic_name(node, "checkpoints") for node in ("ee", "pt", "be-fr")}


def test_what_no_log_could_fill_again_is_kept_for_ever() -> None:
    for topic in TOPICS:
        kept_for_ever = settings_of(topic)["retention.ms"] == "-1"
        assert kept_for_ever == (topic == ISSUANCE or "checkpoints" in topic)
        assert settings_of(topic)["retention.bytes"] == "-1"


def test_the_largest_entry_fits() -> None:
    assert int(settings_of(STATUS)["max.message.bytes"]) > 2 * MAX_ENTRY_BYTES


@given(st.sampled_from(TOPICS), st.integers(1, 7))
def test_a_topic_that_is_set_as_it_should_be_differs_in_nothing(topic: str, replication: int) -> None:
    assert differences([topic], {topic: _as_wanted(topic, replication)}, replication) == []


@given(st.integers(1, 7), st.integers(1, 7))
def test_a_write_never_waits_for_more_replicas_than_there_are(there: int, wanted: int) -> None:
    found = TopicState(1, there, {"min.insync.replicas": "99"})
    changed = {one.setting: one.wanted for one in differences([STATUS], {STATUS: found}, wanted)}
    assert int(changed["min.insync.replicas"]) <= there
    assert ("replication" in changed) == (there < wanted)


def test_from_three_replicas_on_a_write_waits_for_two() -> None:
    assert [settings_of(STATUS, replicas)["min.insync.replicas"] for replicas in (1, 2, 3, 5)] == ["1", "1", "2", "2"]


@pytest.mark.parametrize(("copies", "told"), [(1, "1 partition, 1 copy"), (3, "1 partition, 3 copies")])
def test_of_a_missing_topic_it_is_said_how_many_copies_it_will_get(copies: int, told: str) -> None:
    (found,) = differences([STATUS], {}, copies)
    assert found.missing
    assert found.wanted == told


def test_what_a_mirror_compressed_is_kept_uncompressed() -> None:
    assert all(settings_of(topic)["compression.type"] == "uncompressed" for topic in TOPICS)


def test_unsaid_a_cluster_is_asked_for_three_copies_and_for_fewer_as_long_as_it_refuses() -> None:
    assert copies_to_try(None) == (3, 2, 1)
    assert copies_to_try(5) == (5,)


def test_a_topic_of_several_partitions_cannot_be_mended_in_place() -> None:
    (found,) = differences([STATUS], {STATUS: _as_wanted(STATUS)._replace(partitions=3)}, 1)
    assert (found.setting, found.found, found.wanted, found.changeable) == ("partitions", "3", "1", False)


def test_a_number_that_is_written_otherwise_is_the_same_number() -> None:
    assert differences([CHECKPOINTS], {CHECKPOINTS: _with(CHECKPOINTS, min_cleanable_dirty_ratio="0.10")}, 1) == []


@pytest.mark.parametrize(
    ("topic", "found", "drops"),
    [
        (STATUS, {"retention_ms": "-1"}, {"retention.ms"}),
        (STATUS, {"retention_ms": "9999999999"}, {"retention.ms"}),
        (STATUS, {"retention_ms": "1000"}, set()),
        (STATUS, {"cleanup_policy": "compact", "retention_ms": "-1"}, {"cleanup.policy", "retention.ms"}),
        (ISSUANCE, {"cleanup_policy": "compact"}, set()),
        (ISSUANCE, {"retention_ms": "1000"}, set()),
        (CHECKPOINTS, {"cleanup_policy": "delete", "retention_ms": "1000"}, {"cleanup.policy"}),
        (STATUS, {"max_message_bytes": "99999999"}, set()),
    ],
)
def test_a_change_that_costs_records_is_marked(topic: str, found: dict[str, str], drops: set[str]) -> None:
    marked = differences([topic], {topic: _with(topic, **found)}, 1)
    assert {one.setting.replace(".", "_") for one in marked} == found.keys()
    assert {one.setting for one in marked if one.drops} == drops


def test_every_topic_has_one_writer_and_a_neighbours_is_filled_by_registry_and_mirror() -> None:
    writers: dict[str, set[str]] = {}
    for right in rights_of("ee", ["pt", "be-fr"]):
        if right.operation == "WRITE" and parse_topic(right.name):
            writers.setdefault(right.name, set()).add(right.principal)
    for topic in TOPICS:
        named = parse_topic(topic)
        assert named
        own = {principal_of("ee", STREAMS[named.stream].writer)}
        assert writers.pop(topic) == (
            own if named.node == "ee" else {"User:testamur-ee-registry", "User:testamur-ee-mirror"}
        )
    assert not writers


@pytest.mark.parametrize("service", READS)
def test_a_service_may_read_what_it_hears_and_what_it_writes_and_nothing_else(service: str) -> None:
    streams = import_module(f"services.{service}.consumer").STREAMS
    foreign = "foreign=True" in (ROOT / "services" / service / "app.py").read_text()
    heard = {topic_name("ee", stream) for stream in streams}
    heard |= {topic_name(node, stream) for node in ("pt", "be-fr") for stream in PUBLIC if foreign}
    heard |= {topic_name("ee", stream.name) for stream in STREAMS.values() if stream.writer == service}
    mine = [right for right in rights_of("ee", ["pt", "be-fr"]) if right.principal == principal_of("ee", service)]
    assert {right.name for right in mine if right.kind == "topic" and right.operation == "READ"} == heard
    assert [right.name for right in mine if right.kind == "group"] == [group_of("ee", service)]


def test_nobody_may_delete_or_change_a_topic_and_a_neighbours_mirror_may_only_read() -> None:
    rights = rights_of("ee", ["pt"], whole=True)
    assert {right.operation for right in rights} == {"READ", "WRITE", "CREATE", "DESCRIBE_CONFIGS"}
    stranger = [right for right in rights if right.principal == "User:testamur-pt-mirror"]
    assert {right.operation for right in stranger} == {"READ", "DESCRIBE_CONFIGS"}
    assert {right.name for right in stranger} == {topic_name("ee", stream) for stream in PUBLIC}


def test_one_user_for_a_whole_node_may_do_what_its_services_may_together() -> None:
    services = {principal_of("ee", service) for service in READS}
    rights = rights_of("ee", ["pt"], whole=True)
    together = {right._replace(principal="User:testamur-ee-node") for right in rights if right.principal in services}
    assert {right for right in rights if right.principal == "User:testamur-ee-node"} == together
    assert not [right for right in rights_of("ee", ["pt"]) if right.principal == "User:testamur-ee-node"]


def test_somebody_else_who_could_write_is_named() -> None:
    rights = rights_of("ee", ["pt"])
    beside = [
        Right("User:intern", "topic", "testamur.ee.*", "WRITE"),
        Right("User:testamur-ee-issuer", "topic", STATUS, "WRITE"),
    ]
    harmless = [Right("User:watch", "topic", "*", "READ"), Right("User:other", "topic", "orders", "WRITE")]
    assert writers_beside(rights, [*rights, *beside, *harmless], TOPICS) == sorted(beside)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NodeSettings:
    """A node's folder beneath the present one, and no variable that names another."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("TESTAMUR_")]:
        monkeypatch.delenv(name)
    settings = NodeSettings.load(node="ee", home=tmp_path / "testamur-ee")
    Home(settings).set_up(SystemClock().now())
    return settings


@pytest.mark.parametrize("verb", ["plan", "apply"])
def test_the_embedded_bus_needs_no_topics_made(verb: str, node: NodeSettings, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["topics", verb]) == Code.FINE
    assert "Nothing to do" in capsys.readouterr().out


def test_a_broker_that_does_not_answer_is_a_sentence_without_the_password(
    node: NodeSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    monkeypatch.setenv("TESTAMUR_BUS", f"kafka://me:hidden-word@127.0.0.1:{port}?security=sasl_plaintext")
    assert run(["topics", "plan"]) == Code.UNREACHABLE
    said = capsys.readouterr().err
    assert "No broker answers at kafka://me@127.0.0.1" in said
    assert "hidden-word" not in said
    assert len(said.strip().splitlines()) == 1


def test_the_doctor_names_a_broker_that_does_not_answer(
    node: NodeSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    monkeypatch.setenv("TESTAMUR_BUS", f"kafka://127.0.0.1:{port}")
    run(["doctor", "--json", "--url", f"http://127.0.0.1:{port}"])
    (bus,) = [one for one in json.loads(capsys.readouterr().out) if one["what"] == "bus"]
    assert not bus["well"]
    assert "No broker answers" in bus["detail"]

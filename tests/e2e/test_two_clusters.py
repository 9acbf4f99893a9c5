"""Promise: two nations on Kafka clusters of their own, set up by the commands that an operator types and run one process a
service, tell the demo's whole story, and nothing but two MirrorMakers carries it across the border.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.cli import local
from shared.client import SERVICES
from tests import engines
from tests.bench.border import free_port
from tests.e2e import story
from tests.e2e.compose import MAX_AGE_SECONDS
from tests.e2e.story import Elsewhere
from tests.e2e.test_demo import EXPECTED
from tests.nations import Clusters, Service, said, services_of, start_clusters

pytestmark = pytest.mark.timeout(300)

PLACES = {"ee": "Tallinn", "pt": "Lisbon"}
FEDERATION = "europe"


@dataclass(frozen=True, slots=True)
class Operator:
    """Who runs one nation: a folder of one's own, a terminal with some settings exported, and a port for each service."""

    node: str
    desk: Path
    ports: Mapping[str, int]

    def types(self, *line: str, **more: str) -> str:
        """What a command prints in this terminal."""
        return said(*line, cwd=self.desk, **self.exported, **more)

    @property
    def exported(self) -> dict[str, str]:
        """What is exported from the first command on. Only its own registry may be fetched: the border is a mirror's."""
        registry = f"127.0.0.1:{self.ports['registry']}"
        return {
            "TESTAMUR_NODE": self.node,
            "TESTAMUR_PUBLIC_URL": f"http://{registry}",
            "TESTAMUR_FETCH_ALLOW": registry,
            "TESTAMUR_CHECKPOINT_INTERVAL": "1",
            "TESTAMUR_MAX_AGE": str(MAX_AGE_SECONDS),
        }

    @property
    def folder(self) -> Path:
        """The node's folder, where the commands make it."""
        return self.desk / f"testamur-{self.node}"


@pytest.fixture
def operators(tmp_path: Path) -> dict[str, Operator]:
    made = {}
    for node in PLACES:
        (tmp_path / node).mkdir()
        made[node] = Operator(node, tmp_path / node, {name: free_port() for name in SERVICES})
    return made


@pytest.fixture
def services(tmp_path: Path, operators: dict[str, Operator]) -> Iterator[dict[str, dict[str, Service]]]:
    """Both nations' services, after all that comes before them; the engines start while the federation is founded."""
    with ExitStack() as closing, ThreadPoolExecutor(4) as threads:
        starting = threads.submit(start_clusters, closing, PLACES)
        _found(tmp_path / "anchor", operators, threads)
        clusters = starting.result()
        list(threads.map(lambda one: one.types("topics", "apply", **clusters.urls(one.node)), operators.values()))
        for mirror in threads.map(lambda one: _mirror(one, clusters), operators.values()):
            closing.callback(mirror.discard)
        nations = {}
        for name, other in (("ee", "pt"), ("pt", "ee")):
            one = operators[name]
            exported = {**one.exported, **clusters.urls(name), "TESTAMUR_MIRRORED": other}
            nations[name] = services_of(name, one.folder, one.ports, exported, closing)
            for service in nations[name].values():
                service.start()
        yield nations


def _found(anchor: Path, operators: Mapping[str, Operator], threads: ThreadPoolExecutor) -> None:
    """Each nation says who it is, the anchor lists both, and each goes by its list: files go between the three."""
    anchor.mkdir()
    said("federation", "init", FEDERATION, cwd=anchor)
    described = threads.map(lambda one: one.types("federation", "describe"), operators.values())
    for node, text in zip(operators, described, strict=True):
        (anchor / f"{node}.json").write_text(text)
        said("federation", "add-node", f"{node}.json", cwd=anchor)
    said("federation", "sign", cwd=anchor)
    signed = str(anchor / f"federation-{FEDERATION}")
    list(threads.map(lambda one: one.types("federation", "join", signed), operators.values()))
    list(threads.map(lambda one: one.types("init"), operators.values()))


def _mirror(one: Operator, clusters: Clusters) -> engines.MirrorMaker:
    """A MirrorMaker beside a nation's broker, which fetches what the other says."""
    known = [part for name, broker in clusters.brokers.items() for part in ("--cluster", f"{name}={broker.bootstrap}")]
    return engines.mirror_maker(one.types("mirror", "config", *known, "--only-into", one.node))


def _nation(one: Operator, services: Mapping[str, Service]) -> Elsewhere:
    addresses = ",".join(f"{name}=http://127.0.0.1:{port}" for name, port in one.ports.items())
    settings = local.find(one.node, one.folder, max_age=MAX_AGE_SECONDS)

    def silence() -> None:
        with ThreadPoolExecutor(len(services)) as threads:
            assert set(threads.map(Service.stop, services.values())) == {0}

    return Elsewhere(one.node, PLACES[one.node], settings, addresses=addresses, silence=silence)


def test_two_nations_of_eight_processes_tell_the_whole_story_through_two_mirrors(
    operators: dict[str, Operator], services: dict[str, dict[str, Service]]
) -> None:
    estonia, portugal = (_nation(operators[name], services[name]) for name in PLACES)
    assert [outcome.answered for outcome in story.tell(estonia, portugal)] == EXPECTED

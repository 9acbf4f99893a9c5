"""Promise: with every service, both brokers, the database and the mirror killed in turn under load, nothing acknowledged is
lost, nothing is done twice, and both nations come to one state.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pymongo import MongoClient

from services.cli.moving import state_hashes
from services.verifier import repository as verifier
from shared.bus.kafka_admin import KafkaAdmin
from shared.bus.kafka_mirror import properties
from shared.bus.kafka_url import KafkaUrl
from shared.bus.log import COLLECTIONS, read_on
from shared.bus.topics import settings_of, topics_of
from shared.clock import SystemClock
from shared.credential import written
from shared.events.entry import parse
from shared.home import Home
from shared.ids import new_ref, topic_name
from shared.store.open import open_store
from tests import engines
from tests.bench.border import free_port, home_of
from tests.shared_data import ROOT
from tests.world import EXAMPLE, PASSPHRASE, SCOPE, access_token, federate

pytestmark = pytest.mark.timeout(560)

CLOCK = SystemClock()
ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "1"))
"""How often everything is killed in turn; `make chaos` does it more often."""

HEALED = 150.0
"""Seconds within which everything that was acknowledged must be known abroad, on a busy machine."""

UNDER_LOAD = 2.0
"""Seconds of load before each kill, and while something is dead."""


@dataclass
class Service:
    """One service of one nation in a process of its own, on the port it always has."""

    home: Home
    name: str
    port: int
    others: dict[str, str]
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        line = [sys.executable, "-m", "testamur", "run", self.name, "--node", self.home.settings.node]
        line += ["--home", str(self.home.folder), "--port", str(self.port), "--json"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TESTAMUR_")}
        environment |= {"PYTHONPATH": str(ROOT), "TESTAMUR_KEY_PASSPHRASE": PASSPHRASE, **self.others}
        log = (self.home.folder / f"{self.name}.log").open("ab")
        self.process = subprocess.Popen(line, env=environment, stdout=log, stderr=log)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{self.name}"


@dataclass
class Load:
    """Credentials issued one after the other and every third revoked, each request repeated under one key until answered."""

    home: Home
    issuer: str
    registry: str
    issued: dict[str, str] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)
    ending: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        body = {"institution": "tartu", "credential": written.read(EXAMPLE.read_bytes())}
        while not self.ending.is_set():
            made = self.insist(f"{self.issuer}/credentials", body)
            self.issued[made["ref"]] = made["credential"]
            if len(self.issued) % 3 == 0:
                self.revoke(made["ref"])

    def revoke(self, ref: str) -> None:
        """A credential is revoked once its registry has heard of it; until then it answers 404."""
        self.insist(f"{self.registry}/credentials/{ref}/revoke", {"reason": "error"}, who=new_ref())
        self.revoked.add(ref)

    def insist(self, url: str, body: Any, who: str = "someone") -> dict[str, Any]:
        headers = {"idempotency-key": new_ref(), "authorization": f"Bearer {access_token(self.home, subject=who)}"}
        until = CLOCK.monotonic() + HEALED
        while True:
            try:
                answer = httpx.post(url, json=body, headers=headers, timeout=20)
                if answer.status_code < 300:
                    return dict(answer.json())
                last = answer.text
            except httpx.HTTPError as error:
                last = repr(error)
            assert CLOCK.monotonic() < until, last
            time.sleep(0.1)


@dataclass
class Scene:
    """Two nations on clusters of their own, the mirrors between them, and one database server."""

    services: dict[str, Service]
    brokers: dict[str, engines.Kafka]
    mongo: engines.Mongo
    mirrors: dict[str, engines.MirrorMaker]
    homes: dict[str, Home]

    def victims(self) -> list[tuple[str, Callable[[], None], Callable[[], None]]]:
        """Everything that can be killed on the way of a credential: its name, how it dies, how it comes back."""
        parts: dict[str, Any] = {**self.services, "broker ee": self.brokers["ee"], "broker pt": self.brokers["pt"]}
        parts |= {"mongod": self.mongo, "mirror into pt": self.mirrors["pt"]}
        return [(name, part.kill, part.start) for name, part in parts.items()]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with ExitStack() as closing:
        brokers = dict(zip(("ee", "pt"), engines.together(engines.own_kafka, engines.own_kafka), strict=True))
        mongo = engines.own_mongo()
        for engine in (*brokers.values(), mongo):
            closing.callback(engine.discard)
        _make_topics(brokers)
        urls = {name: KafkaUrl.parse(broker.url) for name, broker in brokers.items()}
        mirrors = {name: engines.mirror_maker(properties(urls, [name])) for name in urls}
        for mirror in mirrors.values():
            closing.callback(mirror.discard)
        homes = {name: home_of(tmp_path, name) for name in urls}
        federate(list(homes.values()))
        database = f"chaos_{uuid4().hex[:8]}"
        services = {}
        for name, other in (("ee", "pt"), ("pt", "ee")):
            for service in ("registry", "issuer", "verifier", "notifier"):
                port = homes[name].settings.port if service == "registry" else free_port()
                given = {
                    "TESTAMUR_BUS": brokers[name].url,
                    "TESTAMUR_STORE": mongo.database(f"{database}_{name}"),
                    "TESTAMUR_MIRRORED": other,
                    "TESTAMUR_CHECKPOINT_INTERVAL": "1",
                    "TESTAMUR_FETCH_ALLOW": "127.0.0.0/8",
                    "TESTAMUR_RATE_PER_SECOND": "10000",
                    "TESTAMUR_RATE_BURST": "100000",
                    "TESTAMUR_PUBLIC_URL": homes[name].settings.public_url,
                }
                services[f"{name} {service}"] = Service(homes[name], service, port, given)
        for one in services.values():
            one.start()
            closing.callback(one.kill)
        yield Scene(services, brokers, mongo, mirrors, homes)


def _make_topics(brokers: dict[str, engines.Kafka]) -> None:
    for name, other in (("ee", "pt"), ("pt", "ee")):
        admin = KafkaAdmin(brokers[name].url)
        for topic in topics_of(name, [other]):
            admin.create(topic, settings_of(topic))


def test_everything_killed_in_turn_under_load_loses_nothing_and_doubles_nothing(scene: Scene) -> None:
    load = Load(scene.homes["ee"], scene.services["ee issuer"].url, scene.services["ee registry"].url)
    _accredit(load)
    working = threading.Thread(target=load.run)
    working.start()
    try:
        for _ in range(ROUNDS):
            for _name, kill, start in scene.victims():
                time.sleep(UNDER_LOAD / 2)
                kill()
                time.sleep(UNDER_LOAD / 2)
                start()
    finally:
        load.ending.set()
        working.join(HEALED)
    assert not working.is_alive()
    assert len(load.issued) > len(scene.victims())
    _known_abroad(scene, load)
    asyncio.run(_one_state(scene, load))


def test_a_verifier_that_is_paused_amid_its_work_is_replaced_and_doubles_nothing_when_it_goes_on(scene: Scene) -> None:
    load = Load(scene.homes["ee"], scene.services["ee issuer"].url, scene.services["ee registry"].url)
    _accredit(load)
    leader = scene.services["pt verifier"]
    standby = replace(leader, port=free_port(), process=None)
    working = threading.Thread(target=load.run)
    working.start()
    try:
        time.sleep(UNDER_LOAD)
        _known_abroad(scene, Load(load.home, "", "", dict(list(load.issued.items())[:1]), load.revoked))
        standby.start()
        assert leader.process is not None
        os.kill(leader.process.pid, signal.SIGSTOP)
        time.sleep(UNDER_LOAD)
        later = dict([list(load.issued.items())[-1]])
        scene.services["pt verifier"] = standby
        _known_abroad(scene, Load(load.home, "", "", later, load.revoked))
        os.kill(leader.process.pid, signal.SIGCONT)
        time.sleep(UNDER_LOAD)
    finally:
        load.ending.set()
        working.join(HEALED)
    try:
        _known_abroad(scene, load)
        asyncio.run(_one_state(scene, load))
    finally:
        scene.services["pt verifier"] = leader
        standby.kill()


def _accredit(load: Load) -> None:
    institution = {"institution": "tartu", "name": "University of Tartu", "country": "EE", "scope": SCOPE}
    load.insist(f"{load.registry}/institutions", institution)
    key = load.insist(f"{load.issuer}/institutions/tartu/keys", None)
    load.insist(f"{load.registry}/institutions/tartu/keys", {"kid": key["kid"], "jwk": key["jwk"]})


def _known_abroad(scene: Scene, load: Load) -> None:
    """Every acknowledged credential is valid in Portugal, or revoked where that was acknowledged."""
    url, home = f"{scene.services['pt verifier'].url}/verifications", scene.homes["pt"]
    until = CLOCK.monotonic() + HEALED
    with httpx.Client(headers={"authorization": f"Bearer {access_token(home)}"}, timeout=20) as client:
        for ref, credential in load.issued.items():
            while True:
                wanted = "invalid" if ref in load.revoked else "valid"  # which the load may say at any moment
                try:
                    report = client.post(url, json={"credential": credential}).json()
                except httpx.HTTPError as error:
                    report = {"verdict": repr(error)}
                if report.get("verdict") == wanted:
                    break
                assert CLOCK.monotonic() < until, (ref, wanted, report)
                time.sleep(0.2)


async def _one_state(scene: Scene, load: Load) -> None:
    """Each chain has every acknowledged effect once and no gap; both verifiers have folded the same state of Estonia."""
    database = {name: scene.services[f"{name} registry"].others["TESTAMUR_STORE"] for name in ("ee", "pt")}
    registry = await open_store(database["ee"], "registry", COLLECTIONS)
    done: dict[str, Counter[str]] = {}
    for stream in ("registrations", "status"):
        topic, after, subjects = topic_name("ee", stream), 0, Counter[str]()
        while rows := await read_on(registry, topic, after, 500):
            places = [parse(row.body["jws"]).envelope for row in rows]
            assert [place.seq for place in places] == list(range(after + 1, after + len(rows) + 1))
            subjects.update(place.sub for place in places)
            after += len(rows)
        done[stream] = subjects
    await registry.close()
    assert done["registrations"].keys() >= load.issued.keys()
    assert done["status"].keys() >= load.revoked
    assert {times for counted in done.values() for times in counted.values()} == {1}
    states = {}
    for name in database:
        store = await open_store(database[name], "verifier", [*COLLECTIONS, *verifier.COLLECTIONS])
        states[name] = (await state_hashes(store))["ee"]
        await store.close()
    assert states["ee"] == states["pt"]
    with MongoClient(scene.mongo.url) as client:
        for name in client.list_database_names():
            if name.startswith("chaos_"):
                client.drop_database(name)

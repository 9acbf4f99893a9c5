"""Promise: with every service, both brokers, the database and the mirror killed in turn under load, nothing acknowledged is
lost, nothing is done twice, everybody is told once, and both nations come to one state.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import Any

import httpx2
import pytest

from services.cli.node.migration import state_hashes
from services.cli.node.serving import START
from services.registry.credentials.repository import REFUSALS
from services.verifier import repository as verifier
from shared.bus.kafka.mirror_maker import properties
from shared.bus.kafka.url import KafkaUrl
from shared.client import SERVICES
from shared.clock import SystemClock
from shared.credential import written
from shared.events.entry import parse
from shared.home.folder import Home
from shared.ids import new_ref, topic_name
from shared.log.archive import COLLECTIONS, read_on
from shared.store.open import open_store
from tests import engines
from tests.bench.border import free_port, home_of
from tests.chaos.receiver import Receiver, receiving
from tests.nations import Clusters, Service, make_topics, services_of, start_clusters
from tests.scenes.federation import NO_TLS
from tests.world import EXAMPLE, PASSPHRASE, SCOPE, access_token, federate

pytestmark = [pytest.mark.long, pytest.mark.timeout(560)]

CLOCK = SystemClock()
NODES = ("ee", "pt")
ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "1"))
"""How often everything is killed in turn; `make chaos` does it more often."""

HEALED = 150.0
"""Seconds within which everything that was acknowledged must be known abroad, on a busy machine."""

UNDER_LOAD = 2.0
"""Seconds of load before each kill, and while something is dead."""

HTTP = httpx2.Client(timeout=20, verify=NO_TLS)

EVERY = 0.1
"""Seconds between two credentials of the load: it leaves the machine some time for those that come back."""


@dataclass
class Load:
    """Credentials issued one after the other, every third revoked and every other asked for twice under one key; each
    request repeated until it is answered. Who revokes holds up nobody who issues.
    """

    home: Home
    issuer: str
    registry: str
    issued: dict[str, str] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)
    ending: threading.Event = field(default_factory=threading.Event)
    _mistaken: SimpleQueue[str | None] = field(default_factory=SimpleQueue)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Under load while the block runs; what failed in it fails here."""
        self.ending.clear()
        with ThreadPoolExecutor(2) as threads:
            working = [threads.submit(self._issue), threads.submit(self._revoke)]
            try:
                yield
            finally:
                self.ending.set()
            for one in working:
                one.result(HEALED)

    def latest(self) -> Load:
        """The same, of the last credential alone."""
        return replace(self, issued=dict([list(self.issued.items())[-1]]))

    def _issue(self) -> None:
        url, body = f"{self.issuer}/credentials", {"institution": "tartu", "credential": written.read(EXAMPLE.read_bytes())}
        try:
            while not self.ending.wait(EVERY):
                key = new_ref()
                made = insist(self.home, url, body, key=key)
                self.issued[made["ref"]] = made["credential"]
                if len(self.issued) % 3 == 0:
                    self._mistaken.put(made["ref"])
                else:
                    assert insist(self.home, url, body, key=key) == made
        finally:
            self._mistaken.put(None)

    def _revoke(self) -> None:
        """A credential is revoked once its registry has heard of it; until then it answers 404."""
        while ref := self._mistaken.get():
            insist(self.home, f"{self.registry}/credentials/{ref}/revoke", {"reason": "error"}, who=new_ref())
            self.revoked.add(ref)


def insist(home: Home, url: str, body: Any, who: str = "someone", key: str = "") -> dict[str, Any]:
    """Ask until it is answered with success, always under one key."""
    headers = {"idempotency-key": key or new_ref(), "authorization": f"Bearer {access_token(home, subject=who)}"}
    until = CLOCK.monotonic() + HEALED
    while True:
        try:
            answer = HTTP.post(url, json=body, headers=headers)
            if answer.status_code < 300:
                return dict(answer.json())
            last = answer.text
        except httpx2.HTTPError as error:
            last = repr(error)
        assert CLOCK.monotonic() < until, last
        time.sleep(0.1)


@dataclass
class Scene:
    """Two nations on clusters of their own, the mirrors between them, and who is told by each nation's notifier."""

    services: dict[str, Service]
    clusters: Clusters
    mirrors: dict[str, engines.MirrorMaker]
    homes: dict[str, Home]
    receivers: dict[str, Receiver]

    def victims(self) -> list[tuple[str, Callable[[], None], Callable[[], None]]]:
        """Everything that can be killed on the way of a credential: its name, how it dies, how it comes back."""
        parts: dict[str, Any] = {**self.services}
        parts |= {f"broker {name}": broker for name, broker in self.clusters.brokers.items()}
        parts |= {"mongod": self.clusters.mongo, "mirror into pt": self.mirrors["pt"]}
        return [(name, part.kill, part.start) for name, part in parts.items()]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    tmp_path = tmp_path_factory.mktemp("nations")
    with ExitStack() as closing:
        clusters = start_clusters(closing, NODES)
        make_topics(clusters.brokers)
        urls = {name: KafkaUrl.parse(broker.url) for name, broker in clusters.brokers.items()}
        mirrors = {name: engines.mirror_maker(properties(urls, [name])) for name in NODES}
        for mirror in mirrors.values():
            closing.callback(mirror.discard)
        receivers = {name: closing.enter_context(receiving()) for name in NODES}
        homes = {name: home_of(tmp_path, name) for name in NODES}
        federate(list(homes.values()))
        services: dict[str, Service] = {}
        for name, other in (NODES, NODES[::-1]):
            settings = {**clusters.urls(name), "TESTAMUR_MIRRORED": other, **_settings(homes[name])}
            ports = {service: free_port() for service in SERVICES} | {"registry": homes[name].settings.port}
            made = services_of(name, homes[name].folder, ports, settings, closing)
            services |= {f"{name} {service}": made[service] for service in START}
        for one in services.values():
            one.start()
        yield Scene(services, clusters, mirrors, homes, receivers)


@pytest.fixture(scope="module")
def load(scene: Scene) -> Load:
    """Estonia's load, once its university is accredited and both nations' subscribers have asked to be told."""
    issuer, registry = scene.services["ee issuer"].url, scene.services["ee registry"].url
    _accredit(scene.homes["ee"], issuer, registry)
    for name, receiver in scene.receivers.items():
        wanted = {"url": receiver.url, "kinds": ["credential.registered", "credential.revoked"]}
        insist(scene.homes[name], f"{scene.services[f'{name} notifier'].url}/subscriptions", wanted)
    return Load(scene.homes["ee"], issuer, registry)


def _settings(home: Home) -> dict[str, str]:
    return {
        "TESTAMUR_KEY_PASSPHRASE": PASSPHRASE,
        "TESTAMUR_CHECKPOINT_INTERVAL": "1",
        "TESTAMUR_FETCH_ALLOW": "127.0.0.0/8",
        "TESTAMUR_RATE_PER_SECOND": "10000",
        "TESTAMUR_RATE_BURST": "100000",
        "TESTAMUR_PUBLIC_URL": home.settings.public_url,
    }


def test_everything_killed_in_turn_under_load_loses_nothing_and_doubles_nothing(scene: Scene, load: Load) -> None:
    with load.running():
        for _ in range(ROUNDS):
            for _name, kill, start in scene.victims():
                time.sleep(UNDER_LOAD / 2)
                kill()
                time.sleep(UNDER_LOAD / 2)
                start()
    assert len(load.issued) > len(scene.victims())
    _known_abroad(scene, load)
    asyncio.run(_one_state(scene, load))
    _all_told_once(scene, load)
    assert not _looked_for_again(scene), "the registry had lost what its issuer said, and found it again"


def test_a_paused_verifier_is_replaced_and_doubles_nothing_when_it_goes_on(scene: Scene, load: Load) -> None:
    leader = scene.services["pt verifier"]
    standby = replace(leader, port=free_port(), process=None)
    try:
        with load.running():
            time.sleep(UNDER_LOAD)
            _known_abroad(scene, load.latest())
            standby.start()
            assert leader.process is not None
            os.kill(leader.process.pid, signal.SIGSTOP)
            time.sleep(UNDER_LOAD)
            scene.services["pt verifier"] = standby
            _known_abroad(scene, load.latest())
            os.kill(leader.process.pid, signal.SIGCONT)
            time.sleep(UNDER_LOAD)
        _known_abroad(scene, load)
        asyncio.run(_one_state(scene, load))
    finally:
        scene.services["pt verifier"] = leader
        standby.kill()


def _accredit(home: Home, issuer: str, registry: str) -> None:
    institution = {"institution": "tartu", "name": "University of Tartu", "country": "EE", "scope": SCOPE}
    insist(home, f"{registry}/institutions", institution)
    key = insist(home, f"{issuer}/institutions/tartu/keys", None)
    insist(home, f"{registry}/institutions/tartu/keys", {"kid": key["kid"], "jwk": key["jwk"]})


def _known_abroad(scene: Scene, load: Load) -> None:
    """Every acknowledged credential is valid in Portugal, or revoked where that was acknowledged."""
    url, home = f"{scene.services['pt verifier'].url}/verifications", scene.homes["pt"]
    until = CLOCK.monotonic() + HEALED
    headers = {"authorization": f"Bearer {access_token(home)}"}
    for ref, credential in load.issued.items():
        while True:
            wanted = "invalid" if ref in load.revoked else "valid"  # which the load may say at any moment
            try:
                report = HTTP.post(url, json={"credential": credential}, headers=headers).json()
            except httpx2.HTTPError as error:
                report = {"verdict": repr(error)}
            if report.get("verdict") == wanted:
                break
            assert CLOCK.monotonic() < until, (ref, wanted, report)
            time.sleep(0.2)


async def _one_state(scene: Scene, load: Load) -> None:
    """Each chain has what was acknowledged once, nothing else and no gap; both verifiers have one state of Estonia."""
    registry = await open_store(scene.clusters.store("ee"), "registry", [*COLLECTIONS, REFUSALS])
    for stream, acknowledged in (("registrations", load.issued.keys()), ("status", load.revoked)):
        topic, after, subjects = topic_name("ee", stream), 0, Counter[str]()
        while rows := await read_on(registry, topic, after, 500):
            places = [parse(row.body["jws"]).envelope for row in rows]
            assert [place.seq for place in places] == list(range(after + 1, after + len(rows) + 1))
            subjects.update(place.sub for place in places)
            after += len(rows)
        assert subjects == Counter(acknowledged)
    assert not await registry.scan(REFUSALS)
    await registry.close()
    states = {}
    for name in NODES:
        store = await open_store(scene.clusters.store(name), "verifier", [*COLLECTIONS, *verifier.COLLECTIONS])
        states[name] = (await state_hashes(store))["ee"]
        await store.close()
    assert states["ee"] == states["pt"]


def _all_told_once(scene: Scene, load: Load) -> None:
    """Both nations' subscribers are told of each effect, under one id."""
    effects = [("credential.registered", ref) for ref in load.issued]
    effects += [("credential.revoked", ref) for ref in load.revoked]
    wanted, until = Counter(effects), CLOCK.monotonic() + HEALED
    for name, receiver in scene.receivers.items():
        while (told := Counter((one["type"], one["data"]["ref"]) for one in list(receiver.told.values()))) != wanted:
            assert CLOCK.monotonic() < until, (name, wanted - told, told - wanted)
            time.sleep(0.2)


def _looked_for_again(scene: Scene) -> list[str]:
    """What the registry wrote of entries of its issuer that it had to look for: nobody else could serve them again."""
    log = scene.services["ee registry"].log.read_text()
    return [line for line in log.splitlines() if "a hole stays open" in line and topic_name("ee", "issuance") in line]

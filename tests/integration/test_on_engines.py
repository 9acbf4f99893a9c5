"""Whole nations on a real Kafka and a real MongoDB: beside an embedded one, without their engines, after a long absence."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from pymongo import MongoClient

from shared.bus.port import Message
from shared.events.entry import Place
from shared.events.status import CredentialRevoked
from shared.home.folder import Home
from shared.ids import topic_name
from shared.inbox.dead_letters import DEAD
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner
from shared.settings import NodeSettings
from tests import engines
from tests.forge import by, message, rogue
from tests.scenes.federation import comes_to, comes_true, holds_all, homes, ref_of, served
from tests.scenes.rotation import EVERY, has_retired, refused, rotates
from tests.world import Nation

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def broker() -> Iterator[engines.Kafka]:
    """A broker of the test's own: a nation's topics have fixed names."""
    with engines.own_kafka() as started:
        yield started


@pytest.fixture
def database() -> Iterator[str]:
    """The URL of four databases that nobody else uses."""
    shared, name = engines.mongo(), f"nation_{uuid4().hex[:12]}"
    yield shared.database(name)
    with MongoClient(shared.url) as client:
        for service in ("registry", "issuer", "verifier", "notifier"):
            client.drop_database(f"{name}_{service}")


def on(home: Home, *, bus: str, store: str) -> Home:
    """The same node with two other URLs."""
    return Home(NodeSettings(**home.settings.model_dump() | {"bus": bus, "store": store}))


async def test_a_nation_on_kafka_and_mongodb_and_an_embedded_one_hear_each_other(
    tmp_path: Path, broker: engines.Kafka, database: str
) -> None:
    one, two = homes(tmp_path, "ee", "pt")
    async with served(on(one, bus=broker.url, store=database)) as ee, served(two) as pt:
        for home, abroad, institution in ((ee, pt, "tartu"), (pt, ee, "porto")):
            await home.accredits(institution)
            credential = await home.issues(institution)
            await comes_to(abroad, credential, "valid")
            await home.revokes(await ref_of(home, credential))
            assert (await comes_to(abroad, credential, "revoked"))["verdict"] == "invalid"
            await comes_true(lambda abroad=abroad, home=home: holds_all(abroad, home))


async def test_a_nation_on_kafka_and_mongodb_rotates_its_keys_and_its_neighbour_goes_on(
    tmp_path: Path, broker: engines.Kafka, database: str
) -> None:
    one, two = homes(tmp_path, "ee", "pt")
    home = on(one, bus=broker.url, store=database)
    async with served(home) as ee, served(two) as pt:
        await ee.accredits("tartu")
        before = await ee.issues("tartu")
        await comes_to(pt, before, "valid")
        rotates(home, *EVERY)
        await comes_true(lambda: has_retired(ee, *(name for name in EVERY if name != "issuer")))
        await comes_to(pt, await ee.issues("tartu"), "valid")
        await ee.issues("tartu")
        await comes_true(lambda: has_retired(ee, "issuer"))
        await ee.revokes(await ref_of(ee, before))
        await comes_to(pt, before, "revoked")
        assert (await refused(ee), await refused(pt)) == ([], [])


async def test_a_node_whose_engines_are_away_at_its_start_begins_as_soon_as_they_come(tmp_path: Path) -> None:
    (one,) = homes(tmp_path, "ee")
    with engines.own_kafka(start=False) as broker, engines.own_mongo(start=False) as server:
        starting = asyncio.create_task(_accredits_without_a_bus(on(one, bus=broker.url, store=server.url), broker))
        await asyncio.sleep(3)
        assert not starting.done()
        await asyncio.to_thread(server.start)
        await starting


async def _accredits_without_a_bus(home: Home, broker: engines.Kafka) -> None:
    command = {"institution": "tallinn", "name": "Tallinn University of Technology", "country": "EE"}
    scope = {"credential_types": ["micro-credential"], "eqf_max": 7, "isced_f": []}
    async with served(home) as ee:
        await ee.must("registry", "POST", "/institutions", {**command, "scope": scope})  # kept, though nobody hears of it
        await asyncio.to_thread(broker.start)
        await ee.settles(timeout=60)
        await ee.accredits("tartu")
        await comes_to(ee, await ee.issues("tartu"), "valid")


async def test_a_service_away_for_longer_than_the_broker_keeps_records_asks_its_own_registry(
    tmp_path: Path, broker: engines.Kafka, database: str
) -> None:
    (one,) = homes(tmp_path, "ee")
    home = on(one, bus=broker.url, store=database)
    async with served(home) as ee:
        await ee.accredits("tartu")
        credential = await ee.issues("tartu")
    _forget_the_verifier(database)
    _cut_away(broker, "ee")
    async with served(home) as ee:
        await comes_to(ee, credential, "valid")
        await _goes_on(ee)


async def _goes_on(ee: Nation) -> None:
    assert (await ee.verifies(await ee.issues("tartu")))["verdict"] == "valid"


def _forget_the_verifier(database: str) -> None:
    with MongoClient(database) as client:
        client.drop_database(f"{client.get_default_database().name}_verifier")


def _cut_away(broker: engines.Kafka, node: str) -> None:
    """What retention does: nothing of the chains is left on the broker."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    whole = [TopicPartition(topic_name(node, stream), 0, -1) for stream in ("trust", "registrations")]
    for done in admin.delete_records(whole).values():
        done.result(timeout=30)


async def test_a_poison_a_forged_and_a_newer_record_on_kafka_hold_up_nothing_behind_them(
    tmp_path: Path, broker: engines.Kafka, database: str
) -> None:
    one, two = homes(tmp_path, "ee", "pt")
    async with served(one) as ee, served(on(two, bus=broker.url, store=database)) as pt:
        await ee.accredits("tartu")
        revoked, frozen, untouched = [await ee.issues("tartu") for _ in range(3)]
        for credential in (revoked, frozen, untouched):
            await comes_to(pt, credential, "valid")
        genuine = await rogue(ee, _revocation(ee, await ref_of(ee, revoked)))
        newer = await rogue(
            ee, _revocation(ee, await ref_of(ee, frozen)), ahead=2, previous=genuine.hash, kind="credential.frozen.v7"
        )
        place = Place("testamur", "ee", 1, 1, after={"trust": 6, "registrations": 3})
        stranger = LocalSigner.generate(Purpose.EVENT)
        forged = by(stranger, _revocation(ee, await ref_of(ee, untouched)), place, ee.clock.now())
        poison = [Message("", b"\x00\xff" * 400, ()), Message("k", b"", (("jws", b"."),)), message(forged)]
        await pt.bus.append(topic_name("ee", "status"), [*poison, message(genuine), message(newer)])
        await comes_to(pt, revoked, "revoked")
        await comes_to(pt, frozen, "parked")
        assert (await pt.verifies(untouched))["verdict"] == "valid"
        assert await pt.engine("verifier").store.count(DEAD) >= len(poison)


def _revocation(nation: Nation, ref: str) -> CredentialRevoked:
    return CredentialRevoked(ref=ref, version=1, effective=nation.clock.now(), reason="error")

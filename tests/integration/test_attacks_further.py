"""What nobody can do, continued: poison, stolen keys that were retired, lying checkpoints, floods and open holes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import orjson
import pytest

from services.registry.federation.domain import LogQuery
from services.registry.federation.handlers import read_log
from shared.bus.port import Message, Record
from shared.events.base import CATALOGUE, Event
from shared.events.checkpoints import Checkpoint, Head
from shared.events.entry import GENESIS, Entry, Place, Unsigned, message_headers, sign
from shared.events.registrations import CredentialRegistered
from shared.events.status import CredentialReinstated
from shared.events.trust import ServiceKeyAdded, ServiceKeyRetired
from shared.federation.follower import Follower
from shared.federation.log_client import LogClient, LogPage
from shared.ids import new_event_id, new_ref, topic_name
from shared.inbox import dead_letters, listener
from shared.inbox.freshness import FRESHNESS
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner
from shared.trust import federation_list
from shared.trust.certificates import ServiceKey, certify
from shared.trust.nodes import Anchor, FederationList
from shared.web.outgoing.fetch import Fetcher
from tests.forge import by, head, heads, message, rogue
from tests.integration.test_attacks import STATUS_OF_EE, _reasons, _revocation, _scene
from tests.world import Nation, federate, found, honest, world

TRUST_OF_EE = topic_name("ee", "trust")
CHECKPOINTS_OF_EE = topic_name("ee", "checkpoints")


def _certificate(nation: Nation, signer: LocalSigner, now: datetime) -> str:
    streams = frozenset({"trust", "status", "registrations"})
    key = ServiceKey(node=nation.name, service="registry", key=signer.verification_key(), streams=streams)
    return certify(nation.home.signer("root"), key, federation="testamur", issued=now)


async def _rotation(nation: Nation, old: LocalSigner, new: LocalSigner, retired: LocalSigner) -> list[Entry]:
    """Two entries of a nation's trust stream: `old` adds the key `new`, and signs that `retired` signs no more."""
    now, end, after = nation.clock.now(), await head(nation, "trust"), await heads(nation)
    added = ServiceKeyAdded(kid=new.kid, certificate=_certificate(nation, new, now))
    first = by(old, added, Place("testamur", nation.name, 1, end.seq + 1, end.hash, after), now)
    gone = ServiceKeyRetired(kid=retired.kid, reason="compromised")
    return [first, by(old, gone, Place("testamur", nation.name, 1, end.seq + 2, first.hash, after), now)]


async def _next(nation: Nation, event: Event, signer: LocalSigner, trust: int) -> Entry:
    """An entry right behind the nation's own, by any key, that claims to follow `trust` entries of its trust stream."""
    end, after = await head(nation, event.stream.name), await heads(nation)
    place = Place("testamur", nation.name, 1, end.seq + 1, end.hash, {**after, "trust": trust})
    return by(signer, event, place, nation.clock.now())


@pytest.mark.parametrize("certificate", [[], {}, 7, None, ["a", "b", "c"], {"a": 1}])
async def test_an_entry_made_to_break_its_reader_stops_no_other_entry(certificate: Any) -> None:
    async with world("ee", "pt") as europe:
        ee, pt, credential, ref = await _scene(europe)
        stranger = LocalSigner.generate(Purpose.EVENT)
        payload = orjson.dumps({"kid": stranger.kid, "certificate": certificate})
        spoken = Unsigned("trust", ServiceKeyAdded.kind, stranger.kid, payload, new_event_id(), ee.clock.now())
        await pt.hears(TRUST_OF_EE, [message(sign(spoken, Place("testamur", "ee", 1, 1), stranger))])
        await pt.hears(STATUS_OF_EE, [message(await rogue(ee, _revocation(ref, ee)))])
        assert (await pt.verifies(credential))["reason"] == "revoked"
        assert await _reasons(pt) == ["unknown-key"]


async def test_a_stolen_key_that_was_retired_signs_no_more_whatever_place_it_claims() -> None:
    async with world("ee", "pt") as europe:
        ee, pt, credential, ref = await _scene(europe)
        stolen, fresh = ee.home.signer("registry"), LocalSigner.generate(Purpose.EVENT)
        trust = (await head(ee, "trust")).seq
        await pt.hears(TRUST_OF_EE, [message(one) for one in await _rotation(ee, stolen, fresh, stolen)])
        await pt.hears(STATUS_OF_EE, [message(await _next(ee, _revocation(ref, ee), stolen, trust))])
        assert await _reasons(pt) == ["unknown-key"]
        assert (await pt.verifies(credential))["verdict"] == "valid"
        await pt.hears(STATUS_OF_EE, [message(await _next(ee, _revocation(ref, ee), fresh, trust + 2))])
        assert (await pt.verifies(credential))["reason"] == "revoked"


async def test_what_a_retired_key_signed_before_stands_though_it_arrives_later() -> None:
    async with world("ee", "pt") as europe:
        ee, pt, credential, ref = await _scene(europe)
        key, fresh = ee.home.signer("registry"), LocalSigner.generate(Purpose.EVENT)
        await ee.revokes(ref)
        await pt.hears(TRUST_OF_EE, [message(one) for one in await _rotation(ee, key, fresh, key)])
        await europe.mirrors("ee", "pt")
        assert (await pt.verifies(credential))["reason"] == "revoked"


async def test_a_retirement_that_is_heard_before_the_key_it_ends_is_not_lost() -> None:
    async with world("ee", "pt") as europe:
        ee, pt, credential, ref = await _scene(europe)
        stolen, trust = LocalSigner.generate(Purpose.EVENT), (await head(ee, "trust")).seq
        added, retired = await _rotation(ee, ee.home.signer("registry"), stolen, stolen)
        await pt.hears(TRUST_OF_EE, [message(retired), message(added)])
        assert pt.engine("verifier").inbox.origin("ee").seq("trust") == trust + 2
        await pt.hears(STATUS_OF_EE, [message(await _next(ee, _revocation(ref, ee), stolen, trust + 2))])
        assert await _reasons(pt) == ["unknown-key"]
        assert (await pt.verifies(credential))["verdict"] == "valid"


async def test_a_checkpoint_that_is_dated_ahead_of_its_own_entry_makes_nothing_fresh() -> None:
    async with world("ee", "pt", max_age=600) as europe:
        ee, pt, credential, _ = await _scene(europe)
        reached = {stream: await head(ee, stream) for stream in ("trust", "status", "registrations")}
        true_heads = {name: Head(seq=at.seq, hash=at.hash) for name, at in reached.items()}
        lie = Checkpoint(time=ee.clock.now() + timedelta(days=365), heads=true_heads)
        entry = by(ee.home.signer("checkpoint"), lie, Place("testamur", "ee", 1, 1_000), ee.clock.now())
        await pt.hears(CHECKPOINTS_OF_EE, [message(entry)])
        assert await _reasons(pt) == ["from-the-future"]
        pt.clock.shift = timedelta(hours=1)
        assert (await pt.verifies(credential))["reason"] == "stale"


async def test_a_flood_on_the_stream_that_is_read_first_holds_up_nobody_else() -> None:
    async with world("ee", "pt", "lv") as europe:
        ee, pt, _, ref = await _scene(europe)
        inbox, before = pt.engine("verifier").inbox, (await head(ee, "status")).seq
        await pt.bus.append(STATUS_OF_EE, [message(await rogue(ee, _revocation(ref, ee)))])
        flood = topic_name("lv", "checkpoints")
        junk = message(await rogue(ee, _revocation(new_ref(), ee), ahead=2))
        await pt.bus.append(flood, [junk] * 8_000)
        await pt.bus.append(STATUS_OF_EE, [message(await rogue(ee, _revocation(new_ref(), ee), previous="B" * 43))])
        async with asyncio.timeout(60):
            while not inbox.origin("ee").contradictory:
                assert before >= 0
                await asyncio.sleep(0)
        reader = pt.bus.consumer("testamur.pt.verifier")
        reader.follow([flood])
        assert (await reader.lag())[flood] > 1_000, "it waited for the whole flood"
        await pt.settles(60)


async def test_what_a_stranger_claims_to_be_does_not_use_up_another_nations_quarantine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dead_letters, "MOST_OF_AN_ORIGIN", 3)
    async with world("ee", "pt", "lv") as europe:
        ee, pt, credential, ref = await _scene(europe)
        fresh, trust = LocalSigner.generate(Purpose.EVENT), (await head(ee, "trust")).seq
        junk = message(await rogue(ee, _revocation(new_ref(), ee)))
        await pt.hears(topic_name("lv", "status"), [junk, Message("", b"junk", ()), junk, junk, junk, junk])
        early = await _next(ee, _revocation(ref, ee), fresh, trust + 1)
        await pt.hears(STATUS_OF_EE, [message(early)])
        added, _ = await _rotation(ee, ee.home.signer("registry"), fresh, fresh)
        await pt.hears(TRUST_OF_EE, [message(added)])
        assert (await pt.verifies(credential))["reason"] == "revoked", "it waited for the key that signed it"


async def test_a_hole_in_one_service_is_filled_from_the_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "READ_AGAIN_SECONDS", (0.0,))
    async with world("ee", "pt") as europe:
        ee, pt, credential, ref = await _scene(europe)
        await ee.revokes(ref)
        missed: list[Message] = []
        await europe.mirrors("ee", "pt", lambda record: missed.append(honest(record)) or [], streams=["status"])
        inbox = pt.engine("verifier").inbox
        received = inbox.receive

        async def passed_over(records: Sequence[Record]) -> None:
            await received([record for record in records if record.topic != STATUS_OF_EE])

        monkeypatch.setattr(inbox, "receive", passed_over)  # its offset moves on, and it never saw the records
        await pt.hears(STATUS_OF_EE, missed)
        monkeypatch.setattr(inbox, "receive", received)
        async with asyncio.timeout(60):
            while (await pt.verifies(credential))["reason"] != "revoked":
                await europe.mirrors("ee", "pt")  # a checkpoint comes by and by
                await asyncio.sleep(0.05)


async def test_a_root_that_the_list_no_longer_names_certifies_nobody_from_that_moment() -> None:
    async with world("ee", "pt") as europe:
        ee, pt, _, ref = await _scene(europe)
        now, anchor = ee.clock.now(), ee.home.signer("anchor")
        other_root = LocalSigner.generate(Purpose.ROOT)
        nodes = (ee.home.node().model_copy(update={"roots": (other_root.public_jwk,)}), pt.home.node())
        names = {"federation": "testamur", "version": 3, "issued": now, "expires": now + timedelta(days=30)}
        listed = FederationList(anchors=(Anchor(kid=anchor.kid, jwk=anchor.public_jwk),), nodes=nodes, **names)
        pt.home.join(federation_list.sign_list(listed, [anchor]), {anchor.kid: anchor.verification_key()})
        engine = pt.engine("verifier")
        async with asyncio.timeout(60):
            while engine.membership.list.version != 3:
                await asyncio.sleep(0.02)
        await pt.hears(STATUS_OF_EE, [message(await rogue(ee, _revocation(ref, ee)))])
        assert await _reasons(pt) == ["unknown-key"]


class _Page(NamedTuple):
    status: int
    body: bytes


class _Wire:
    """What lies between a follower and its neighbours: the origin is down at first, and whoever stands in for it lies."""

    def __init__(self, origin: Nation, lie: str) -> None:
        self.origin = origin
        self.lie = lie
        self.down = True

    async def get(self, url: str, headers: Mapping[str, str] | None = None, **_: Any) -> _Page:
        asked = dict(parse_qsl(urlsplit(url).query))
        holder, stream = str((headers or {})["Authorization"]).split()[-1], urlsplit(url).path.rpartition("/")[2]
        if holder != self.origin.name:
            self.down = False
            return _Page(200, orjson.dumps({"entries": [self.lie]}) if stream == "checkpoints" else b'{"entries": []}')
        if self.down:
            return _Page(503, b"")
        engine = self.origin.engine("registry")
        query = LogQuery(asked["origin"], stream, int(asked["epoch"]), int(asked["after"]), 500, 0.0)
        return _Page(200, (await read_log(engine.store, engine.membership, engine.log_advanced, query)).body())


async def test_whoever_stands_in_for_an_origin_cannot_lead_its_followers_astray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.federation.follower.SETTLE_SECONDS", 0.2)
    async with world("ee", "pt", "lv") as europe:
        ee, pt = europe["ee"], europe["pt"]
        await ee.accredits("tartu")
        credential = await ee.issues("tartu")
        nobody, now = LocalSigner.generate(Purpose.CHECKPOINT), ee.clock.now()
        far = by(nobody, Checkpoint(time=now, heads={}), Place("testamur", "ee", 1, 2**53 - 1), now)
        engine = pt.engine("registry")
        wire = _Wire(ee, far.compact.decode())
        follower = Follower(pt.bus, engine.inbox, engine.membership, LogClient(wire, lambda node: node), pt.clock)
        task = asyncio.create_task(follower.run())
        try:
            async with asyncio.timeout(60):
                while (await pt.verifies(credential))["verdict"] != "valid":
                    await asyncio.sleep(0.05)
        finally:
            task.cancel()


async def test_a_neighbour_that_serves_many_checkpoints_is_heard_with_its_newest() -> None:
    async with world("ee", "pt") as europe:
        ee, pt = europe["ee"], europe["pt"]
        signer, now = ee.home.signer("checkpoint"), ee.clock.now()
        said_so = [by(signer, Checkpoint(time=now, heads={}), Place("testamur", "ee", 1, 900 + n), now) for n in range(90)]
        engine, before = pt.engine("registry"), await pt.bus.end(CHECKPOINTS_OF_EE)
        wire = _Wire(ee, "")
        follower = Follower(pt.bus, engine.inbox, engine.membership, LogClient(wire, lambda node: node), pt.clock)
        entries = [(Message("", one.token.payload, message_headers(one)), one.envelope.seq) for one in said_so]
        assert await follower._append("ee", "checkpoints", LogPage(tuple(entries), 0)) == 989
        assert await pt.bus.end(CHECKPOINTS_OF_EE) == before + 1


async def test_what_was_parked_beyond_a_hole_still_waits_for_its_turn_after_an_update(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with world("ee", "pt") as europe:
        ee, pt, credential, ref = await _scene(europe)
        await ee.must("registry", "POST", f"/credentials/{ref}/suspend", {"reason": "unspecified"})
        await ee.settles()
        await europe.mirrors("ee", "pt")
        back = await rogue(ee, CredentialReinstated(ref=ref, version=2, effective=ee.clock.now()), ahead=2)
        with monkeypatch.context() as older:
            older.delitem(CATALOGUE, CredentialReinstated.kind)
            await pt.hears(STATUS_OF_EE, [message(back)])
        await pt.engine("verifier").inbox.load()
        assert (await pt.verifies(credential))["reason"] == "suspended"


@pytest.mark.parametrize("checkpoints_first", [True, False])
async def test_a_false_checkpoint_is_a_contradiction_whenever_it_arrives(checkpoints_first: bool) -> None:
    async with world("ee", "pt") as europe:
        ee, pt, _, ref = await _scene(europe)
        await ee.must("registry", "POST", f"/credentials/{ref}/suspend", {"reason": "unspecified"})
        await ee.revokes(ref)
        signer, now = ee.home.signer("checkpoint"), ee.clock.now() + timedelta(seconds=1)
        reached = {stream: await head(ee, stream) for stream in ("trust", "status", "registrations")}
        true_heads = {name: Head(seq=at.seq, hash=at.hash) for name, at in reached.items()}
        claims = [{**true_heads, "status": Head(seq=1, hash="B" * 43)}, true_heads]
        lies = [
            by(signer, Checkpoint(time=at, heads=claim), Place("testamur", "ee", 1, 900 + number), at)
            for number, claim in enumerate(claims)
            for at in [now + timedelta(seconds=number)]
        ]
        if checkpoints_first:
            await pt.hears(CHECKPOINTS_OF_EE, [message(one) for one in lies])
        await europe.mirrors("ee", "pt", streams=["trust", "status", "registrations"])
        if not checkpoints_first:
            await pt.hears(CHECKPOINTS_OF_EE, [message(one) for one in lies])
        assert pt.engine("verifier").inbox.origin("ee").contradictory


async def test_two_registrations_at_one_place_give_one_verdict_in_either_order() -> None:
    async with world("ee", "pt", "lv") as europe:
        ee, pt, lv = europe["ee"], europe["pt"], europe["lv"]
        await ee.accredits("tartu")
        credential = await ee.issues("tartu")
        topic = topic_name("ee", "registrations")
        (honest_one,) = await europe.new_records("ee", "ee", topic)
        genuine = CredentialRegistered.model_validate_json(honest_one.value)
        other = genuine.model_copy(update={"commitments": dict.fromkeys(genuine.commitments, "B" * 43)})
        fork = [honest(honest_one), message(await rogue(ee, other, ahead=0, previous=GENESIS))]
        for nation, order in ((pt, fork), (lv, fork[::-1])):
            await europe.mirrors("ee", nation.name, streams=["checkpoints", "trust", "status"])
            await nation.hears(topic, order)
        reports = [await nation.verifies(credential) for nation in (pt, lv)]
        assert [report["verdict"] for report in reports] == ["indeterminate"] * 2
        assert [report["reason"] for report in reports] == ["contradictory-log"] * 2


async def test_a_page_of_many_checkpoints_does_not_push_out_the_ones_that_can_be_proven() -> None:
    async with world("ee", "pt") as europe:
        ee, pt = europe["ee"], europe["pt"]
        signer, now = ee.home.signer("checkpoint"), ee.clock.now() - timedelta(minutes=5)
        await europe.mirrors("ee", "pt", streams=["trust"])
        far = {"trust": Head(seq=1_000, hash="B" * 43)}
        claims = [far] * 140
        times = [now + timedelta(seconds=number) for number in range(len(claims))]
        entries = [
            by(signer, Checkpoint(time=at, heads=claim), Place("testamur", "ee", 1, 900 + number), at)
            for number, (claim, at) in enumerate(zip(claims, times, strict=True))
        ]
        await pt.hears(CHECKPOINTS_OF_EE, [message(one) for one in entries])
        row = await pt.engine("verifier").store.get(FRESHNESS, "ee")
        kept = [one["seq"] for one in row.body["open"]]
        assert len(kept) <= 64
        assert (min(kept), max(kept)) == (900, 1039)


async def test_one_institutions_token_is_not_answered_with_what_another_was_told() -> None:
    async with world("ee") as europe:
        ee = europe["ee"]
        await ee.accredits("tartu")
        ref = (await ee.verifies(await ee.issues("tartu")))["credential"]["ref"]
        answers = []
        for institution in ("tartu", "tallinn"):
            headers = {"authorization": f"Bearer {ee.token(institution=institution)}", "idempotency_key": "one-key"}
            answers.append(await ee.ask("registry", "POST", f"/credentials/{ref}/revoke", {"reason": "error"}, **headers))
        assert [answer.status_code for answer in answers] == [200, 404]


async def test_the_long_polls_of_a_large_federation_do_not_wait_for_one_another() -> None:
    waiting, over = 0, asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal waiting
        await reader.readuntil(b"\r\n\r\n")
        waiting += 1
        await over.wait()
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with Fetcher([f"127.0.0.1:{port}"]) as fetcher, server:
        polls = [asyncio.create_task(fetcher.get(f"http://127.0.0.1:{port}/")) for _ in range(27 * 4)]
        async with asyncio.timeout(5):
            while waiting < len(polls):
                await asyncio.sleep(0.01)
        over.set()
        assert {answer.status for answer in await asyncio.gather(*polls)} == {204}


async def test_whoever_reads_the_federation_list_never_sees_half_of_one(tmp_path: Path) -> None:
    home = found(tmp_path, "ee")
    before = home.federation_file.read_bytes()
    with home.federation_file.open("rb") as reader:
        federate([home])
        assert reader.read() == before
    assert home.federation_file.read_bytes() != before


async def test_a_clock_that_was_set_back_makes_nothing_fresh() -> None:
    async with world("ee", "pt", max_age=600) as europe:
        _, pt, credential, _ = await _scene(europe)
        pt.clock.shift = -timedelta(days=1)
        report = await pt.verifies(credential)
        assert report["verdict"] == "indeterminate"
        assert report["steps"][6]["reason"] == "stale"


async def test_a_checkpoint_key_whose_certificate_has_expired_makes_nothing_fresh() -> None:
    async with world("ee", "pt") as europe:
        ee, pt, _, _ = await _scene(europe)
        signer, now = LocalSigner.generate(Purpose.CHECKPOINT), ee.clock.now()
        until, late = now + timedelta(seconds=5), now + timedelta(seconds=9)
        streams, key = frozenset({"checkpoints"}), signer.verification_key()
        named = ServiceKey(node="ee", service="registry", key=key, streams=streams, expires=until)
        certificate = certify(ee.home.signer("root"), named, federation="testamur", issued=now)
        added = await rogue(ee, ServiceKeyAdded(kid=signer.kid, certificate=certificate))
        places = [Place("testamur", "ee", 1, 900 + number) for number in range(2)]
        said = [by(signer, Checkpoint(time=at, heads={}), place, at) for place, at in zip(places, (now, late), strict=True)]
        await pt.hears(TRUST_OF_EE, [message(added)])
        await pt.hears(CHECKPOINTS_OF_EE, [message(one) for one in said])
        assert await _reasons(pt) == ["unknown-key"]

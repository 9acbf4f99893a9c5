"""What nobody can do: each test is an attack on the exchange, and what the exchange answers."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from shared.bus.port import Message, Record
from shared.events.entry import Place, parse_message, sign
from shared.events.status import CredentialReinstated, CredentialRevoked
from shared.ids import new_ref, topic_name
from shared.inbox.dead_letters import DEAD
from shared.inbox.ordering import CONTRADICTIONS
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner
from shared.log.archive import HEADS
from tests.forge import by, message, rogue, said
from tests.world import Nation, World, honest, world

STATUS_OF_EE = topic_name("ee", "status")


async def _scene(europe: World) -> tuple[Nation, Nation, str, str]:
    """Estonia and Portugal, and an Estonian credential that both hold valid."""
    ee, pt = europe["ee"], europe["pt"]
    await ee.accredits("tartu")
    credential = await ee.issues("tartu")
    await europe.mirrors("ee", "pt")
    report = await pt.verifies(credential)
    assert report["verdict"] == "valid", report
    return ee, pt, credential, report["credential"]["ref"]


def _revocation(ref: str, nation: Nation, version: int = 1) -> CredentialRevoked:
    return CredentialRevoked(ref=ref, version=version, effective=nation.clock.now(), reason="error")


async def _reasons(nation: Nation) -> list[str]:
    rows = await nation.engine("verifier").store.scan(DEAD)
    return [row.body["reason"] for row in rows]


async def test_another_nation_cannot_revoke_our_credential() -> None:
    async with world("ee", "pt", "lv") as europe:
        _, pt, credential, ref = await _scene(europe)
        lv = europe["lv"]
        await lv.accredits("riga")
        await europe.mirrors("lv", "pt")
        stranger = await rogue(lv, _revocation(ref, lv))
        await pt.hears(topic_name("lv", "status"), [message(stranger)])
        assert (await pt.verifies(credential))["verdict"] == "valid"


async def test_a_tombstone_lives_only_in_its_signers_namespace() -> None:
    async with world("ee", "pt", "lv") as europe:
        ee, pt, lv = europe["ee"], europe["pt"], europe["lv"]
        await ee.accredits("tartu")
        await europe.mirrors("lv", "pt")
        credential = await ee.issues("tartu")
        ref = (await ee.verifies(credential))["credential"]["ref"]
        await pt.hears(topic_name("lv", "status"), [message(await rogue(lv, _revocation(ref, lv)))])
        await europe.mirrors("ee", "pt")
        assert (await pt.verifies(credential))["verdict"] == "valid"


async def test_a_key_of_one_nation_cannot_sign_for_another() -> None:
    async with world("ee", "pt", "lv") as europe:
        _, pt, credential, ref = await _scene(europe)
        place = Place("testamur", "ee", 1, 1)
        forged = by(europe["lv"].home.signer("registry"), _revocation(ref, pt), place, pt.clock.now())
        await pt.hears(STATUS_OF_EE, [message(forged)])
        assert await _reasons(pt) == ["unknown-key"]
        assert (await pt.verifies(credential))["verdict"] == "valid"


async def test_a_false_signature_changes_nothing_and_is_kept_with_its_reason() -> None:
    async with world("ee", "pt") as europe:
        ee, pt, credential, ref = await _scene(europe)
        genuine = await rogue(ee, _revocation(ref, ee))
        stranger = LocalSigner.generate(Purpose.EVENT)
        token = genuine.token
        torn = genuine._replace(token=type(token)(token.header, token.payload, token.signing_input, stranger.sign(b"other")))
        await pt.hears(STATUS_OF_EE, [message(torn)])
        assert await _reasons(pt) == ["signature-invalid"]
        assert (await pt.verifies(credential))["verdict"] == "valid"


async def test_an_entry_replayed_into_another_stream_is_refused() -> None:
    async with world("ee", "pt") as europe:
        ee, pt, credential, ref = await _scene(europe)
        entry = await rogue(ee, _revocation(ref, ee))
        await pt.hears(topic_name("ee", "registrations"), [message(entry)])
        assert await _reasons(pt) == ["other-stream"]
        assert (await pt.verifies(credential))["verdict"] == "valid"


async def test_an_entry_of_another_federation_is_refused() -> None:
    async with world("ee", "pt") as europe:
        ee, pt, credential, ref = await _scene(europe)
        place = Place("elsewhere", "ee", 1, 1)
        await pt.hears(STATUS_OF_EE, [message(by(ee.home.signer("registry"), _revocation(ref, ee), place, ee.clock.now()))])
        assert await _reasons(pt) == ["other-federation"]
        assert (await pt.verifies(credential))["verdict"] == "valid"


async def test_a_nation_that_nobody_listed_is_not_heard() -> None:
    async with world("ee", "pt") as europe, world("xk") as elsewhere:
        _, pt, _, ref = await _scene(europe)
        unlisted = message(await rogue(elsewhere["xk"], _revocation(ref, pt)))
        await pt.hears(STATUS_OF_EE, [unlisted])
        assert await _reasons(pt) == ["other-stream"]


@pytest.mark.parametrize("damage", ["truncated", "no header", "changed copy", "not json"])
async def test_a_torn_record_is_kept_and_does_not_stop_the_ones_behind_it(damage: str) -> None:
    async with world("ee", "pt") as europe:
        ee, pt, credential, ref = await _scene(europe)
        good = message(await rogue(ee, _revocation(ref, ee)))
        headers = {
            "truncated": tuple((name, value[:40] if name == "jws" else value) for name, value in good.headers),
            "no header": (),
            "changed copy": tuple((name, b"other" if name == "ce_subject" else value) for name, value in good.headers),
            "not json": good.headers,
        }[damage]
        torn = Message(good.key, b"{" if damage == "not json" else good.value, headers)
        await pt.hears(STATUS_OF_EE, [torn, good])
        assert len(await _reasons(pt)) == 1
        assert (await pt.verifies(credential))["reason"] == "revoked"


async def test_a_mirror_that_drops_a_revocation_and_passes_the_heartbeats_makes_nobody_fresh() -> None:
    async with world("ee", "pt", max_age=600, checkpoint_interval=1) as europe:
        ee, pt, credential, ref = await _scene(europe)
        later = await ee.issues("tartu")
        await europe.mirrors("ee", "pt")

        def without_the_revocation(record: Record) -> list[Message]:
            revoked = parse_message(record.value, record.headers).envelope.kind == CredentialRevoked.kind
            return [] if revoked else [honest(record)]

        await ee.revokes(ref)
        for nation in (ee, pt):
            nation.clock.shift = timedelta(hours=1)
        await _heartbeat(ee)
        await europe.mirrors("ee", "pt", without_the_revocation)
        report = await pt.verifies(later)
        assert (report["verdict"], report["reason"]) == ("indeterminate", "stale")
        assert (await pt.verifies(credential))["verdict"] != "valid"


async def test_a_quiet_nation_stays_fresh_by_its_heartbeats() -> None:
    async with world("ee", "pt", max_age=600, checkpoint_interval=1) as europe:
        ee, pt, credential, _ = await _scene(europe)
        for nation in (ee, pt):
            nation.clock.shift = timedelta(hours=1)
        assert (await pt.verifies(credential))["reason"] == "stale"
        await _heartbeat(ee)
        await europe.mirrors("ee", "pt")
        assert (await pt.verifies(credential))["verdict"] == "valid"


async def test_a_clock_a_year_ahead_makes_nothing_fresh_and_hides_nothing() -> None:
    async with world("ee", "pt", max_age=600, checkpoint_interval=1) as europe:
        ee, pt, credential, ref = await _scene(europe)
        before = ee.clock.now()
        ee.clock.shift = timedelta(days=365)
        await _heartbeat(ee)
        await europe.mirrors("ee", "pt")
        proven = pt.engine("verifier").inbox.origin("ee").checkpoint_time
        assert proven is not None
        assert proven <= before
        assert "from-the-future" in await _reasons(pt)
        await ee.revokes(ref)
        await europe.mirrors("ee", "pt")
        assert (await pt.verifies(credential))["reason"] == "revoked"


async def test_an_event_not_understood_makes_its_subject_indeterminate_and_nothing_else() -> None:
    async with world("ee", "pt") as europe:
        ee, pt, credential, ref = await _scene(europe)
        other = await ee.issues("tartu")
        await europe.mirrors("ee", "pt")
        unknown = await rogue(ee, _revocation(ref, ee), kind="credential.frozen.v7")
        await pt.hears(STATUS_OF_EE, [message(unknown)])
        report = await pt.verifies(credential)
        assert (report["verdict"], report["reason"]) == ("indeterminate", "parked")
        assert (await pt.verifies(other))["verdict"] == "valid"


async def test_a_well_signed_event_that_does_not_parse_is_parked_too() -> None:
    async with world("ee", "pt") as europe:
        ee, pt, credential, ref = await _scene(europe)
        spoken = said(_revocation(ref, ee), ee.clock.now())._replace(payload=b'{"ref": 7}')
        place = Place("testamur", "ee", 1, 1, after={"trust": 6, "registrations": 1})
        await pt.hears(STATUS_OF_EE, [message(sign(spoken, place, ee.home.signer("registry")))])
        assert (await pt.verifies(credential))["reason"] == "parked"


async def test_two_entries_at_one_sequence_are_a_contradiction_and_both_are_kept() -> None:
    async with world("ee", "pt") as europe:
        ee, pt, credential, ref = await _scene(europe)
        other = await ee.issues("tartu")
        await europe.mirrors("ee", "pt")
        one = await rogue(ee, _revocation(new_ref(), ee))
        two = await rogue(ee, _revocation(ref, ee))
        await pt.hears(STATUS_OF_EE, [message(one), message(two)])
        report = await pt.verifies(other)
        assert (report["verdict"], report["reason"]) == ("indeterminate", "contradictory-log")
        assert (await pt.verifies(credential))["reason"] == "revoked", "what reduces trust applies from every branch"
        evidence = await pt.engine("verifier").store.get(CONTRADICTIONS, "ee")
        assert evidence is not None
        assert len(evidence.body["entries"]) == 2


async def test_after_a_contradiction_nothing_that_adds_trust_applies() -> None:
    async with world("ee", "pt") as europe:
        ee, pt, credential, ref = await _scene(europe)
        await ee.must("registry", "POST", f"/credentials/{ref}/suspend", {"reason": "unspecified"})
        await ee.settles()
        await europe.mirrors("ee", "pt")
        back = CredentialReinstated(ref=ref, version=2, effective=ee.clock.now())
        one, two = await rogue(ee, _revocation(new_ref(), ee)), await rogue(ee, back)
        await pt.hears(STATUS_OF_EE, [message(one), message(two)])
        assert (await pt.verifies(credential))["verdict"] == "indeterminate"


async def test_a_revocation_beyond_a_hole_acts_at_once_and_a_reinstatement_waits() -> None:
    async with world("ee", "pt") as europe:
        ee, pt, credential, ref = await _scene(europe)
        other = await ee.issues("tartu")
        other_ref = (await ee.verifies(other))["credential"]["ref"]
        await ee.must("registry", "POST", f"/credentials/{other_ref}/suspend", {"reason": "unspecified"})
        await ee.settles()
        await europe.mirrors("ee", "pt")
        beyond = await rogue(ee, _revocation(ref, ee), ahead=3)
        waits = await rogue(ee, CredentialReinstated(ref=other_ref, version=9, effective=ee.clock.now()), ahead=5)
        await pt.hears(STATUS_OF_EE, [message(beyond), message(waits)])
        assert (await pt.verifies(credential))["reason"] == "revoked"
        assert (await pt.verifies(other))["reason"] == "suspended"


async def test_what_a_compromised_key_signed_is_invalid_abroad_unless_it_is_said_to_stand() -> None:
    async with world("ee", "pt") as europe:
        ee, pt, credential, ref = await _scene(europe)
        held = (await ee.must("registry", "GET", "/institutions/tartu"))["keys"][0]["kid"]
        await ee.must("registry", "POST", f"/institutions/tartu/keys/{held}/retire", {"reason": "compromised"})
        await ee.settles()
        await europe.mirrors("ee", "pt")
        answers = [(report["verdict"], report["reason"]) for report in [await n.verifies(credential) for n in (ee, pt)]]
        assert answers == [("invalid", "key-compromised")] * 2, ref


async def test_every_record_three_times_and_the_topic_reversed_end_in_the_same_state() -> None:
    async with world("ee", "pt", "lv") as europe:
        ee, pt, lv = europe["ee"], europe["pt"], europe["lv"]
        await ee.accredits("tartu")
        credentials = [await ee.issues("tartu") for _ in range(4)]
        refs = [(await ee.verifies(one))["credential"]["ref"] for one in credentials]
        await ee.must("registry", "POST", f"/credentials/{refs[0]}/suspend", {"reason": "unspecified"})
        await ee.must("registry", "POST", f"/credentials/{refs[0]}/reinstate", {})
        await ee.must("registry", "POST", f"/credentials/{refs[1]}/suspend", {"reason": "unspecified"})
        await ee.revokes(refs[2])
        await europe.mirrors("ee", "lv")
        for stream in ("registrations", "status", "trust", "checkpoints"):
            topic = topic_name("ee", stream)
            records = await europe.new_records("ee", "pt", topic)
            await pt.hears(topic, [honest(record) for record in reversed(records)] * 3)
        in_order = [(await lv.verifies(one))["reason"] for one in credentials]
        assert [(await pt.verifies(one))["reason"] for one in credentials] == in_order
        assert in_order[1:3] == ["suspended", "revoked"]


async def test_our_own_events_coming_from_outside_are_dropped() -> None:
    async with world("ee", "pt") as europe:
        ee, _, credential, ref = await _scene(europe)
        forged = by(
            europe["pt"].home.signer("registry"), _revocation(ref, ee), Place("testamur", "ee", 1, 1), ee.clock.now()
        )
        await ee.hears(STATUS_OF_EE, [message(forged)])
        assert (await ee.verifies(credential))["verdict"] == "valid"


async def _heartbeat(nation: Nation) -> None:
    """Wait for the nation's next checkpoint."""
    store, topic = nation.engine("registry").store, topic_name(nation.name, "checkpoints")
    head = await store.get(HEADS, topic)
    assert head is not None
    async with asyncio.timeout(60):
        while (await store.get(HEADS, topic)).version < head.version + 2:
            await asyncio.sleep(0.02)
    await nation.settles()

"""A service key is rotated while all goes on: neighbours follow, what was signed before stands, and nothing after it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from shared.bus.port import Message
from shared.clock import SystemClock
from shared.errors import Misconfigured
from shared.events.checkpoints import Checkpoint
from shared.events.entry import Place
from shared.events.issuance import CredentialIssued
from shared.home import rotation
from shared.home.folder import Home
from shared.home.generations import UNCERTIFIED
from shared.ids import new_ref, topic_name
from shared.jose import gate
from shared.trust import node_token
from shared.trust.certificates import CertificateRefused, read_certificate
from tests.forge import by, head, heads, message
from tests.integration.test_attacks import _revocation, _scene
from tests.scenes.federation import asks_log, comes_to, comes_true, holds_all, homes, ref_of, served
from tests.scenes.rotation import EVERY, entries, has_retired, kids, refused, retired, rotates
from tests.world import Nation, access_token, found, honest, running, world


@asynccontextmanager
async def busy(nation: Nation) -> AsyncIterator[tuple[list[str], list[str]]]:
    """A nation that issues and revokes all the while; gives the credentials, and the references of the revoked ones."""
    credentials: list[str] = []
    revoked: list[str] = []

    async def work() -> None:
        while True:
            made = await nation.must(
                "issuer", "POST", "/credentials", {"institution": "tartu", "credential": nation.draft()}
            )
            credentials.append(made["credential"])
            if len(credentials) % 3 == 0:
                await comes_to(nation, made["credential"], "valid")
                # another administrator each time: one alone may end ten an hour, which a busy node would use up
                by = f"Bearer {nation.token(subject=f'administrator-{len(revoked)}')}"
                path = f"/credentials/{made['ref']}/revoke"
                await nation.must("registry", "POST", path, {"reason": "error"}, authorization=by)
                revoked.append(made["ref"])

    working = asyncio.create_task(work())
    try:
        yield credentials, revoked
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def test_every_key_of_two_nations_is_rotated_under_load_and_nothing_is_refused(tmp_path: Path) -> None:
    one, two = homes(tmp_path, "ee", "pt")
    async with served(one) as ee, served(two) as pt:
        await ee.accredits("tartu")
        before = await ee.issues("tartu")
        await comes_to(pt, before, "valid")
        async with busy(ee) as (credentials, revoked):
            await comes_true(lambda: _longer(revoked, 0))
            for home in (one, two):
                rotates(home, *rotation.ROTATED)
            await comes_true(lambda: has_retired(ee, *EVERY))
            so_many = len(revoked)
            await comes_true(lambda: _longer(revoked, so_many + 2))
        await ee.settles()
        for credential in (before, *credentials):
            ended = await ref_of(ee, credential) in revoked
            await comes_to(pt, credential, "revoked" if ended else "valid")
        await comes_true(lambda: holds_all(pt, ee))
        assert (await refused(ee), await refused(pt)) == ([], []), "what was kept until its key was known was taken in"
        for stream, name in (("trust", "registry"), ("status", "registry"), ("registrations", "registry")):
            assert {entry.envelope.kid for entry in await entries(ee, stream)} == set(kids(one, name)), stream
        assert (await entries(ee, "checkpoints"))[-1].envelope.kid == kids(one, "checkpoint")[-1]
        said = await retired(ee)
        assert len(said) == len(set(said)) == len(EVERY)


async def _longer(held: list[str], than: int) -> bool:
    return len(held) > than


async def test_a_newcomer_reads_a_log_that_several_keys_have_signed(tmp_path: Path) -> None:
    one, two = homes(tmp_path, "ee", "pt")
    async with served(one) as ee:
        await ee.accredits("tartu")
        credentials = []
        for name in ("registry", "checkpoint", "registry"):
            credentials.append(await ee.issues("tartu"))
            rotates(one, name)
            await comes_true(lambda name=name: has_retired(ee, name))
        async with served(two) as pt:
            for credential in credentials:
                await comes_to(pt, credential, "valid")
            assert await holds_all(pt, ee)
            assert await refused(pt) == []


async def test_what_the_old_key_signs_after_its_end_is_refused_whatever_place_it_claims() -> None:
    async with world("ee", "pt") as europe:
        ee, pt, credential, ref = await _scene(europe)
        rotates(ee.home, "registry", reason="compromised")
        await comes_true(lambda: has_retired(ee, "registry"))
        await ee.settles()
        await europe.mirrors("ee", "pt")
        stolen = ee.home.load("registry")
        for trust in (1, (await head(ee, "trust")).seq):
            end, after = await head(ee, "status"), {**(await heads(ee)), "trust": trust}
            place = Place("testamur", "ee", 1, end.seq + 1, end.hash, after)
            await pt.hears(topic_name("ee", "status"), [message(by(stolen, _revocation(ref, ee), place, ee.clock.now()))])
        assert set(await refused(pt)) == {"unknown-key"}
        assert (await pt.verifies(credential))["verdict"] == "valid"
        await ee.revokes(ref)
        await europe.mirrors("ee", "pt")
        assert (await pt.verifies(credential))["reason"] == "revoked"


async def test_a_checkpoint_of_the_old_key_counts_up_to_its_end_however_late_it_comes() -> None:
    async with world("ee", "pt") as europe:
        ee, pt, _, _ = await _scene(europe)
        await ee.issues("tartu")
        topic = topic_name("ee", "checkpoints")
        late: list[Message] = []

        async def is_made() -> bool:
            late.extend(honest(record) for record in await europe.new_records("ee", "pt", topic))
            return bool(late)

        await comes_true(is_made)
        rotates(ee.home, "checkpoint")
        await comes_true(lambda: has_retired(ee, "checkpoint"))
        await ee.settles()
        await europe.mirrors("ee", "pt", streams=["trust"])
        await pt.hears(topic, late)
        assert await refused(pt) == []
        newest, end = (await entries(ee, "checkpoints"))[-1], await head(ee, "checkpoints")
        claim = Checkpoint.model_validate_json(newest.token.payload)
        forged = by(ee.home.load("checkpoint"), claim, Place("testamur", "ee", 1, end.seq + 1), ee.clock.now())
        await pt.hears(topic, [message(forged)])
        assert set(await refused(pt)) == {"unknown-key"}


async def test_the_issuers_old_key_ends_where_the_new_one_begins_and_its_own_count_stays_at_home() -> None:
    async with world("ee") as europe:
        ee = europe["ee"]
        await ee.accredits("tartu")
        first = await ee.issues("tartu")
        rotates(ee.home, "issuer")
        await comes_true(lambda: _heard(ee, "issuer", kids(ee.home, "issuer")[-1]))
        assert await retired(ee) == [], "the new key has signed nothing yet: what is under way is the old one's"
        second = await ee.issues("tartu")
        await comes_true(lambda: has_retired(ee, "issuer"))
        assert [(await ee.verifies(one))["verdict"] for one in (first, second)] == ["valid", "valid"]
        assert [entry.token.payload for entry in await entries(ee, "trust") if b"issuance" in entry.token.payload] == []
        issuance = await entries(ee, "issuance")
        last, stale = issuance[-1], issuance[0]
        place = Place("testamur", "ee", 1, last.envelope.seq + 1, last.hash, {})
        again = CredentialIssued.model_validate_json(stale.token.payload).model_copy(update={"ref": new_ref()})
        forged = by(ee.home.load("issuer"), again, place, ee.clock.now())
        await ee.hears(topic_name("ee", "issuance"), [message(forged)])
        assert await refused(ee) == ["unknown-key"]


async def test_what_a_superseded_key_signed_outside_the_chains_stands_and_a_stolen_ones_word_is_over(tmp_path: Path) -> None:
    one, two = homes(tmp_path, "ee", "pt")
    async with served(one) as ee, served(two) as pt:
        await ee.accredits("tartu")
        credential = await ee.issues("tartu")
        for reason in ("superseded", "compromised"):
            listed, bearer, shown = await _list(ee), access_token(one), _node_token(two)
            receipt = (await ee.verifies(credential, receipt=True))["receipt"]
            for home in (one, two):
                rotates(home, "status-list", "receipt", "node-token", UNCERTIFIED, reason=reason)
            await comes_true(lambda: has_retired(pt, "node-token"))
            kid = kids(two, "node-token")[-2]
            await comes_true(lambda kid=kid: _knows_of(ee, "pt", kid))
            stands = reason == "superseded"
            assert await _is_certified(ee, listed) == stands
            assert await _is_certified(ee, await _list(ee)), "the list is signed anew at once"
            answers = {"authorization": f"Bearer {bearer}"}
            known = await ee.clients["registry"].get("/institutions", headers=answers)
            assert (known.status_code == 200) == stands, known.text
            assert (await asks_log(ee, "trust", shown)).status_code == (200 if stands else 401)
            assert (await asks_log(ee, "trust", _node_token(two))).status_code == 200
            refusal = await ee.ask("issuer", "POST", "/credentials/stack", _stack(ee, credential, receipt))
            assert ("receipt-refused" in refusal.text) != stands


async def test_a_service_that_has_only_an_older_copy_of_the_folder_signs_nothing(tmp_path: Path) -> None:
    home = found(tmp_path / "ee", "ee")
    async with running(home) as ee:
        rotates(home, "registry")
        await comes_true(lambda: has_retired(ee, "registry"))
    home.generations.certificate_file("registry-2").rename(tmp_path / "forgotten")
    async with running(Home(home.settings), settles=False) as ee:
        signing = ee.engine("registry").writer.sequencer._signing
        with pytest.raises(Misconfigured, match="newest copy"):
            await signing.now()


async def test_the_root_may_be_elsewhere_and_only_its_certificate_of_that_very_key_counts(tmp_path: Path) -> None:
    home, other = found(tmp_path / "ee", "ee"), found(tmp_path / "pt", "pt")
    made = rotation.prepare(home, "registry", "superseded")
    assert rotation.prepare(home, "registry", "superseded").kid == made.kid, "repeated, it goes on with the same key"
    asked = rotation.request(home, "registry", made.verification_key())
    assert home.signer("registry").kid != made.kid, "nothing has changed as long as the root has not spoken"
    now = SystemClock().now()
    strange = rotation.answer(other.signer("root"), asked, now)
    another = rotation.answer(
        home.signer("root"), asked.model_copy(update={"jwk": other.signer("registry").public_jwk}), now
    )
    for wrong in (strange, another):
        with pytest.raises((CertificateRefused, gate.TokenRefused)):
            rotation.finish(home, "registry", wrong)
    right = rotation.answer(home.signer("root"), asked, now)
    for _ in range(2):
        rotation.finish(home, "registry", right)
    assert Home(home.settings).signer("registry").kid == made.kid


async def _heard(nation: Nation, service: str, kid: str) -> bool:
    return nation.engine(service).keyring._certificates.get((nation.name, kid)) is not None


async def _knows_of(nation: Nation, origin: str, kid: str) -> bool:
    return (origin, kid) in nation.engine("registry").keyring._retired


async def _list(nation: Nation) -> bytes:
    return (await nation.clients["registry"].get("/status-lists/1")).content


async def _is_certified(nation: Nation, signed: bytes) -> bool:
    """Whether a list holds by the certificates that the nation publishes."""
    published = (await nation.clients["registry"].get("/certificates")).json()["certificates"]
    node = nation.home.node()
    known = [read_certificate(one, federation="testamur", node=node).key for one in published.values()]
    keys = {key.kid: key for key in known}
    try:
        gate.check(signed, typ="vc+jwt", keys=lambda header: keys.get(header["kid"]))
    except gate.TokenRefused:
        return False
    return True


def _node_token(home: Home) -> str:
    now = SystemClock().now()
    return node_token.mint(
        *home.certified("node-token"), federation="testamur", node=home.settings.node, audience="ee", now=now
    )


def _stack(nation: Nation, credential: str, receipt: str) -> dict[str, object]:
    draft = {**nation.draft(), "title": "Data science", "workload": {"ects": 5, "hours": 130}}
    return {"institution": "tartu", "credential": draft, "parts": [{"credential": credential, "receipt": receipt}]}

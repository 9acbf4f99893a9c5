"""Nations that federate by nothing but HTTP: what crosses, who may read, what a node does that is down, late or rotten."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from shared.bus.port import Message
from shared.clock import SystemClock
from shared.events.base import PUBLIC
from shared.events.entry import message_headers, parse
from shared.home.folder import Home
from shared.inbox.dead_letters import DEAD
from shared.inbox.ordering import PENDING
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner
from shared.trust import federation_list, node_token
from shared.trust.nodes import Anchor, FederationList
from tests.forge import head
from tests.scenes.federation import (
    CHAINS,
    archive,
    comes_to,
    comes_true,
    free_port,
    holds_all,
    homes,
    put_on_bus_of,
    ref_of,
    served,
)
from tests.scenes.rotten_node import KINDS, lossy_path, rotten_neighbour
from tests.world import Nation, federate, found


async def test_a_revocation_crosses_by_the_log(tmp_path: Path) -> None:
    one, two = homes(tmp_path, "ee", "pt")
    async with served(one) as ee, served(two) as pt:
        await ee.accredits("tartu")
        credential = await ee.issues("tartu")
        await comes_to(pt, credential, "valid")
        await ee.revokes(await ref_of(ee, credential))
        assert (await comes_to(pt, credential, "revoked"))["verdict"] == "invalid"
        assert await holds_all(pt, ee)


async def test_following_that_ended_by_a_fault_of_ours_begins_again(tmp_path: Path) -> None:
    one, two = homes(tmp_path, "ee", "pt")
    async with served(one) as ee, served(two) as pt:
        await ee.accredits("tartu")
        credential = await ee.issues("tartu")
        await comes_to(pt, credential, "valid")
        following = [task for task in asyncio.all_tasks() if task.get_name().startswith("follow ('ee'")]
        assert len(following) == len(PUBLIC)
        for task in following:
            task.cancel()
        await ee.revokes(await ref_of(ee, credential))
        await comes_to(pt, credential, "revoked")


async def test_a_node_that_was_down_catches_up(tmp_path: Path) -> None:
    one, two = homes(tmp_path, "ee", "pt")
    async with served(one) as ee:
        async with served(two) as pt:
            await ee.accredits("tartu")
            credential = await ee.issues("tartu")
            await comes_to(pt, credential, "valid")
        await ee.revokes(await ref_of(ee, credential))
        later = await ee.issues("tartu")
        async with served(two) as pt:
            await comes_to(pt, credential, "revoked")
            await comes_to(pt, later, "valid")


async def test_an_origin_that_comes_back_is_heard_again_though_others_stood_in(tmp_path: Path) -> None:
    one, two, three = homes(tmp_path, "ee", "pt", "lv")
    async with served(two) as pt, served(three) as lv:
        async with served(one) as ee:
            await ee.accredits("tartu")
            credential = await ee.issues("tartu")
            await comes_to(pt, credential, "valid")
        await comes_true(lambda: _in_trouble(pt, "ee"))
        async with served(one) as ee:
            await ee.revokes(await ref_of(ee, credential))
            await comes_to(pt, credential, "revoked")
            await comes_to(lv, credential, "revoked")


async def _in_trouble(nation: Nation, origin: str) -> bool:
    follower = nation.engine("registry").follower
    return follower is not None and follower.trouble(origin) is not None


async def test_a_newcomer_gets_everything_below_a_checkpoint(tmp_path: Path) -> None:
    one, two = homes(tmp_path, "ee", "pt")
    async with served(one) as ee:
        await ee.accredits("tartu")
        credentials = [await ee.issues("tartu") for _ in range(6)]
        for credential in credentials[:3]:
            await ee.revokes(await ref_of(ee, credential))
        async with served(two) as pt:
            for credential in credentials[:3]:
                await comes_to(pt, credential, "revoked")
            for credential in credentials[3:]:
                await comes_to(pt, credential, "valid")
            assert await holds_all(pt, ee)
            view = pt.engine("verifier").inbox.origin("ee")
            assert view.checkpoint_time is not None
            assert {stream: view.seq(stream) for stream in CHAINS} == {s: (await head(ee, s)).seq for s in CHAINS}


def token(home: Home, audience: str, **changes: Any) -> str:
    """A node token as it should be, or a wrong one."""
    given = {"federation": "testamur", "node": home.settings.node, "now": SystemClock().now(), **changes}
    signer = given.pop("signer", None) or home.signer("node-token")
    return node_token.mint(signer, home.certificates()["node-token"], audience=audience, **given)


async def asks(nation: Nation, path: str, raw: str | None, **headers: str) -> httpx2.Response:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    given |= {"authorization": f"Bearer {raw}"} if raw else {}
    return await nation.clients["registry"].get(f"/log/{path}", headers=given)


async def test_the_log_is_conditional_and_waits_for_news(tmp_path: Path) -> None:
    one, two = homes(tmp_path, "ee", "pt")
    async with served(one) as ee:
        await ee.accredits("tartu")
        ref = await ref_of(ee, await ee.issues("tartu"))
        raw = token(two, "ee")
        known = await asks(ee, "trust", raw)
        again = await asks(ee, "trust", raw, if_none_match=known.headers["etag"])
        assert (known.status_code, again.status_code, again.content) == (200, 304, b"")
        waiting = asyncio.create_task(asks(ee, "status?after=0&wait=30", raw))
        await asyncio.sleep(0.1)
        assert not waiting.done(), "there is no news yet"
        await ee.revokes(ref)
        assert [parse(entry).envelope.sub for entry in (await waiting).json()["entries"]] == [ref]


async def test_only_a_members_own_fresh_token_opens_the_log(tmp_path: Path) -> None:
    one, two = homes(tmp_path, "ee", "pt")
    (stranger,) = homes(tmp_path, "xk")
    uncertified = LocalSigner.generate(Purpose.NODE_TOKEN)
    an_hour_ago = SystemClock().now() - timedelta(hours=1)
    refused = {
        "no token": None,
        "not a member": token(stranger, "ee"),
        "a member's name, a stranger's key": token(stranger, "ee", node="pt"),
        "for another node": token(two, "lv"),
        "of another federation": token(two, "ee", federation="elsewhere"),
        "expired": token(two, "ee", now=an_hour_ago),
        "of tomorrow": token(two, "ee", now=SystemClock().now() + timedelta(days=1)),
        "too long a life": token(two, "ee", lifetime=timedelta(hours=2)),
        "a key that the root did not certify": token(two, "ee", signer=uncertified),
        "another key of the same node": two.signer("access-token").kid,
    }
    async with served(one) as ee:
        assert (await asks(ee, "trust", token(two, "ee"))).status_code == 200
        answers = {case: await asks(ee, "trust", raw) for case, raw in refused.items()}
    assert {case: answer.status_code for case, answer in answers.items()} == dict.fromkeys(refused, 401)
    assert not any("entries" in answer.json() for answer in answers.values())


async def test_a_hole_is_filled_from_the_origins_log(tmp_path: Path) -> None:
    one, two = homes(tmp_path, "ee", "pt")
    async with served(one) as ee:
        await ee.accredits("tartu")
        credentials = [await ee.issues("tartu") for _ in range(4)]
        await ee.revokes(await ref_of(ee, credentials[3]))
        whole = await archive(ee, "ee")
        await put_on_bus_of(two, "ee", {"trust": whole["trust"], "registrations": whole["registrations"][2:]})
        async with served(two) as pt:
            await comes_to(pt, credentials[0], "valid")
            await comes_to(pt, credentials[2], "valid")
            await comes_to(pt, credentials[3], "revoked")
            await comes_true(lambda: holds_all(pt, ee))
            assert await pt.engine("registry").store.count(PENDING) == 0, "what waited beyond the hole has had its turn"


async def test_an_entry_lost_on_the_way_is_asked_for_again(tmp_path: Path) -> None:
    way, real = free_port(), free_port()
    one = found(tmp_path / "ee", "ee", port=real, public_url=f"http://127.0.0.1:{way}", log_level="error")
    two = found(tmp_path / "pt", "pt", port=free_port(), fetch_allow=("127.0.0.0/8",), log_level="error")
    federate([one, two])
    async with served(one) as ee:
        await ee.accredits("tartu")
        credentials = [await ee.issues("tartu") for _ in range(3)]
        with lossy_path(way, f"http://127.0.0.1:{real}", "registrations") as path:
            async with served(two) as pt:
                await comes_to(pt, credentials[0], "valid")
                await comes_to(pt, credentials[2], "valid")
                assert path.lost == (await archive(pt, "ee"))["registrations"][:1]


async def test_with_the_origin_down_a_hole_is_filled_from_another_member(tmp_path: Path) -> None:
    one, two, three = homes(tmp_path, "ee", "pt", "lv")
    async with served(three) as lv:
        async with served(one) as ee:
            await ee.accredits("tartu")
            credentials = [await ee.issues("tartu") for _ in range(3)]
            await ee.revokes(await ref_of(ee, credentials[0]))
            await comes_true(lambda: holds_all(lv, ee))
            await comes_to(lv, credentials[2], "valid")
            whole = await archive(ee, "ee")
        await put_on_bus_of(two, "ee", {"trust": whole["trust"][:1], "registrations": whole["registrations"][1:]})
        async with served(two) as pt:
            await comes_to(pt, credentials[0], "revoked")
            await comes_to(pt, credentials[1], "valid")
            assert await archive(pt, "ee") == whole


def relist(anchored: Home, *others: Home, version: int, **status: str) -> bytes:
    """The federation's next list, or an earlier one, with other standings."""
    anchor, now = anchored.signer("anchor"), SystemClock().now()
    nodes = [
        home.node().model_copy(update={"status": status.get(home.settings.node, "active")}) for home in (anchored, *others)
    ]
    listed = FederationList(
        federation="testamur",
        version=version,
        issued=now,
        expires=now + timedelta(days=30),
        anchors=(Anchor(kid=anchor.kid, jwk=anchor.public_jwk),),
        nodes=tuple(nodes),
    )
    return federation_list.sign_list(listed, [anchor])


async def goes_by(nation: Nation, version: int) -> bool:
    return all(nation.engine(service).membership.list.version == version for service in nation.apps)


async def test_a_suspended_node_is_no_longer_heard(tmp_path: Path) -> None:
    one, two, three = homes(tmp_path, "ee", "pt", "lv")
    async with served(one) as ee, served(two) as pt:
        await ee.accredits("tartu")
        credential, other = await ee.issues("tartu"), await ee.issues("tartu")
        await comes_to(pt, credential, "valid")
        two.federation_file.write_bytes(relist(one, two, three, version=3, ee="suspended"))
        await comes_true(lambda: goes_by(pt, 3))
        assert (await comes_to(pt, credential, "nation-suspended"))["verdict"] == "indeterminate"
        before = await archive(pt, "ee")
        await ee.revokes(await ref_of(ee, other))
        (revocation,) = (parse(raw) for raw in (await archive(ee, "ee"))["status"])
        await pt.hears(
            revocation.envelope.topic,
            [Message(revocation.envelope.sub, revocation.token.payload, message_headers(revocation))],
        )
        assert await archive(pt, "ee") == before
        assert "suspended-nation" in {row.body["reason"] for row in await pt.engine("verifier").store.scan(DEAD)}
        assert (await asks(pt, "trust", token(one, "pt"))).status_code == 401, "and it reads nothing here"
        two.federation_file.write_bytes(relist(one, two, three, version=4))
        await comes_to(pt, other, "revoked")
        await comes_to(pt, credential, "valid")


async def test_an_older_federation_list_is_refused(tmp_path: Path) -> None:
    one, two, three = homes(tmp_path, "ee", "pt", "lv")
    async with served(two) as pt:
        two.federation_file.write_bytes(relist(one, two, three, version=7, ee="suspended"))
        await comes_true(lambda: goes_by(pt, 7))
        for old in (relist(one, two, three, version=6), relist(three, two, one, version=9)):
            two.federation_file.write_bytes(old)
            memberships = [pt.engine(service).membership for service in pt.apps]
            for membership in memberships:
                membership.reload()
            standings = {node.status for membership in memberships if (node := membership.node("ee"))}
            assert await goes_by(pt, 7)
            assert standings == {"suspended"}, "an older list, or one that an anchor not pinned here signed, changes nothing"


@pytest.mark.parametrize("kinds", [KINDS[0::2], KINDS[1::2]], ids=["some kinds", "the other kinds"])
async def test_a_neighbour_that_serves_garbage_changes_nothing_and_stops_nobody(
    tmp_path: Path, kinds: Sequence[str]
) -> None:
    port = free_port()
    made = [
        found(tmp_path / name, name, port=at, fetch_allow=("127.0.0.0/8",), log_level="error")
        for name, at in (("ee", free_port()), ("pt", free_port()), ("lv", port))
    ]
    federate(made)
    async with served(made[0]) as ee:
        await ee.accredits("tartu")
        credential = await ee.issues("tartu")
        entry = (await archive(ee, "ee"))["registrations"][0]
        with rotten_neighbour(port, kinds, entry) as rotten:
            async with served(made[1]) as pt:
                await comes_true(rotten.has_served_all)
                await comes_to(pt, credential, "valid")
                await ee.revokes(await ref_of(ee, credential))
                await comes_to(pt, credential, "revoked")
                await pt.settles()
                assert await archive(pt, "lv") == {stream: [] for stream in CHAINS}
                assert not pt.engine("registry").inbox.origin("lv").positions
                assert {task.get_name() for task in _following()} >= {f"follow ('lv', '{stream}')" for stream in PUBLIC}
                asked = rotten.asked
                await asyncio.sleep(1.0)
                assert rotten.asked - asked < 30, "who answers at once and says nothing is not asked in a loop"


def _following() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if task.get_name().startswith("follow ")]

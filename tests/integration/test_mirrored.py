"""What a mirror brings of a nation is not asked for over HTTP, and what it does not bring is noticed there and fetched."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.cli.app import run
from services.cli.exit_codes import Code
from shared.events.base import PUBLIC
from shared.events.status import CredentialReinstated
from shared.home.folder import Home
from shared.ids import new_ref, topic_name
from shared.inbox.dead_letters import DEAD
from shared.inbox.inbox import Inbox
from shared.settings import NodeSettings
from tests.forge import message, rogue
from tests.scenes.federation import archive, comes_to, comes_true, free_port, holds_all, homes, ref_of, served
from tests.scenes.mirror import carry, mirror, mirrored
from tests.scenes.rotten_node import watched_path
from tests.world import PASSPHRASE, Nation, World, federate, found


@asynccontextmanager
async def europe_of(one: Home, two: Home) -> AsyncIterator[World]:
    """Two nations; ee's topics come to pt by a mirror, once there is one."""
    async with served(one) as ee, served(mirrored(two, "ee")) as pt:
        yield World({"ee": ee, "pt": pt}, one)


def at_another_address(tmp_path: Path, way: int) -> list[Home]:
    """Two nations; the federation list says that the first one's registry is at that port."""
    public = f"http://127.0.0.1:{way}"
    one = found(tmp_path / "ee", "ee", port=free_port(), public_url=public, log_level="error", checkpoint_interval=1)
    two = found(tmp_path / "pt", "pt", port=free_port(), fetch_allow=("127.0.0.0/8",), log_level="error")
    federate([one, two])
    return [one, two]


async def trouble(nation: Nation, origin: str) -> str:
    """What a nation's registry tells its operator of another one."""
    (known,) = [one for one in await nation.must("registry", "GET", "/nodes") if one["node"] == origin]
    return known["trouble"] or ""


async def test_what_a_mirror_leaves_out_is_asked_for_over_http(tmp_path: Path) -> None:
    """As when retention has cut records away before the mirror read them: later ones arrive, and name those before them."""
    async with europe_of(*homes(tmp_path, "ee", "pt")) as europe:
        ee, pt = europe["ee"], europe["pt"]
        await ee.accredits("tartu")
        credential = await ee.issues("tartu")
        await carry(europe, losing=PUBLIC)
        await ee.revokes(await ref_of(ee, credential))
        async with mirror(europe):
            await comes_to(pt, credential, "revoked")
            await comes_true(lambda: holds_all(pt, ee))


async def test_a_mirror_that_brings_nothing_any_more_hides_no_revocation(tmp_path: Path) -> None:
    async with europe_of(*homes(tmp_path, "ee", "pt")) as europe:
        ee, pt = europe["ee"], europe["pt"]
        async with mirror(europe):
            await ee.accredits("tartu")
            credential, other = await ee.issues("tartu"), await ee.issues("tartu")
            await comes_to(pt, other, "valid")
        await ee.revokes(await ref_of(ee, credential))
        assert (await comes_to(pt, credential, "revoked"))["verdict"] == "invalid"
        assert "The mirror does not bring" in await trouble(pt, "ee")
        later = await ee.issues("tartu")
        await comes_to(pt, later, "valid")
        await ee.revokes(await ref_of(ee, other))
        await comes_to(pt, other, "revoked")


async def test_a_mirror_that_drops_the_tail_and_the_checkpoints_that_name_it_hides_nothing(tmp_path: Path) -> None:
    async with europe_of(*homes(tmp_path, "ee", "pt")) as europe:
        ee, pt = europe["ee"], europe["pt"]
        async with mirror(europe):
            await ee.accredits("tartu")
            credential = await ee.issues("tartu")
            await comes_to(pt, credential, "valid")
        async with mirror(europe, losing=("status", "checkpoints")):
            await ee.revokes(await ref_of(ee, credential))
            await comes_to(pt, credential, "revoked")


async def test_a_mirror_that_drops_the_tail_and_passes_the_checkpoints_hides_nothing(tmp_path: Path) -> None:
    async with europe_of(*homes(tmp_path, "ee", "pt")) as europe:
        ee, pt = europe["ee"], europe["pt"]
        async with mirror(europe, losing=("status",)):
            await ee.accredits("tartu")
            credential = await ee.issues("tartu")
            await comes_to(pt, credential, "valid")
            await ee.revokes(await ref_of(ee, credential))
            await comes_to(pt, credential, "revoked")


async def test_what_a_late_mirror_brings_a_second_time_is_counted_and_doubles_nothing(tmp_path: Path) -> None:
    async with europe_of(*homes(tmp_path, "ee", "pt")) as europe:
        ee, pt = europe["ee"], europe["pt"]
        await ee.accredits("tartu")
        credential, other = await ee.issues("tartu"), await ee.issues("tartu")
        await ee.revokes(await ref_of(ee, credential))
        await comes_to(pt, credential, "revoked")
        await comes_to(pt, other, "valid")
        await comes_true(lambda: holds_all(pt, ee))
        await pt.settles()
        inboxes = {service: pt.engine(service).inbox for service in ("registry", "verifier")}
        before = {service: inbox.repeats for service, inbox in inboxes.items()}
        held = await archive(pt, "ee")
        async with mirror(europe):
            late = sum(len(entries) for entries in held.values())
            await comes_true(lambda: _have_counted(inboxes, {service: seen + late for service, seen in before.items()}))
            await comes_to(pt, credential, "revoked")
            await comes_to(pt, other, "valid")
        assert await archive(pt, "ee") == held
        assert not any(inbox.origin("ee").contradictory or inbox.behind() for inbox in inboxes.values())
        assert not await pt.engine("verifier").store.count(DEAD)


async def _have_counted(inboxes: dict[str, Inbox], repeats: dict[str, int]) -> bool:
    return all(inbox.repeats >= repeats[service] for service, inbox in inboxes.items())


async def test_a_working_mirror_leaves_http_nothing_but_the_question_how_far_the_log_has_come(tmp_path: Path) -> None:
    way = free_port()
    one, two = at_another_address(tmp_path, way)
    with watched_path(way, f"http://127.0.0.1:{one.settings.port}") as path:
        async with europe_of(one, two) as europe, mirror(europe):
            ee, pt = europe["ee"], europe["pt"]
            await ee.accredits("tartu")
            await comes_to(pt, await ee.issues("tartu"), "valid")

            async def crosses_by_the_mirror_alone() -> bool:
                asked = len(path.asked)
                credential = await ee.issues("tartu")
                await comes_to(pt, credential, "valid")
                revoke = f"/credentials/{await ref_of(ee, credential)}/revoke"
                another = f"Bearer {ee.token(subject=new_ref())}"  # one person alone may revoke ten an hour
                await ee.must("registry", "POST", revoke, {"reason": "withdrawn"}, authorization=another)
                await comes_to(pt, credential, "revoked")
                await comes_true(lambda: holds_all(pt, ee))
                return set(path.asked[asked:]) <= {"checkpoints"}

            # a machine that held everything up for a moment is a mirror that was late: once in some turns it is not
            await comes_true(crosses_by_the_mirror_alone, within=60.0)
            await comes_true(lambda: _is_well(pt, "ee"))
            assert "checkpoints" in path.asked


async def _is_well(nation: Nation, origin: str) -> bool:
    return not await trouble(nation, origin)


async def test_a_neighbour_without_http_is_heard_by_the_mirror_and_the_doctor_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with europe_of(*at_another_address(tmp_path, free_port())) as europe, mirror(europe):
        ee, pt = europe["ee"], europe["pt"]
        await ee.accredits("tartu")
        credential = await ee.issues("tartu")
        await comes_to(pt, credential, "valid")
        await ee.revokes(await ref_of(ee, credential))
        await comes_to(pt, credential, "revoked")
        assert "only the mirror brings its news" in await trouble(pt, "ee")
        for name, value in (("NODE", "pt"), ("HOME", str(pt.home.folder)), ("KEY_PASSPHRASE", PASSPHRASE)):
            monkeypatch.setenv(f"TESTAMUR_{name}", value)
        assert await asyncio.to_thread(run, ["doctor", "--json"]) == Code.REFUSED
        said = {one["what"]: one for one in json.loads(capsys.readouterr().out)}
        assert "only the mirror brings its news" in said["node ee"]["detail"]
        assert not said["node ee"]["well"]


async def test_of_a_nation_that_contradicts_itself_revocations_are_heard_without_the_mirror(tmp_path: Path) -> None:
    async with europe_of(*homes(tmp_path, "ee", "pt")) as europe:
        ee, pt = europe["ee"], europe["pt"]
        async with mirror(europe):
            await ee.accredits("tartu")
            credential, other = await ee.issues("tartu"), await ee.issues("tartu")
            await comes_to(pt, credential, "valid")
            await comes_true(lambda: _has_asked_all(ee))  # asked later, it would learn of its fork and sign nothing more
            undone = CredentialReinstated(ref=await ref_of(ee, other), version=1, effective=ee.clock.now())
            await pt.hears(topic_name("ee", "status"), [message(await rogue(ee, undone))])
            await ee.revokes(await ref_of(ee, other))
            await comes_true(lambda: _is_contradictory(pt, "ee"))
        await ee.revokes(await ref_of(ee, credential))
        await comes_to(pt, credential, "revoked")


async def _has_asked_all(nation: Nation) -> bool:
    return not nation.engine("registry").continuity.silent()


async def _is_contradictory(nation: Nation, origin: str) -> bool:
    return nation.engine("registry").inbox.origin(origin).contradictory


async def test_a_bus_that_lost_everything_is_given_the_whole_archive_again(tmp_path: Path) -> None:
    one, two = homes(tmp_path, "ee", "pt")
    async with served(one) as ee:
        await ee.accredits("tartu")
        credential = await ee.issues("tartu")
        before = {stream: await ee.bus.end(topic_name("ee", stream)) for stream in ("trust", "registrations")}
    emptied = Home(NodeSettings(**one.settings.model_dump() | {"bus": f"sqlite:///{tmp_path / 'new'}"}))
    federate([emptied, two], version=3)
    async with served(emptied) as ee:

        async def filled() -> bool:
            return all([await ee.bus.end(topic_name("ee", stream)) >= end for stream, end in before.items()])

        await comes_true(filled)
        assert (await ee.verifies(credential))["verdict"] == "valid"
        assert await ee.issues("tartu")

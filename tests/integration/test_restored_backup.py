"""A node that was set back to an older backup takes its own log back, from its bus and its neighbours, before it speaks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from services.cli.app import run
from services.cli.exit_codes import Code
from shared.clock import SystemClock
from shared.events.entry import Place, Unsigned, parse, sign
from shared.events.trust import ServiceKeyAdded
from shared.home.folder import Home
from shared.ids import new_event_id, topic_name
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner
from shared.log.archive import LOG
from tests.forge import rogue
from tests.scenes.backup import (
    BUS,
    PATIENCE,
    STORES,
    Past,
    agree,
    backs_up,
    has_come_back,
    is_whole,
    lives_on,
    loses_its_bus,
    revokes_unsigned,
    sets_back,
)
from tests.scenes.federation import (
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
from tests.scenes.rotten_node import rotten_neighbour
from tests.world import Nation, federate, found, running

SET_BACK: dict[str, Callable[[Home, Path], None]] = {
    "its stores": lambda home, backup: sets_back(home, backup, *STORES),
    "its stores and its bus": lambda home, backup: sets_back(home, backup, *STORES, BUS),
    "its stores, with a new bus": lambda home, backup: (sets_back(home, backup, *STORES), loses_its_bus(home))[0],
    "its issuer alone": lambda home, backup: sets_back(home, backup, "issuer.db"),
    "its issuer, with a new bus": lambda home, backup: (sets_back(home, backup, "issuer.db"), loses_its_bus(home))[0],
    "its registry alone": lambda home, backup: sets_back(home, backup, "registry.db"),
}


@pytest.mark.parametrize("set_back", SET_BACK.values(), ids=SET_BACK)
async def test_set_back_it_takes_everything_back_and_goes_on(tmp_path: Path, set_back: Callable[..., None]) -> None:
    one, two = homes(tmp_path, "ee", "pt")
    async with served(two) as pt:
        async with served(one) as ee:
            await ee.accredits("tartu")
            kept = {"revoked later": await ee.issues("tartu"), "untouched": await ee.issues("tartu")}
        backs_up(one, tmp_path / "backup")
        async with served(one) as ee:
            past = await lives_on(ee, kept, pt)
    set_back(one, tmp_path / "backup")
    async with served(two) as pt, served(one) as ee:
        await comes_true(lambda: has_come_back(ee), within=PATIENCE)
        assert await archive(ee, "ee") == past.log
        await _is_as_before(ee, pt, past, kept)
        await _goes_on(ee, pt, kept)
        await comes_true(lambda: agree(ee, pt, "ee"))
        assert not pt.engine("verifier").inbox.origin("ee").contradictory


async def _is_as_before(ee: Nation, pt: Nation, past: Past, kept: dict[str, str]) -> None:
    for credential in past.revoked.values():
        for nation in (ee, pt):
            await comes_to(nation, credential, "revoked")
        ref = await ref_of(ee, credential)
        assert (await ee.must("registry", "GET", f"/credentials/{ref}"))["status"] == "revoked"
    for credential in (*past.standing.values(), kept["untouched"]):
        for nation in (ee, pt):
            await comes_to(nation, credential, "valid")
        ref = await ref_of(ee, credential)
        assert (await ee.must("registry", "GET", f"/credentials/{ref}"))["status"] == "active"
    shown = await ee.must("registry", "GET", "/institutions/narva")
    assert [key["status"] for key in shown["keys"]] == ["active"]
    ended = await ee.must("registry", "GET", "/institutions/viljandi")
    assert [key["status"] for key in ended["keys"]] == ["superseded"]
    assert [one["withdrawn"] is None for one in ended["accreditations"]] == [False]
    assert (await ee.must("registry", "GET", "/catalogue/ee/narva/data"))["version"] == 1


async def _goes_on(ee: Nation, pt: Nation, kept: dict[str, str]) -> None:
    await ee.settles()
    for slug in ("tartu", "narva"):
        await comes_to(pt, await ee.issues(slug), "valid")
    await ee.revokes(await ref_of(ee, kept["untouched"]))
    await comes_to(pt, kept["untouched"], "revoked")
    await comes_true(lambda: holds_all(pt, ee), within=PATIENCE)


async def test_with_every_neighbour_down_the_bus_is_enough(tmp_path: Path) -> None:
    one, two = homes(tmp_path, "ee", "pt")
    async with served(two) as pt:
        credential, past = await _a_past(one, tmp_path, pt)
    sets_back(one, tmp_path / "backup", *STORES)
    async with served(one) as ee:
        await comes_true(lambda: has_come_back(ee), within=PATIENCE)
        assert await archive(ee, "ee") == past
        await comes_to(ee, credential, "revoked")


async def test_what_the_backup_had_not_signed_yet_is_not_said_twice(tmp_path: Path) -> None:
    one, two = homes(tmp_path, "ee", "pt")
    async with served(two) as pt:
        async with served(one) as ee:
            await ee.accredits("tartu")
            first, second = await ee.issues("tartu"), await ee.issues("tartu")
            refs = await ref_of(ee, first), await ref_of(ee, second)
        await revokes_unsigned(one, refs[0])
        backs_up(one, tmp_path / "backup")
        async with served(one) as ee:
            await ee.revokes(refs[1])
            await comes_true(lambda: holds_all(pt, ee), within=PATIENCE)
            past = await archive(ee, "ee")
        sets_back(one, tmp_path / "backup", *STORES, BUS)
        async with served(one) as ee:
            await comes_true(lambda: has_come_back(ee), within=PATIENCE)
            await ee.settles()
            assert await archive(ee, "ee") == past
            assert [parse(entry).envelope.sub for entry in past["status"]] == list(refs)


async def test_it_is_held_in_words_until_somebody_has_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = homes(tmp_path, "ee", "pt")
    async with served(two) as pt:
        credential, past = await _a_past(one, tmp_path, pt)
        newest = (await pt.engine("registry").store.scan(LOG, prefix=topic_name("ee", "checkpoints") + "/"))[-1]
    sets_back(one, tmp_path / "backup", *STORES, BUS)
    await put_on_bus_of(one, "ee", {"checkpoints": [newest.body["jws"]]})
    async with served(one) as ee:
        ref = await ref_of(ee, credential)
        ready = await ee.ask("registry", "GET", "/readyz")
        assert ready.status_code == 503
        assert "status 1" in ready.json()["waiting"]["log"]
        asked = ["doctor", "--json", "--url", one.settings.public_url, "--token", ee.token()]
        assert await asyncio.to_thread(run, asked) == Code.REFUSED
        said = {finding["what"]: finding["detail"] for finding in json.loads(capsys.readouterr().out)}
        assert "the bus holds entries that are not here" in said["registry"]
        for service, path, body in (
            ("registry", f"/credentials/{ref}/suspend", {"reason": "error"}),
            ("registry", "/revocations", {"refs": [ref], "reason": "error"}),
        ):
            refused = await ee.ask(service, "POST", path, body)
            assert (refused.status_code, refused.json()["type"]) == (503, "/problems/log-incomplete")
        assert (await ee.ask("registry", "GET", "/status-lists/1")).status_code == 503, "nothing is signed over old states"
        assert (await ee.must("registry", "GET", f"/credentials/{ref}"))["status"] == "active", "what is known is shown"
        assert await archive(ee, "ee") == {
            name: entries[: len(entries) - (name == "status")] for name, entries in past.items()
        }
        async with served(two):
            await comes_true(lambda: has_come_back(ee), within=PATIENCE)
            assert await archive(ee, "ee") == past
            await comes_to(ee, credential, "revoked")


@pytest.mark.parametrize("longer", [False, True], ids=["as long", "longer"])
async def test_two_entries_of_one_place_hold_it_for_good(tmp_path: Path, longer: bool) -> None:
    one, two = homes(tmp_path, "ee", "pt")
    async with served(two) as pt:
        credential, past = await _a_past(one, tmp_path, pt)
    sets_back(one, tmp_path / "backup", *STORES, BUS)
    async with served(one) as ee:
        ref = await ref_of(ee, credential)
        if longer:
            await ee.must("registry", "POST", f"/credentials/{ref}/suspend", {"reason": "error"})
        await ee.revokes(ref, "error")
        other = await archive(ee, "ee")
        assert len(other["status"]) - len(past["status"]) == longer
    async with served(two), served(one) as ee:
        said = (await ee.ask("registry", "GET", "/readyz")).json()["waiting"]["log"]
        assert "two different entries as status 1" in said
        again = {"refs": [await ref_of(ee, credential)], "reason": "error"}
        assert (await ee.ask("registry", "POST", "/revocations", again)).status_code == 503
        assert await archive(ee, "ee") == other, "neither history is touched"


async def test_a_neighbour_that_comes_late_gives_back_what_was_forgotten(tmp_path: Path) -> None:
    one, two = homes(tmp_path, "ee", "pt")
    async with served(two) as pt:
        credential, past = await _a_past(one, tmp_path, pt)
    sets_back(one, tmp_path / "backup", *STORES, BUS)
    async with served(one) as ee:
        assert await is_whole(ee), "nobody who could be asked knows more"
        async with served(two):
            await comes_true(lambda: _holds(ee, past), within=PATIENCE)
            await comes_true(lambda: has_come_back(ee), within=PATIENCE)
            await comes_to(ee, credential, "revoked")


async def test_a_neighbour_can_forge_nothing_that_holds_it_up(tmp_path: Path) -> None:
    port = free_port()
    one = found(tmp_path / "ee", "ee", port=free_port(), fetch_allow=("127.0.0.0/8",), log_level="error")
    two = found(tmp_path / "lv", "lv", port=port, log_level="error")
    federate([one, two])
    for forged in _forged(one, two):
        with rotten_neighbour(port, ["entries of another stream"] * 5, forged) as rotten:
            async with served(one) as ee:
                assert rotten.served, "it was asked"
                assert await is_whole(ee)
                await ee.settles()
    async with served(one) as ee:
        await ee.accredits("tartu")
        await comes_to(ee, await ee.issues("tartu"), "valid")


async def test_what_is_signed_with_its_key_while_it_runs_is_not_taken_for_forgotten(tmp_path: Path) -> None:
    one, two = homes(tmp_path, "ee", "pt")
    async with served(one) as ee:
        await ee.accredits("tartu")
        await asyncio.sleep(1.1)  # an entry's own time has whole seconds
        log, stolen = await archive(ee, "ee"), await rogue(ee, ServiceKeyAdded(kid="k", certificate="c"))
        await put_on_bus_of(two, "ee", {**log, "trust": [*log["trust"], stolen.compact.decode()]})
        async with running(two) as pt:
            assert (await archive(pt, "ee"))["trust"][-1] == stolen.compact.decode()
        async with served(two):
            await comes_true(lambda: _has_asked_all(ee), within=PATIENCE)
            assert await is_whole(ee)
            assert await archive(ee, "ee") == log
            await ee.issues("tartu")


async def _has_asked_all(nation: Nation) -> bool:
    return not nation.engine("registry").continuity.silent()


def _forged(victim: Home, forger: Home) -> list[str]:
    """Entries that claim to be a nation's own, far ahead: by a stranger's key under its name, and under the victim's."""
    said = Unsigned.of(ServiceKeyAdded(kid="k", certificate="c"), new_event_id(), SystemClock().now())
    place = Place("testamur", victim.settings.node, 1, 99, "A" * 43)
    key = forger.signer("registry")
    borrowed = LocalSigner.from_private_jwk({**key.private_jwk(), "kid": victim.signer("registry").kid}, Purpose.EVENT)
    return [sign(said, place, signer).compact.decode() for signer in (key, borrowed)]


async def _a_past(one: Home, folder: Path, pt: Nation) -> tuple[str, dict[str, list[str]]]:
    """A credential that is revoked after the backup was made, and the log then."""
    async with served(one) as ee:
        await ee.accredits("tartu")
        credential = await ee.issues("tartu")
    backs_up(one, folder / "backup")
    async with served(one) as ee:
        await ee.revokes(await ref_of(ee, credential))
        await comes_true(lambda: holds_all(pt, ee), within=PATIENCE)
        await comes_to(pt, credential, "revoked")
        return credential, await archive(ee, "ee")


async def _holds(nation: Nation, log: dict[str, list[str]]) -> bool:
    return await archive(nation, nation.name) == log

"""A nation whose topics a mirror brings is asked over HTTP for what the mirror left out, and a new bus is filled again."""

from __future__ import annotations

from pathlib import Path

from shared.events.base import PUBLIC
from shared.home import Home
from shared.ids import topic_name
from shared.settings import NodeSettings
from tests.integration.federation_scene import comes_to, comes_true, holds_all, homes, ref_of, served
from tests.world import World, federate, honest


def mirrored(home: Home, *nations: str) -> Home:
    """The same node, with these nations' topics brought by a mirror."""
    told = home.settings.model_dump() | {"mirrored": nations}
    return Home(NodeSettings(**told))


async def test_what_a_mirror_leaves_out_is_asked_for_over_http(tmp_path: Path) -> None:
    """As when retention has cut records away before the mirror read them: later ones arrive, and name those before them."""
    one, two = homes(tmp_path, "ee", "pt")
    async with served(one) as ee, served(mirrored(two, "ee")) as pt:
        europe = World({"ee": ee, "pt": pt}, one)
        await ee.accredits("tartu")
        credential = await ee.issues("tartu")
        for stream in PUBLIC:
            await europe.new_records("ee", "pt", topic_name("ee", stream))  # read by the mirror, and lost
        assert (await pt.verifies(credential))["verdict"] == "indeterminate"
        await ee.revokes(await ref_of(ee, credential))
        await ee.settles()
        for stream in PUBLIC:
            topic = topic_name("ee", stream)
            records = await europe.new_records("ee", "pt", topic)
            if records:
                await pt.bus.append(topic, [honest(record) for record in records])
        await comes_to(pt, credential, "revoked")
        await comes_true(lambda: holds_all(pt, ee))


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

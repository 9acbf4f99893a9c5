"""The log's door: members of the federation read every public entry as it was signed, and nobody else reads anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from services.registry.federation import domain
from shared.clock import ManualClock
from shared.events.entry import parse
from shared.home.folder import Home
from shared.settings import NodeSettings
from shared.trust import federation_list, node_token
from shared.trust.nodes import Anchor, FederationList
from tests.scenes.registry import NOON, Scene, home_of, running, set_up
from tests.world import world


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """Estonia's registry in a federation with Portugal, which is not running: only its keys are used."""
    home = home_of(tmp_path / "ee", fetch_allow=())
    join(home, portugal(tmp_path))
    async with running(home, ManualClock(NOON)) as scene:
        yield scene


def portugal(folder: Path) -> Home:
    return set_up(NodeSettings(node="pt", home=folder / "pt"))


def join(home: Home, *others: Home, **changes: Any) -> None:
    """Sign a list of all of them with the first one's anchor."""
    anchor = home.signer("anchor")
    listed = FederationList(
        federation="testamur",
        version=2,
        issued=NOON,
        expires=NOON + timedelta(days=365),
        anchors=(Anchor(kid=anchor.kid, jwk=anchor.public_jwk),),
        nodes=(home.node(), *(other.node().model_copy(update=changes) for other in others)),
    )
    home.join(federation_list.sign_list(listed, [anchor]), {anchor.kid: anchor.verification_key()})


def token_of(scene: Scene, tmp_path: Path, **changes: Any) -> str:
    """Portugal's token for Estonia, or a wrong one."""
    home = portugal(tmp_path)
    given = {"federation": "testamur", "node": "pt", "audience": "ee", "now": scene.clock.now()}
    return node_token.mint(home.signer("node-token"), home.certificates()["node-token"], **{**given, **changes})


async def read(scene: Scene, tmp_path: Path, query: str, **headers: str) -> httpx2.Response:
    given = {"authorization": f"Bearer {token_of(scene, tmp_path)}"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    return await scene.client.get(f"/log/{query}", headers=given)


async def test_a_member_reads_the_entries_as_the_bytes_that_were_signed(scene: Scene, tmp_path: Path) -> None:
    await scene.accredits("tartu")
    ref = await scene.registers()
    signed = await scene.log("registrations")
    page = (await read(scene, tmp_path, "registrations")).json()
    assert page["entries"] == [entry.compact.decode() for entry in signed]
    assert parse(page["entries"][0]).envelope.sub == ref
    assert (page["origin"], page["stream"], page["epoch"], page["next"]) == ("ee", "registrations", 1, 1)
    assert page["head"] == {"epoch": 1, "seq": 1, "hash": signed[0].hash}


async def test_a_long_log_is_read_page_by_page_without_a_gap(scene: Scene, tmp_path: Path) -> None:
    await scene.accredits("tartu")
    await scene.receives(*(scene.issuance() for _ in range(7)))
    whole = [entry.compact.decode() for entry in await scene.log("registrations")]
    found: list[str] = []
    after = 0
    while entries := (page := (await read(scene, tmp_path, f"registrations?after={after}&limit=3")).json())["entries"]:
        assert len(entries) <= 3
        found, after = found + entries, page["next"]
    assert found == whole
    assert after == 7


async def test_a_page_is_bounded_in_bytes_and_never_empty_for_that(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.accredits("tartu")
    await scene.receives(*(scene.issuance() for _ in range(3)))
    await scene.log("registrations")
    monkeypatch.setattr("services.registry.federation.handlers.PAGE_BYTES", 10)
    page = (await read(scene, tmp_path, "registrations?after=1")).json()
    assert (len(page["entries"]), page["next"]) == (1, 2)


async def test_a_long_poll_answers_as_soon_as_there_is_news(scene: Scene, tmp_path: Path) -> None:
    await scene.accredits("tartu")
    ref = await scene.registers()
    waiting = asyncio.create_task(read(scene, tmp_path, "status?after=0&wait=30"))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await scene.must("POST", f"/credentials/{ref}/revoke", {})
    page = (await asyncio.wait_for(waiting, 10)).json()
    assert [parse(one).envelope.sub for one in page["entries"]] == [ref]


async def test_without_news_a_long_poll_ends_with_an_empty_page_or_304(scene: Scene, tmp_path: Path) -> None:
    first = await read(scene, tmp_path, "status?after=0&wait=0.05")
    assert (first.json()["entries"], first.json()["next"]) == ([], 0)
    tag = first.headers["etag"]
    again = await read(scene, tmp_path, "status?after=0&wait=0.05", if_none_match=tag)
    assert (again.status_code, again.content) == (304, b"")
    await scene.accredits("tartu")
    ref = await scene.registers()
    await scene.must("POST", f"/credentials/{ref}/revoke", {})
    await scene.log("status")
    changed = await read(scene, tmp_path, "status?after=0&wait=0.05", if_none_match=tag)
    assert (changed.status_code, len(changed.json()["entries"])) == (200, 1)


async def test_checkpoints_are_served_like_a_log(scene: Scene, tmp_path: Path) -> None:
    page = (await read(scene, tmp_path, "checkpoints?after=0&wait=10")).json()
    assert {parse(one).envelope.kind for one in page["entries"]} == {"checkpoint.made.v1"}


@pytest.mark.parametrize("query", ["issuance", "watches", "nothing", "status?origin=xx", "status?origin=../ee"])
async def test_private_streams_and_unknown_nodes_are_not_served(scene: Scene, tmp_path: Path, query: str) -> None:
    assert (await read(scene, tmp_path, query)).status_code in (404, 422)


async def test_an_origin_that_is_listed_and_was_never_heard_has_an_empty_log(scene: Scene, tmp_path: Path) -> None:
    page = (await read(scene, tmp_path, "status?origin=pt")).json()
    assert (page["origin"], page["entries"], page["head"]["seq"]) == ("pt", [], 0)


@pytest.mark.parametrize(
    "changes",
    [{"audience": "pt"}, {"federation": "other"}, {"node": "ee"}, {"now": NOON - timedelta(minutes=10)}, {"node": "lv"}],
)
async def test_a_token_that_is_not_an_active_members_opens_nothing(
    scene: Scene, tmp_path: Path, changes: dict[str, Any]
) -> None:
    raw = token_of(scene, tmp_path, **changes)
    answer = await scene.client.get("/log/trust", headers={"authorization": f"Bearer {raw}"})
    assert answer.status_code == 401
    assert "entries" not in answer.json()


async def test_an_access_token_of_a_person_does_not_open_the_log(scene: Scene) -> None:
    assert (await scene.ask("GET", "/log/trust")).status_code == 401
    assert (await scene.client.get("/log/trust")).status_code == 401


async def test_a_suspended_member_reads_nothing(tmp_path: Path) -> None:
    home = home_of(tmp_path / "ee")
    join(home, portugal(tmp_path), status="suspended")
    async with running(home, ManualClock(NOON)) as scene:
        assert (await read(scene, tmp_path, "trust")).status_code == 401


@pytest.mark.parametrize("query", ["wait=31", "wait=nan", "after=-1", "limit=0", "limit=501", "epoch=0", "after=1e400"])
async def test_a_query_beyond_its_limits_is_refused(scene: Scene, tmp_path: Path, query: str) -> None:
    answer = await read(scene, tmp_path, f"trust?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


async def test_everybody_may_read_the_federation_list_and_the_certificates(scene: Scene) -> None:
    listed = await scene.client.get("/federation")
    assert listed.content == scene.home.federation_file.read_bytes()
    read_list = federation_list.verify(listed.content, pinned=scene.home.pinned(), remembered=scene.home.held, now=NOON).list
    assert [node.name for node in read_list.nodes] == ["ee", "pt"]
    again = await scene.client.get("/federation", headers={"if-none-match": listed.headers["etag"]})
    assert again.status_code == 304
    certified = (await scene.client.get("/certificates")).json()
    assert certified["certificates"] == scene.home.certificates()


async def test_a_node_serves_what_it_holds_of_another_nodes_log_unchanged() -> None:
    async with world("ee", "pt") as europe:
        ee = europe["ee"]
        await ee.accredits("tartu")
        await europe.mirrors("ee", "pt")
        now = ee.clock.now()
        signer, certificate = ee.home.signer("node-token"), ee.home.certificates()["node-token"]
        pages = []
        for holder in ("ee", "pt"):
            raw = node_token.mint(signer, certificate, federation="testamur", node="ee", audience=holder, now=now)
            given = {"authorization": f"Bearer {raw}"}
            pages.append((await europe[holder].clients["registry"].get("log/trust?origin=ee", headers=given)).json())
        assert len(pages[0]["entries"]) > 5
        for page in pages:
            page.pop("traces")  # nobody signed them, and each holder has its own
        assert pages[1] == pages[0]


def test_the_streams_that_are_served_are_the_public_ones_and_the_issuers() -> None:
    from typing import get_args

    from shared.events.base import ISSUANCE, PUBLIC

    assert set(get_args(domain.ServedStream)) == {*PUBLIC, ISSUANCE.name}


async def test_what_the_issuer_says_is_read_by_its_own_node_and_by_no_other(scene: Scene, tmp_path: Path) -> None:
    await scene.accredits("tartu")
    await scene.registers()
    home = scene.home
    names = {"federation": "testamur", "node": "ee", "audience": "ee", "now": scene.clock.now()}
    own = node_token.mint(home.signer("node-token"), home.certificates()["node-token"], **names)
    page = (await scene.client.get("/log/issuance", headers={"authorization": f"Bearer {own}"})).json()
    assert [parse(entry).envelope.kind for entry in page["entries"]] == ["credential.issued.v1"]
    assert page["head"]["seq"] == 1
    assert (await read(scene, tmp_path, "issuance")).status_code == 404
    assert (await read(scene, tmp_path, "issuance?origin=pt")).status_code == 404, "nor do we hold what is theirs"

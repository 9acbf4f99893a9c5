"""The learner's part lies encrypted under a key of its own: guessing finds nothing, and destroying the key erases it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.issuer.credentials.repository import CREDENTIALS
from services.issuer.places.repository import STATUS_INDEXES
from shared.ids import new_ref
from tests.scenes.issuer import Scene, draft, issuer

CANARY = "Kanaarilind Quetzalcoatlus"
"""A name that stands nowhere else."""


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with issuer(tmp_path) as opened:
        await opened.accredit()
        yield opened


def body(**changes: Any) -> dict[str, Any]:
    return {
        "institution": "tartu",
        "credential": draft(holder={"full_name": CANARY, "date_of_birth": "1987-06-05"}, **changes),
    }


def everything_in(folder: Path) -> bytes:
    """All bytes of all files: stores, logs ahead of them, the bus, keys."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def spellings(text: bytes) -> list[bytes]:
    """A text as it stands in JSON, and in base64 at each of the three alignments; long enough not to occur by chance."""
    aligned = [base64.b64encode(b"x" * shift + text)[4 if shift else 0 : -4] for shift in range(3)]
    twice = [base64.b64encode(encoded)[:-4] for encoded in aligned]
    return [spelling for spelling in (text, *aligned, *twice) if len(spelling) >= 8]


async def test_a_name_stands_nowhere_in_the_bytes_on_disk(tmp_path: Path) -> None:
    async with issuer(tmp_path) as scene:
        await scene.accredit()
        for request in (body(), body(title=None)):
            await scene.post("/credentials", request)
        made = (await scene.post("/credentials", body(further_information="more"))).json()
        await scene.post(f"/credentials/{made['ref']}/correct", {"credential": body()["credential"]})
        on_disk = everything_in(tmp_path)
    assert made["ref"].encode() in on_disk, "the files that were searched are the ones that were written"
    for text in (CANARY.encode(), b"Quetzalcoatlus", b"1987-06-05"):
        assert not [spelling for spelling in spellings(text) if spelling in on_disk]
    assert made["credential"].split(".")[1].encode()[:200] not in on_disk


async def test_the_search_would_find_a_name_that_was_kept_in_the_clear(scene: Scene, tmp_path: Path) -> None:
    made = (await scene.post("/credentials", body())).json()
    leaked = {"ref": "leak", "jws": made["credential"]}
    await scene.engine.store.transact(lambda tx: tx.insert(STATUS_INDEXES, "leak", leaked))
    on_disk = everything_in(tmp_path)
    assert [spelling for spelling in spellings(CANARY.encode()) if spelling in on_disk]


async def test_a_row_and_the_list_tell_nothing_of_the_learner(scene: Scene) -> None:
    made = (await scene.post("/credentials", body(assessment={"type": "project work", "grade": "Zufriedenstellend"}))).json()
    row = await scene.engine.store.get(CREDENTIALS, made["ref"])
    assert row is not None and set(row.body) == {
        "institution", "kid", "credential_type", "format", "commitment", "status_list", "status_index",
        "issued", "valid_from", "valid_until", "replaces", "box",
    }  # fmt: skip
    listed = (await scene.get("/credentials")).json()
    assert [item["ref"] for item in listed["items"]] == [made["ref"]]
    for told in (orjson.dumps(row.body), orjson.dumps(listed)):
        assert b"Quetzalcoatlus" not in told and b"Zufriedenstellend" not in told
    assert "credential" not in listed["items"][0]


async def test_an_erased_credential_opens_no_more_and_neither_does_the_stored_answer(scene: Scene) -> None:
    made = await scene.post("/credentials", body(), key="erase-me")
    ref = made.json()["ref"]
    assert (await scene.get(f"/credentials/{ref}")).json()["credential"] == made.json()["credential"]
    erased = await scene.post(f"/credentials/{ref}/erase", {})
    assert (erased.status_code, erased.json()["erased"]) == (200, "2026-11-23T12:00:00Z")
    after = (await scene.get(f"/credentials/{ref}")).json()
    assert after["credential"] is None and after["commitment"] == made.json()["commitment"]
    assert after["erased"] == erased.json()["erased"]
    repeated = await scene.post("/credentials", body(), key="erase-me")
    assert repeated.status_code == 410 and "credential" not in repeated.json()


async def test_another_institution_s_credential_and_one_that_is_not_there_get_the_same_answer(scene: Scene) -> None:
    await scene.accredit("tallinn")
    made = await scene.issue()
    for path in ("/credentials/{}", "/credentials/{}/correct"):
        answers = []
        for ref in (made["ref"], new_ref()):
            url = path.format(ref)
            correct = {"credential": draft()}
            answers.append(
                await (
                    scene.post(url, correct, institution="tallinn")
                    if url.endswith("correct")
                    else scene.get(url, institution="tallinn")
                )
            )
        one, other = ({**answer.json(), "trace_id": ""} for answer in answers)
        assert one == other and answers[0].status_code == 404


async def test_a_caller_acts_for_its_own_institution_only(scene: Scene) -> None:
    await scene.accredit("tallinn")
    made = await scene.issue()
    foreign = await scene.post("/credentials", {"institution": "tartu", "credential": draft()}, institution="tallinn")
    unknown = await scene.post("/credentials", {"institution": "narva", "credential": draft()}, institution="narva")
    assert {**foreign.json(), "trace_id": ""} == {**unknown.json(), "trace_id": ""} and foreign.status_code == 404
    assert (await scene.post("/institutions/tartu/keys", {}, institution="tallinn")).status_code == 404
    assert (await scene.get("/credentials", institution="tallinn")).json()["items"] == []
    assert (await scene.get("/credentials?institution=tartu", institution="tallinn")).status_code == 404
    assert [item["ref"] for item in (await scene.get("/credentials", institution="tartu")).json()["items"]] == [made["ref"]]


async def test_the_list_comes_in_pages(scene: Scene) -> None:
    refs = sorted([(await scene.issue())["ref"] for _ in range(5)])
    found, cursor = [], ""
    while True:
        page = (await scene.get(f"/credentials?limit=2{cursor}", institution="tartu")).json()
        found += [item["ref"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert found == refs

"""A registry registers what its institutions were accredited for, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared.events.entry import digest
from shared.events.registrations import CredentialRegistered
from shared.events.status import CredentialRevoked
from shared.ids import new_ref
from tests.scenes.registry import Scene, registry


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with registry(tmp_path) as running:
        await running.accredits("tartu")
        yield running


async def refused(scene: Scene, slug: str = "tartu", **members: Any) -> str:
    """Why an issuance was refused; it must not have been told abroad."""
    before = len(await scene.emitted(CredentialRegistered))
    issued = scene.issuance(slug, **members)
    await scene.receives(issued)
    shown = await scene.shows(issued.ref)
    assert shown["status"] == "refused"
    assert len(await scene.emitted(CredentialRegistered)) == before
    return str(shown["reason"])


async def test_a_credential_within_the_accreditation_is_registered_and_told_abroad(scene: Scene) -> None:
    issued = scene.issuance()
    await scene.receives(issued)
    shown = await scene.shows(issued.ref)
    assert (shown["status"], shown["version"], shown["institution"]) == ("active", 1, "tartu")
    emitted = await scene.emitted(CredentialRegistered)
    assert [(one["ref"], one["commitments"], one["kid"]) for one in emitted] == [
        (issued.ref, issued.commitments, issued.kid)
    ]
    assert "status_index" not in emitted[0]


async def test_an_issuance_said_twice_is_registered_once(scene: Scene) -> None:
    issued = scene.issuance()
    await scene.receives(issued, issued)
    assert len(await scene.emitted(CredentialRegistered)) == 1
    assert (await scene.shows(issued.ref))["status"] == "active"


async def test_another_credential_under_a_taken_ref_changes_nothing(scene: Scene) -> None:
    ref = await scene.registers()
    await scene.receives(scene.issuance(ref=ref, commitments={"vc+jwt": digest(b"another")}))
    assert len(await scene.emitted(CredentialRegistered)) == 1
    assert (await scene.shows(ref))["version"] == 1


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"institution": "nowhere"}, "not-accredited"),
        ({"kid": "a-key-nobody-entered"}, "key-not-active"),
        ({"credential_type": "degree"}, "type-out-of-scope"),
        ({"eqf": 8}, "level-out-of-scope"),
        ({"isced_f": "0912"}, "field-out-of-scope"),
        ({"isced_f": None}, "field-out-of-scope"),
        ({"status_index": 1 << 20}, "status-index-out-of-range"),
    ],
)
async def test_what_lies_outside_the_accreditation_is_refused(scene: Scene, members: dict[str, Any], reason: str) -> None:
    assert await refused(scene, **members) == reason


async def test_without_accreditation_an_institution_registers_nothing_and_keeps_what_it_has(
    tmp_path: Path,
) -> None:
    async with registry(tmp_path) as scene:
        made = await scene.accredits("tartu")
        before = await scene.registers()
        accreditation = made["accreditations"][0]["accreditation"]
        await scene.must("POST", f"/institutions/tartu/accreditations/{accreditation}/withdraw")
        assert await refused(scene) == "accreditation-withdrawn"
        assert (await scene.shows(before))["status"] == "active"


async def test_an_accreditation_covers_nothing_before_it_begins_or_after_it_ends(tmp_path: Path) -> None:
    async with registry(tmp_path) as scene:
        begins, ends = "2026-03-03T00:00:00Z", "2026-03-04T00:00:00Z"
        command = {"institution": "tartu", "name": "University of Tartu", "country": "EE"}
        scope = {"credential_types": ["micro-credential"], "eqf_max": 7}
        dates = {"valid_from": begins, "valid_until": ends}
        await scene.must("POST", "/institutions", {**command, "scope": scope, **dates})
        await scene.adds_key("tartu")
        assert await refused(scene) == "accreditation-not-yet"
        scene.clock.advance(days=1)
        await scene.registers()
        scene.clock.advance(days=1)
        assert await refused(scene) == "accreditation-expired"


async def test_a_retired_key_registers_nothing_more(scene: Scene) -> None:
    retired = scene.keys["tartu"].kid
    await scene.adds_key("tartu")
    await scene.must("POST", f"/institutions/tartu/keys/{retired}/retire", {"reason": "superseded"})
    assert await refused(scene, kid=retired) == "key-not-active"
    await scene.registers()


async def test_an_institution_cannot_have_registered_what_anothers_key_signed(scene: Scene) -> None:
    await scene.accredits("tallinn")
    assert await refused(scene, slug="tartu", kid=scene.keys["tallinn"].kid) == "key-not-active"


async def test_two_credentials_never_share_a_place_in_a_status_list(scene: Scene) -> None:
    await scene.registers(status_index=77)
    assert await refused(scene, status_index=77) == "status-index-taken"
    await scene.registers(status_index=77, status_list="2")


async def test_a_correction_registers_the_new_and_supersedes_the_old_in_one_go(scene: Scene) -> None:
    old = await scene.registers()
    new = await scene.registers(replaces=old)
    shown = await scene.shows(old)
    assert (shown["status"], shown["reason"], shown["replaced_by"]) == ("revoked", "superseded", new)
    emitted = await scene.emitted(CredentialRevoked)
    assert [(one["ref"], one["reason"], one["replaced_by"]) for one in emitted] == [(old, "superseded", new)]
    assert (await scene.emitted(CredentialRegistered))[-1]["replaces"] == old


async def test_a_credential_is_replaced_once_only(scene: Scene) -> None:
    old = await scene.registers()
    await scene.registers(replaces=old)
    assert await refused(scene, replaces=old) == "replaced-already"


async def test_nobody_supersedes_another_institutions_credential(scene: Scene) -> None:
    await scene.accredits("tallinn")
    theirs = await scene.registers("tallinn")
    await scene.registers("tartu", replaces=theirs)
    assert (await scene.shows(theirs))["status"] == "active"
    assert "replaces" not in (await scene.emitted(CredentialRegistered))[-1]


async def test_a_correction_of_what_was_never_registered_is_registered_on_its_own(scene: Scene) -> None:
    ref = await scene.registers(replaces=new_ref())
    assert (await scene.shows(ref))["replaces"] is None

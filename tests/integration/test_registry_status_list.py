"""The published status lists say what the registry says, to everybody, in the form of the standard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from shared.clock import ManualClock
from shared.jose import gate
from shared.jose.purpose import Purpose
from shared.status.bitstring import MIN_ENTRIES, decode, is_set
from shared.trust.certificates import read_certificate
from tests.scenes.registry import NOON, Scene, home_of, registry, running


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with registry(tmp_path) as running_registry:
        await running_registry.accredits("tartu")
        yield running_registry


async def fetch(scene: Scene, path: str = "1", **headers: str) -> httpx2.Response:
    """As the world does: without a token."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return await scene.client.get(f"/status-lists/{path}", headers=given)


async def claims(scene: Scene, path: str = "1") -> dict[str, Any]:
    """What a list says, once its signature held by the key that the node's root certified for lists."""
    answer = await fetch(scene, path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/vc+jwt")
    node = scene.engine.membership.node("ee")
    assert node is not None
    service = read_certificate(scene.home.certificates()["status-list"], federation="testamur", node=node)
    assert service.key.purpose is Purpose.STATUS_LIST
    keys = {service.key.kid: service.key}
    token = gate.check(answer.content, typ="vc+jwt", keys=lambda header: keys.get(header["kid"]))
    return gate.claims(token)


async def bits(scene: Scene, path: str = "1") -> set[int]:
    """The places that are set."""
    packed = decode((await claims(scene, path))["credentialSubject"]["encodedList"])
    return {index for index in range(len(packed) * 8) if is_set(packed, index)}


async def test_a_list_says_who_is_revoked_and_another_who_is_suspended(scene: Scene) -> None:
    revoked, suspended = await scene.registers(status_index=5), await scene.registers(status_index=9)
    await scene.registers(status_index=131_071)
    assert (await bits(scene), await bits(scene, "1/suspension")) == (set(), set())
    await scene.must("POST", f"/credentials/{revoked}/revoke", {})
    await scene.must("POST", f"/credentials/{suspended}/suspend", {})
    assert (await bits(scene), await bits(scene, "1/suspension")) == ({5}, {9})
    await scene.must("POST", f"/credentials/{suspended}/reinstate")
    assert (await bits(scene), await bits(scene, "1/suspension")) == ({5}, set())


async def test_a_list_is_a_credential_of_the_standard_under_the_address_that_credentials_name(scene: Scene) -> None:
    await scene.registers()
    for path, purpose in (("1", "revocation"), ("1/revocation", "revocation"), ("1/suspension", "suspension")):
        payload = await claims(scene, path)
        assert payload["type"] == ["VerifiableCredential", "BitstringStatusListCredential"]
        assert payload["credentialSubject"]["statusPurpose"] == purpose
        suffix = "1" if purpose == "revocation" else "1/suspension"
        assert payload["id"] == f"http://127.0.0.1:8400/registry/status-lists/{suffix}"
        assert payload["issuer"] == "urn:testamur:testamur:ee:registry"
        assert (payload["validFrom"], payload["validUntil"]) == ("2026-03-02T12:00:00Z", "2026-03-02T13:00:00Z")


async def test_a_superseded_and_a_mass_revoked_credential_show_in_the_list(scene: Scene) -> None:
    old = await scene.registers(status_index=3)
    await scene.registers(status_index=4, replaces=old)
    refs = [await scene.registers(status_index=index) for index in (10, 11)]
    await scene.must("POST", "/revocations", {"refs": refs})
    assert await bits(scene) == {3, 10, 11}


async def test_an_unchanged_list_is_not_sent_or_signed_again(scene: Scene) -> None:
    ref = await scene.registers()
    first = await fetch(scene)
    assert first.headers["cache-control"] == "public, max-age=60"
    tag = first.headers["etag"]
    assert (await fetch(scene)).content == first.content
    unchanged = await fetch(scene, if_none_match=tag)
    assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", tag)
    await scene.must("POST", f"/credentials/{ref}/revoke", {})
    changed = await fetch(scene, if_none_match=tag)
    assert (changed.status_code, changed.headers["etag"] == tag) == (200, False)


async def test_a_list_is_signed_anew_long_before_it_expires(scene: Scene) -> None:
    await scene.registers()
    first = await fetch(scene)
    scene.clock.advance(minutes=29)
    assert (await fetch(scene)).content == first.content
    scene.clock.advance(minutes=1)
    assert (await claims(scene))["validUntil"] == "2026-03-02T13:30:00Z"


async def test_a_list_that_was_lost_is_made_again_from_the_credentials(tmp_path: Path) -> None:
    home, clock = home_of(tmp_path), ManualClock(NOON)
    async with running(home, clock) as scene:
        await scene.accredits("tartu")
        ref = await scene.registers(status_index=42)
        await scene.must("POST", f"/credentials/{ref}/revoke", {})
        assert await bits(scene) == {42}
    async with running(home, clock) as scene:
        assert await bits(scene) == {42}


async def test_a_list_grows_by_doubling_and_is_never_short(scene: Scene) -> None:
    await scene.registers(status_index=0, status_list="short")
    far = await scene.registers(status_index=MIN_ENTRIES, status_list="long")
    await scene.must("POST", f"/credentials/{far}/revoke", {})
    lengths = {}
    for name in ("short", "long"):
        packed = decode((await claims(scene, name))["credentialSubject"]["encodedList"])
        lengths[name] = len(packed) * 8
    assert lengths == {"short": MIN_ENTRIES, "long": 2 * MIN_ENTRIES}
    assert await bits(scene, "long") == {MIN_ENTRIES}


@pytest.mark.parametrize("path", ["2", "no%20list", "1/contest", "..%2F1"])
async def test_a_list_that_no_credential_has_a_place_in_is_not_there(scene: Scene, path: str) -> None:
    await scene.registers()
    assert (await fetch(scene, path)).status_code == 404

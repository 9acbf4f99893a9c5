"""Whom a nation vouches for: its own institutions, by keys that are theirs alone, and its own services first of all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared.clock import ManualClock
from shared.events.trust import (
    AccreditationWithdrawn,
    InstitutionAccredited,
    InstitutionKeyAdded,
    InstitutionKeyRetired,
    ServiceKeyAdded,
)
from shared.jose import gate, strict_json
from shared.jose.keys import thumbprint
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner
from shared.trust.certificates import read_certificate
from tests.scenes.registry import NOON, SCOPE, Scene, home_of, registry, running

TARTU: dict[str, Any] = {"institution": "tartu", "name": "University of Tartu", "country": "EE", "scope": SCOPE}


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with registry(tmp_path) as running_registry:
        yield running_registry


async def test_the_first_entry_of_the_trust_stream_certifies_the_key_that_signed_it(scene: Scene) -> None:
    first = (await scene.log("trust"))[0]
    payload = strict_json.loads(first.token.payload)
    assert payload["kid"] == first.envelope.kid
    node = scene.engine.membership.node("ee")
    assert node is not None
    service = read_certificate(payload["certificate"], federation="testamur", node=node)
    gate.verify(first.token, service.key)
    assert service.covers("trust", 1, 1)


async def test_every_service_key_is_announced_once_and_not_again_at_the_next_start(tmp_path: Path) -> None:
    home, clock = home_of(tmp_path), ManualClock(NOON)
    async with running(home, clock) as scene:
        announced = [one["kid"] for one in await scene.emitted(ServiceKeyAdded)]
    names = ("registry", "issuer", "catalogue", "checkpoint", "status-list", "receipt", "node-token")
    assert announced == [home.signer(name).kid for name in names]
    async with running(home, clock) as scene:
        assert [one["kid"] for one in await scene.emitted(ServiceKeyAdded)] == announced


async def test_an_accreditation_is_told_abroad_with_its_scope(scene: Scene) -> None:
    answer = await scene.ask("POST", "/institutions", {**TARTU, "identifiers": {"eter": "EE0001"}})
    assert (answer.status_code, answer.headers["location"]) == (201, "/institutions/tartu")
    emitted = (await scene.emitted(InstitutionAccredited))[0]
    assert emitted["scope"] == SCOPE
    assert (emitted["identifiers"], emitted["valid_from"]) == ({"eter": "EE0001"}, "2026-03-02T12:00:00Z")
    shown = await scene.must("GET", "/institutions/tartu")
    assert shown == answer.json()
    assert shown["accreditations"][0]["accreditation"] == emitted["accreditation"]


async def test_a_nation_does_not_accredit_in_another_country(scene: Scene) -> None:
    answer = await scene.ask("POST", "/institutions", {**TARTU, "country": "PT"})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/outside-jurisdiction")
    assert (await scene.ask("GET", "/institutions/tartu")).status_code == 404
    assert await scene.emitted(InstitutionAccredited) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"valid_until": "2026-03-01T00:00:00Z"},
        {"scope": {**SCOPE, "eqf_max": 9}},
        {"scope": {**SCOPE, "credential_types": []}},
        {"scope": {**SCOPE, "surprise": 1}},
        {"institution": "Tartu University"},
        {"scope": {**SCOPE, "eqf_max": True}},
    ],
)
async def test_an_accreditation_that_makes_no_sense_is_refused(scene: Scene, wrong: dict[str, Any]) -> None:
    assert (await scene.ask("POST", "/institutions", {**TARTU, **wrong})).status_code == 422


@pytest.mark.parametrize("hiding", ["University of T\u202eartu", "Tartu\u0000", " ", "\u001b[2J", "Tartu\u2028"])
async def test_nothing_that_an_accreditation_shows_may_hide_or_be_blank(scene: Scene, hiding: str) -> None:
    for path, shown in (
        ("/name", {"name": hiding}),
        ("/identifiers/eter", {"identifiers": {"eter": hiding}}),
        ("/scope/credential_types/0", {"scope": {**SCOPE, "credential_types": [hiding]}}),
    ):
        answer = await scene.ask("POST", "/institutions", {**TARTU, **shown})
        sentence = "It needs a character that can be seen, and none that hides or turns the reading direction."
        assert answer.status_code == 422
        assert answer.json()["faults"][0] == {"path": path, "message": sentence}
    assert await scene.emitted(InstitutionAccredited) == []


async def test_an_institution_may_hold_several_accreditations_and_lose_one(scene: Scene) -> None:
    await scene.must("POST", "/institutions", TARTU)
    wider = {**TARTU, "scope": {"credential_types": ["degree"], "eqf_max": 8}}
    second = (await scene.must("POST", "/institutions", wider))["accreditations"]
    gone = next(one for one in second if one["credential_types"] == ["degree"])["accreditation"]
    withdraw = f"/institutions/tartu/accreditations/{gone}/withdraw"
    shown = await scene.must("POST", withdraw)
    assert [bool(one["withdrawn"]) for one in shown["accreditations"] if one["accreditation"] == gone] == [True]
    assert [one["accreditation"] for one in await scene.emitted(AccreditationWithdrawn)] == [gone]
    assert (await scene.ask("POST", withdraw)).status_code == 409


async def test_an_institution_does_not_accredit_itself_nor_enter_its_own_keys(scene: Scene) -> None:
    made = await scene.accredits("tartu")
    token = scene.token("jaan", "tartu")
    key = LocalSigner.generate(Purpose.INSTITUTION)
    asked = [
        ("/institutions", TARTU),
        ("/institutions/tartu/keys", {"kid": key.kid, "jwk": key.public_jwk}),
        (f"/institutions/tartu/keys/{scene.keys['tartu'].kid}/retire", {"reason": "superseded"}),
        (f"/institutions/tartu/accreditations/{made['accreditations'][0]['accreditation']}/withdraw", None),
    ]
    before = len(await scene.log("trust"))
    for path, body in asked:
        assert (await scene.ask("POST", path, body, token=token)).status_code == 403
    assert len(await scene.log("trust")) == before


async def test_a_key_belongs_to_one_institution_and_never_comes_back(scene: Scene) -> None:
    await scene.accredits("tartu")
    await scene.accredits("tallinn")
    key = scene.keys["tartu"]
    body = {"kid": key.kid, "jwk": key.public_jwk}
    for slug in ("tartu", "tallinn"):
        assert (await scene.ask("POST", f"/institutions/{slug}/keys", body)).status_code == 409
    retire = f"/institutions/tartu/keys/{key.kid}/retire"
    await scene.must("POST", retire, {"reason": "superseded"})
    assert (await scene.ask("POST", retire, {"reason": "superseded"})).status_code == 409
    assert (await scene.ask("POST", "/institutions/tartu/keys", body)).status_code == 409
    assert [one["kid"] for one in await scene.emitted(InstitutionKeyRetired)] == [key.kid]


async def test_a_key_goes_by_its_thumbprint_and_brings_no_secret(scene: Scene) -> None:
    await scene.accredits("tartu")
    key = LocalSigner.generate(Purpose.INSTITUTION)
    secret = {name: str(value) for name, value in key.private_jwk().items()}
    for body in (
        {"kid": "mine", "jwk": key.public_jwk},
        {"kid": key.kid, "jwk": secret},
        {"kid": "k", "jwk": {"kty": "EC"}},
    ):
        answer = await scene.ask("POST", "/institutions/tartu/keys", body)
        assert answer.status_code == 422
        assert secret["d"] not in answer.text
    added = await scene.emitted(InstitutionKeyAdded)
    assert [thumbprint(one["jwk"]) for one in added] == [scene.keys["tartu"].kid]


async def test_nobody_unknown_gets_a_key(scene: Scene) -> None:
    key = LocalSigner.generate(Purpose.INSTITUTION)
    body = {"kid": key.kid, "jwk": key.public_jwk}
    assert (await scene.ask("POST", "/institutions/nowhere/keys", body)).status_code == 404


async def test_institutions_are_listed_a_page_at_a_time(scene: Scene) -> None:
    slugs = ["tallinn", "tartu", "viljandi"]
    for slug in slugs:
        await scene.must("POST", "/institutions", {**TARTU, "institution": slug})
    first = await scene.ask("GET", "/institutions?limit=2")
    assert [one["institution"] for one in first.json()["items"]] == slugs[:2]
    assert 'rel="next"' in first.headers["link"]
    second = await scene.must("GET", f"/institutions?limit=2&cursor={first.json()['next']}")
    assert ([one["institution"] for one in second["items"]], second["next"]) == (slugs[2:], None)

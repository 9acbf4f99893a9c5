"""Promise: a learner shows what she chooses to whom she chooses; it verifies abroad, and nobody can show it again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import combinations
from typing import Any

import pytest

from shared.formats import holder, open_badge, sd_jwt_vc, vc_jwt
from shared.jose import sd_jwt
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner
from shared.verification.presented import recognise
from tests.world import World, world

NONCE, LISBON = "n-0S6_WzA2Mj", "https://lisbon.example"
HOLDER = {"given_name": "Specimen", "family_name": "Learner", "date_of_birth": "1999-12-31"}
CONCEALED = ("givenName", "familyName", "dateOfBirth", "grade")


@pytest.fixture(scope="module")
def key() -> LocalSigner:
    return LocalSigner.generate(Purpose.HOLDER)


@pytest.fixture
async def europe() -> AsyncIterator[World]:
    async with world("ee", "pt") as made:
        await made["ee"].accredits("tartu")
        yield made


async def issued(europe: World, key: LocalSigner, *formats: str) -> dict[str, str]:
    """One credential in some formats, bound to the key, registered and known in both nations."""
    jwk = {name: key.public_jwk[name] for name in ("kty", "crv", "x", "y")}
    draft = europe["ee"].draft(holder={**HOLDER, "key": jwk})
    body = {"institution": "tartu", "credential": draft, "formats": list(formats)}
    made = await europe["ee"].must("issuer", "POST", "/credentials", body)
    await europe["ee"].settles()
    await europe.mirrors("ee", "pt")
    signed: dict[str, str] = made["formats"]
    return signed


async def asked(europe: World, presented: bytes | str, **question: Any) -> tuple[str, str | None, dict[str, Any]]:
    text = presented if isinstance(presented, str) else presented.decode()
    report = await europe["pt"].verifies(text, **question)
    return report["verdict"], report["reason"], {step["number"]: step for step in report["steps"]}


async def test_one_credential_in_three_formats_is_valid_abroad_in_each(europe: World, key: LocalSigner) -> None:
    signed = await issued(europe, key, vc_jwt.NAME, sd_jwt_vc.NAME, open_badge.NAME)
    refs = {recognise(whole).ref for whole in signed.values()}
    assert len(refs) == 1
    for name, whole in signed.items():
        verdict, reason, steps = await asked(europe, whole)
        assert (name, verdict, reason) == (name, "valid", None)
        assert steps[0]["evidence"]["format"] == name
    (ref,) = refs
    kept = await europe["ee"].must("issuer", "GET", f"/credentials/{ref}")
    assert kept["formats"] == signed
    assert ref is not None
    await europe["ee"].revokes(ref)
    await europe.mirrors("ee", "pt")
    assert {(await asked(europe, whole))[:2] for whole in signed.values()} == {("invalid", "revoked")}


async def test_every_choice_of_what_to_show_is_valid_and_shows_that_alone(europe: World, key: LocalSigner) -> None:
    whole = (await issued(europe, key, sd_jwt_vc.NAME))[sd_jwt_vc.NAME].encode()
    for chosen in (pair for size in range(5) for pair in combinations(CONCEALED, size)):
        shown = holder.choose(whole, chosen)
        said = recognise(shown).credential
        assert said is not None
        told = {
            "givenName": said.award.holder.given_name,
            "familyName": said.award.holder.family_name,
            "dateOfBirth": said.award.holder.date_of_birth,
            "grade": said.award.assessment.grade,
        }
        assert {name for name, value in told.items() if value is not None} == set(chosen)
        assert (await asked(europe, shown))[:2] == ("valid", None)


async def test_who_shows_no_name_is_told_apart_and_a_policy_may_insist(europe: World, key: LocalSigner) -> None:
    whole = (await issued(europe, key, sd_jwt_vc.NAME))[sd_jwt_vc.NAME].encode()
    _, _, steps = await asked(europe, holder.choose(whole, []))
    assert (steps[1]["outcome"], steps[1]["reason"]) == ("warning", "name-not-shown")
    _, _, steps = await asked(europe, holder.choose(whole, ["givenName", "familyName"]))
    assert steps[1]["outcome"] == "passed"


async def test_the_holder_answers_a_question_and_the_answer_serves_nobody_else(europe: World, key: LocalSigner) -> None:
    whole = (await issued(europe, key, sd_jwt_vc.NAME))[sd_jwt_vc.NAME].encode()
    shown, now = holder.choose(whole, ["familyName"]), europe["pt"].clock.now()
    bound = holder.bind(shown, key, nonce=NONCE, audience=LISBON, now=now)
    assert (await asked(europe, bound, nonce=NONCE, audience=LISBON))[2][8]["outcome"] == "passed"
    stranger = LocalSigner.generate(Purpose.HOLDER)
    wrong = {
        "another nonce": (bound, {"nonce": "other", "audience": LISBON}),
        "another audience": (bound, {"nonce": NONCE, "audience": "https://porto.example"}),
        "another key": (holder.bind(shown, stranger, nonce=NONCE, audience=LISBON, now=now), None),
        "an old one": (holder.bind(shown, key, nonce=NONCE, audience=LISBON, now=now - timedelta(hours=1)), None),
        "from the future": (holder.bind(shown, key, nonce=NONCE, audience=LISBON, now=now + timedelta(hours=1)), None),
        "over another choice": (holder.choose(whole, []) + bound.rpartition(b"~")[2], None),
        "a false signature": (bound[:-4] + (b"AAAA" if not bound.endswith(b"AAAA") else b"BBBB"), None),
        "something else": (shown + shown.partition(b"~")[0], None),
    }
    for name, (presented, question) in wrong.items():
        found = await asked(europe, presented, **(question or {"nonce": NONCE, "audience": LISBON}))
        assert (name, found[:2]) == (name, ("invalid", "key-binding-invalid"))


async def test_a_binding_that_nobody_asked_for_proves_nothing_and_harms_nothing(europe: World, key: LocalSigner) -> None:
    whole = (await issued(europe, key, sd_jwt_vc.NAME))[sd_jwt_vc.NAME].encode()
    bound = holder.bind(whole, key, nonce=NONCE, audience=LISBON, now=europe["pt"].clock.now())
    verdict, _, steps = await asked(europe, bound)
    assert (verdict, steps[8]["reason"]) == ("valid", "key-binding-not-asked")
    verdict, _, steps = await asked(europe, whole, nonce=NONCE, audience=LISBON)
    assert (verdict, steps[8]["reason"]) == ("valid", "holder-not-proven")


async def test_a_disclosure_of_ones_own_making_is_refused(europe: World, key: LocalSigner) -> None:
    whole = (await issued(europe, key, sd_jwt_vc.NAME))[sd_jwt_vc.NAME].encode()
    better = sd_jwt.conceal("grade", {"en": "Excellent"})
    forged = holder.choose(whole, ["familyName"]) + better.encoded + b"~"
    assert (await asked(europe, forged))[:2] == ("invalid", "malformed")


async def test_the_name_of_the_type_is_explained_to_everybody(europe: World) -> None:
    client = europe["ee"].clients["issuer"]
    answer = await client.get("/vct/micro-credential")
    assert (answer.status_code, answer.content) == (200, sd_jwt_vc.METADATA)

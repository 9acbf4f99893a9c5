"""A bearer token opens what its scopes say, only at this node, only in its time, only by keys of its issuer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import httpx2
import orjson
import pytest
from fastapi import APIRouter, FastAPI

from shared.clock import ManualClock
from shared.errors import Misconfigured, Unauthenticated
from shared.jose import gate
from shared.jose.keys import jwks
from shared.jose.purpose import ACCESS_TOKEN, Purpose
from shared.jose.signers import LocalSigner, sign
from shared.settings import AuthorisationServer, NodeSettings
from shared.web.app import ApiSpec, make_app
from shared.web.auth.bearer import ROLES, SCOPES, Authorities, Caller, mint_access_token, requires
from shared.web.auth.keysets import RETRY_SECONDS, STALE_SECONDS, LocalKeys
from shared.web.auth.scopes import FOR_NO_INSTITUTION
from shared.web.command import View
from shared.web.outgoing.fetch import Fetcher, FetchFailed
from shared.web.server.serve import serve
from shared.web.strict import router

NOW = datetime(2026, 11, 23, 20, 19, tzinfo=UTC)
NODE = "urn:testamur:testamur:ee"
KEY = LocalSigner.generate(Purpose.ACCESS_TOKEN)
OUTSIDE = LocalSigner.generate(Purpose.ACCESS_TOKEN)
CLAIMS: dict[str, Any] = {
    "iss": NODE,
    "aud": NODE,
    "sub": "kadri",
    "scope": "verify institutions:read",
    "institution": "tartu",
    "iat": int(NOW.timestamp()),
    "exp": int(NOW.timestamp()) + 600,
    "jti": "1",
    "client_id": "cli",
}


def signed(signer: LocalSigner = KEY, typ: str = "at+jwt", **changed: Any) -> str:
    members = {name: value for name, value in {**CLAIMS, **changed}.items() if value is not None}
    return sign({"typ": typ}, orjson.dumps(members), signer).decode()


def at_node(clock: ManualClock | None = None, servers: Sequence[AuthorisationServer] = ()) -> Authorities:
    settings = NodeSettings.load(node="ee", authorisation_servers=tuple(servers))
    fetcher = Fetcher(("127.0.0.0/8",), timeout=2)
    return Authorities.of_node(settings, LocalKeys({KEY.kid: KEY.verification_key()}), fetcher, clock or ManualClock(NOW))


async def test_a_minted_token_says_who_asks_and_what_is_allowed() -> None:
    token = mint_access_token(
        KEY,
        issuer=NODE,
        audience=NODE,
        subject="kadri",
        scopes=ROLES["registrar"],
        institution="tartu",
        lifetime=600,
        now=NOW,
    )
    caller = await at_node().caller(token)
    assert caller == Caller("kadri", ROLES["registrar"], "tartu", NODE)
    assert caller.actor == f"kadri by {NODE}"


async def test_a_token_may_name_several_audiences() -> None:
    assert (await at_node().caller(signed(aud=["urn:other", NODE]))).subject == "kadri"


async def test_a_token_that_says_for_whom_it_acts_acts_for_one_or_all_and_any_other_for_none() -> None:
    one, every, none = [await at_node().caller(signed(institution=named)) for named in ("tartu", "*", None)]
    assert (one.institution, one.acts) == ("tartu", True)
    assert (every.institution, every.acts) == (None, True)
    assert not none.acts


async def test_the_nodes_own_token_says_that_it_acts_for_all_where_no_institution_is_named() -> None:
    token = mint_access_token(
        KEY, issuer=NODE, audience=NODE, subject="kadri", scopes=["verify"], institution=None, lifetime=600, now=NOW
    )
    assert gate.claims(gate.read(token, typ=ACCESS_TOKEN))["institution"] == "*"
    assert (await at_node().caller(token)).acts


async def test_an_outside_issuer_speaks_only_for_the_institutions_that_its_setting_names(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps(jwks([OUTSIDE.verification_key()])))
    server = AuthorisationServer(issuer="https://id.example", jwks_file=file, institutions=("tartu", "tallinn"))
    authorities = at_node(servers=[server])
    assert (await authorities.caller(signed(OUTSIDE, iss="https://id.example"))).institution == "tartu"
    assert not (await authorities.caller(signed(OUTSIDE, iss="https://id.example", institution=None))).acts
    for beyond in ("narva", "*"):
        with pytest.raises(Unauthenticated):
            await authorities.caller(signed(OUTSIDE, iss="https://id.example", institution=beyond))


@pytest.mark.parametrize("scope", sorted(SCOPES))
async def test_a_token_without_an_institution_opens_no_route_that_acts_for_one(scope: str) -> None:
    routes: APIRouter = router()

    @routes.get("/route", dependencies=[requires(scope)])
    async def route() -> None: ...

    app = app_of(routes)
    async with client_of(app) as client:
        for named, allowed in ((None, scope in FOR_NO_INSTITUTION), ("tartu", True), ("*", True)):
            bearer = {"Authorization": f"Bearer {signed(scope=scope, institution=named)}"}
            answer = await client.get("/route", headers=bearer)
            assert answer.status_code == (200 if allowed else 403), answer.text


BAD: dict[str, str] = {
    "for another node": signed(aud="urn:testamur:testamur:pt"),
    "for nobody": signed(aud=None),
    "for a list without us": signed(aud=["urn:other"]),
    "for an object": signed(aud={"a": 1}),
    "of an unknown issuer": signed(iss="urn:testamur:testamur:pt"),
    "of no issuer": signed(iss=None),
    "of an issuer that is a number": signed(iss=3),
    "expired": signed(exp=int(NOW.timestamp()) - 61),
    "without an end": signed(exp=None),
    "with an end in words": signed(exp="tomorrow"),
    "not yet valid": signed(nbf=int(NOW.timestamp()) + 61),
    "from the future": signed(iat=int(NOW.timestamp()) + 61),
    "without a subject": signed(sub=None),
    "with an empty subject": signed(sub=""),
    "with a subject that is a list": signed(sub=["kadri"]),
    "with scopes in a list": signed(scope=["verify"]),
    "with an institution that is a number": signed(institution=3),
    "signed by a stranger": signed(LocalSigner.generate(Purpose.ACCESS_TOKEN)),
    "cut off": signed()[:-4],
    "not a token": "zebra",
    "empty": "",
    "with another signature": signed().rpartition(".")[0] + "." + signed(sub="x").rpartition(".")[2],
    "of another type": sign({"typ": "vc+jwt"}, b"{}", LocalSigner.generate(Purpose.INSTITUTION)).decode(),
    "with a payload that is no object": sign({"typ": "at+jwt"}, b"[1]", KEY).decode(),
    "too long": "a" * 17_000 + ".b.c",
}


@pytest.mark.parametrize("what", BAD)
async def test_a_token_that_does_not_hold_is_refused(what: str) -> None:
    with pytest.raises(Unauthenticated):
        await at_node().caller(BAD[what])


async def test_an_outside_issuer_cannot_speak_for_the_node_nor_the_node_for_it(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps(jwks([OUTSIDE.verification_key()])))
    authorities = at_node(servers=[AuthorisationServer(issuer="https://id.example", jwks_file=file)])
    assert (await authorities.caller(signed(OUTSIDE, iss="https://id.example"))).issuer == "https://id.example"
    for forged in (signed(OUTSIDE), signed(KEY, iss="https://id.example")):
        with pytest.raises(Unauthenticated):
            await authorities.caller(forged)


async def test_an_outside_issuer_may_use_an_audience_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps(jwks([OUTSIDE.verification_key()])))
    server = AuthorisationServer(issuer="https://id.example", jwks_file=file, audience="testamur-ee")
    authorities = at_node(servers=[server])
    assert (await authorities.caller(signed(OUTSIDE, iss="https://id.example", aud="testamur-ee"))).subject == "kadri"
    with pytest.raises(Unauthenticated):
        await authorities.caller(signed(OUTSIDE, iss="https://id.example"))


def test_a_key_file_that_is_none_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "not.json").write_text("[]")
    for name in ("not.json", "absent.json"):
        with pytest.raises(Misconfigured, match="TESTAMUR_AUTHORISATION_SERVERS"):
            at_node(servers=[AuthorisationServer(issuer="https://id.example", jwks_file=tmp_path / name)])


class Keys(View):
    keys: tuple[dict[str, Any], ...]


def key_server(signers: list[LocalSigner], asked: list[int]) -> FastAPI:
    routes = router()

    @routes.get("/jwks")
    async def give() -> Keys:
        asked.append(1)
        return Keys(**jwks([signer.verification_key() for signer in signers]))

    return make_app(ApiSpec(name="id", title="id", routers=[routes]), NodeSettings.load(node="ee"))


async def test_a_new_key_of_an_outside_issuer_is_fetched_but_never_in_a_hurry() -> None:
    clock, asked, signers = ManualClock(NOW), [], [OUTSIDE]
    async with serve(key_server(signers, asked)) as url:
        authorities = at_node(clock, [AuthorisationServer(issuer="https://id.example", jwks_uri=f"{url}/jwks")])
        await authorities.caller(signed(OUTSIDE, iss="https://id.example"))
        await authorities.caller(signed(OUTSIDE, iss="https://id.example"))
        assert len(asked) == 1
        newer = LocalSigner.generate(Purpose.ACCESS_TOKEN)
        signers.append(newer)
        for _ in range(3):
            with pytest.raises(Unauthenticated):
                await authorities.caller(signed(newer, iss="https://id.example"))
        assert len(asked) == 1
        clock.advance(seconds=RETRY_SECONDS)
        await authorities.caller(signed(newer, iss="https://id.example"))
        assert len(asked) == 2


async def test_keys_that_are_held_serve_a_day_while_their_server_is_silent() -> None:
    clock, asked = ManualClock(NOW), []
    token_end = int(NOW.timestamp()) + 10 * 86_400
    token = signed(OUTSIDE, iss="https://id.example", exp=token_end)
    async with serve(key_server([OUTSIDE], asked)) as url:
        authorities = at_node(clock, [AuthorisationServer(issuer="https://id.example", jwks_uri=f"{url}/jwks")])
        await authorities.caller(token)
    clock.advance(seconds=STALE_SECONDS - 1)
    assert (await authorities.caller(token)).subject == "kadri"
    clock.advance(seconds=RETRY_SECONDS + 2)
    with pytest.raises(FetchFailed):
        await authorities.caller(token)


def guarded_app(**limits: Any) -> FastAPI:
    routes: APIRouter = router("guarded")

    @routes.get("/mine")
    async def mine(caller: Annotated[Caller, requires("credentials:revoke")]) -> ProblemlessView:
        return ProblemlessView(subject=caller.subject)

    return app_of(routes, **limits)


def app_of(routes: APIRouter, **limits: Any) -> FastAPI:
    return make_app(
        ApiSpec(name="guarded", title="Guarded", routers=[routes]),
        NodeSettings.load(node="ee", **limits),
        authorities=at_node(),
        clock=ManualClock(NOW),
    )


class ProblemlessView(View):
    subject: str


def client_of(app: FastAPI) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://node")


async def test_a_route_asks_for_a_token_then_for_its_scope() -> None:
    async with client_of(guarded_app()) as client:
        missing = await client.get("/mine")
        assert (missing.status_code, missing.headers["www-authenticate"]) == (401, "Bearer")
        wrong = await client.get("/mine", headers={"Authorization": "Bearer zebra"})
        assert (wrong.status_code, wrong.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')
        assert "zebra" not in wrong.text
        narrow = await client.get("/mine", headers={"Authorization": f"Bearer {signed()}"})
        assert narrow.status_code == 403
        assert 'scope="credentials:revoke"' in narrow.headers["www-authenticate"]
        wide = await client.get("/mine", headers={"Authorization": f"bearer {signed(scope='credentials:revoke')}"})
        assert (wide.status_code, wide.json()) == (200, {"subject": "kadri"})


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic a2FkcmkK", "Bearer \xff", "Token x"])
async def test_a_header_that_is_no_bearer_token_is_a_401(header: str) -> None:
    async with client_of(guarded_app()) as client:
        answer = await client.get("/mine", headers={"Authorization": header.encode("latin-1")})
    assert answer.status_code == 401


async def test_one_caller_who_hurries_is_slowed_and_another_is_not() -> None:
    async with client_of(guarded_app(rate_burst=2, rate_per_second=0.1)) as client:
        mine = {"Authorization": f"Bearer {signed(scope='credentials:revoke')}"}
        theirs = {"Authorization": f"Bearer {signed(scope='credentials:revoke', sub='jaan')}"}
        statuses = [(await client.get("/mine", headers=mine)).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        slowed = await client.get("/mine", headers=mine)
        assert slowed.headers["retry-after"] == "10"
        assert (await client.get("/mine", headers=theirs)).status_code == 200


async def test_tokens_that_do_not_hold_use_up_the_addresss_budget() -> None:
    async with client_of(guarded_app(anonymous_rate_burst=2, anonymous_rate_per_second=0.1)) as client:
        statuses = [(await client.get("/mine")).status_code for _ in range(3)]
    assert statuses == [401, 401, 429]


async def test_the_api_document_names_the_scheme_and_the_scope() -> None:
    async with client_of(guarded_app()) as client:
        document = (await client.get("/openapi.json")).json()
    assert document["paths"]["/mine"]["get"]["security"] == [{"bearer": ["credentials:revoke"]}]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert "Problem" in document["components"]["schemas"]


def test_every_role_is_made_of_scopes_that_exist() -> None:
    assert all(scopes <= set(SCOPES) for scopes in ROLES.values())
    assert set(SCOPES) == set().union(*ROLES.values())
    with pytest.raises(ValueError, match="no scope"):
        requires("registry:frobnicate")

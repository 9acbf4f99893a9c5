"""A registry on its own, with its real door, store and bus in a temporary folder, and an issuer that only says things."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
from fastapi import FastAPI
from pydantic import SecretStr

from services.registry.app import build_app
from services.registry.settings import RegistrySettings
from shared.clock import ManualClock
from shared.engine.engine import Engine
from shared.engine.open import open_engine
from shared.engine.spec import ServiceSpec
from shared.events.base import ISSUANCE, Event
from shared.events.entry import Entry, digest, parse
from shared.events.issuance import CredentialIssued
from shared.home.folder import Home
from shared.ids import new_ref, topic_name
from shared.jose import strict_json
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner
from shared.keys.file import KeyFile
from shared.log.archive import read_on
from shared.settings import NodeSettings
from shared.web.auth.bearer import SCOPES, mint_access_token

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SCOPE: dict[str, Any] = {"credential_types": ["micro-credential"], "eqf_max": 7, "isced_f": ["06"]}


@dataclass
class Scene:
    """A running registry and what a test does to it."""

    home: Home
    clock: ManualClock
    app: FastAPI
    client: httpx2.AsyncClient
    issuer: Engine
    keys: dict[str, LocalSigner] = field(default_factory=dict)
    indexes: Any = field(default_factory=itertools.count)

    @property
    def engine(self) -> Engine:
        """The registry's engine."""
        engine: Engine = self.app.state.engine
        return engine

    def token(self, subject: str = "mari", institution: str | None = None, *scopes: str) -> str:
        """An access token of this node; with every scope when none is named."""
        audience = self.home.settings.audience
        return mint_access_token(
            self.home.signer("access-token"),
            issuer=audience,
            audience=audience,
            subject=subject,
            scopes=scopes or SCOPES,
            institution=institution,
            lifetime=600,
            now=self.clock.now(),
        )

    async def ask(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, **headers: str
    ) -> httpx2.Response:
        """One request as mari, who may do everything, under a fresh idempotency key."""
        given = {"authorization": f"Bearer {token or self.token()}", "idempotency-key": new_ref()}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.request(method, path, json=body, headers=given)

    async def must(self, method: str, path: str, body: Any = None, **given: str) -> Any:
        """The answer's JSON; anything but success is a failure of the test."""
        answer = await self.ask(method, path, body, **given)
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def accredits(self, slug: str = "tartu", **scope: Any) -> dict[str, Any]:
        """Accredit an institution and enter a key for it."""
        command = {"institution": slug, "name": f"University of {slug.title()}", "country": "EE"}
        made = await self.must("POST", "/institutions", {**command, "scope": {**SCOPE, **scope}})
        await self.adds_key(slug)
        return dict(made)

    async def adds_key(self, slug: str) -> LocalSigner:
        """Enter a new key of an institution."""
        key = self.keys[slug] = LocalSigner.generate(Purpose.INSTITUTION)
        await self.must("POST", f"/institutions/{slug}/keys", {"kid": key.kid, "jwk": key.public_jwk})
        return key

    def issuance(self, slug: str = "tartu", **members: Any) -> CredentialIssued:
        """What an issuer says of a new credential."""
        ref = members.get("ref", new_ref())
        usual: dict[str, Any] = {
            "ref": ref,
            "commitments": {"vc+jwt": digest(ref.encode())},
            "institution": slug,
            "kid": self.keys[slug].kid if slug in self.keys else "unknown",
            "credential_type": "micro-credential",
            "eqf": 6,
            "isced_f": "0612",
            "status_list": "1",
            "status_index": next(self.indexes),
            "issued": self.clock.now(),
        }
        return CredentialIssued(**{**usual, **members})

    async def receives(self, *issued: CredentialIssued) -> None:
        """Let the issuer say these, and wait until the registry has taken them in."""

        async def work(unit: Any) -> None:
            for event in issued:
                await unit.emit(event)

        before = self.engine.inbox.origin("ee").seq("issuance")
        await self.issuer.outbox.transact(work, actor="issuer")
        await until(lambda: self._received(before + len(issued)))

    async def registers(self, slug: str = "tartu", **members: Any) -> str:
        """Have a credential registered; returns its ref."""
        issued = self.issuance(slug, **members)
        await self.receives(issued)
        assert (await self.shows(issued.ref))["status"] == "active"
        return issued.ref

    async def shows(self, ref: str) -> dict[str, Any]:
        """What the registry says of a credential."""
        return dict(await self.must("GET", f"/credentials/{ref}"))

    async def log(self, stream: str) -> list[Entry]:
        """The entries of one of the registry's own chains, once everything said is sequenced."""
        await until(self._sequenced)
        rows = await read_on(self.engine.store, topic_name("ee", stream), 0, 10_000)
        return [parse(row.body["jws"]) for row in rows]

    async def emitted(self, kind: type[Event]) -> list[dict[str, Any]]:
        """The payloads of the events of one kind, in order."""
        entries = await self.log(kind.stream.name)
        return [strict_json.loads(one.token.payload) for one in entries if one.envelope.kind == kind.kind]

    async def _received(self, seq: int) -> bool:
        return self.engine.inbox.origin("ee").seq("issuance") >= seq

    async def _sequenced(self) -> bool:
        return not await self.engine.store.scan(_outbox(), limit=1)


def _outbox() -> Any:
    from shared.log.outbox import OUTBOX

    return OUTBOX


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that must come; the test's own deadline ends a wait that is in vain."""
    async with asyncio.timeout(60):
        while not await holds():
            await asyncio.sleep(0.005)


def home_of(folder: Path, **given: Any) -> Home:
    """Estonia's folder, set up."""
    return set_up(RegistrySettings(node="ee", home=folder, rate_burst=100_000, due_interval=0.02, **given))


def set_up(settings: NodeSettings) -> Home:
    """A node's folder with its keys, under a passphrase that costs little to try."""
    settings = settings.model_copy(update={"key_passphrase": SecretStr("of a test")})
    Path(settings.home).mkdir(parents=True, exist_ok=True, mode=0o700)
    KeyFile.open(Path(settings.home) / "keys", "of a test", cost=2)
    home = Home(settings)
    home.set_up(NOON)
    return home


@asynccontextmanager
async def running(home: Home, clock: ManualClock) -> AsyncIterator[Scene]:
    """A registry and an issuer's voice, until the block ends; opening the same folder again goes on where it stood."""
    async with AsyncExitStack() as closing:
        app = build_app(home.settings, clock=clock)
        await closing.enter_async_context(app.router.lifespan_context(app))
        bus = app.state.engine.bus
        voice = open_engine(home.settings, ServiceSpec(name="issuer", writes=(ISSUANCE,)), clock=clock, home=home, bus=bus)
        issuer = await closing.enter_async_context(voice)
        client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://ee.test")
        await closing.enter_async_context(client)
        yield Scene(home, clock, app, client, issuer)


@asynccontextmanager
async def registry(folder: Path, **given: Any) -> AsyncIterator[Scene]:
    """A fresh registry at noon."""
    async with running(home_of(folder, **given), ManualClock(NOON)) as scene:
        yield scene

"""The little language that the tests speak: nations, institutions, credentials, and a mirror that may be honest or not.

    async with world("ee", "pt") as europe:
        ee, pt = europe["ee"], europe["pt"]
        await ee.accredits("tartu")
        credential = await ee.issues("tartu")
        await europe.mirrors("ee", "pt")
        assert (await pt.verifies(credential))["verdict"] == "valid"

Every part is the real one: the four services with their HTTP doors, stores and bus, in a temporary folder. Only what lies
between the nations is the test's: `mirrors` carries records from one bus to another as a mirror would, and a test may drop,
repeat, reorder or change them on the way.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
from fastapi import FastAPI

import services.issuer.app
import services.notifier.app
import services.registry.app
import services.verifier.app
from shared.bus.open import open_bus
from shared.bus.port import Bus, Message, Record
from shared.clock import SystemClock
from shared.credential import written
from shared.engine.engine import Engine
from shared.events.base import PUBLIC
from shared.home.folder import Home
from shared.ids import new_ref, topic_name
from shared.keys.file import KeyFile
from shared.log.archive import HEADS, position_of
from shared.log.outbox import OUTBOX
from shared.log.relay import MARKS
from shared.settings import NodeSettings
from shared.trust import federation_list
from shared.trust.nodes import Anchor, FederationList
from shared.web.auth.bearer import SCOPES, mint_access_token
from tests.shared_data import ROOT

SERVICES = {
    "registry": services.registry.app.build_app,
    "issuer": services.issuer.app.build_app,
    "verifier": services.verifier.app.build_app,
    "notifier": services.notifier.app.build_app,
}
PASSPHRASE = "known to every test"
EXAMPLE = ROOT / "examples" / "data-literacy.yaml"
SCOPE = {"credential_types": ["micro-credential"], "eqf_max": 7, "isced_f": []}


class ShiftedClock(SystemClock):
    """A nation's own clock: the machine's, set wrong by as much as a test likes."""

    def __init__(self) -> None:
        self.shift = timedelta()

    def now(self) -> datetime:
        """The machine's time and the shift."""
        return super().now() + self.shift


@dataclass
class Nation:
    """One node, all services running."""

    name: str
    home: Home
    clock: ShiftedClock
    bus: Bus
    apps: dict[str, FastAPI]
    clients: dict[str, httpx2.AsyncClient]
    institutions: dict[str, dict[str, Any]] = field(default_factory=dict)

    def engine(self, service: str) -> Engine:
        """A service's engine."""
        engine: Engine = self.apps[service].state.engine
        return engine

    def token(self, *scopes: str, subject: str = "someone", institution: str | None = None) -> str:
        """An access token of this node; every scope when none is named."""
        return access_token(self.home, *scopes, subject=subject, institution=institution, now=self.clock.now())

    async def ask(self, service: str, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        """One request with a token for everything and a fresh idempotency key."""
        given = {"authorization": f"Bearer {self.token()}", "idempotency-key": new_ref()}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.clients[service].request(method, path, json=body, headers=given)

    async def must(self, service: str, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The answer's JSON; anything but success is a failure of the test."""
        answer = await self.ask(service, method, path, body, **headers)
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def accredits(self, slug: str, identifiers: Mapping[str, str] | None = None, **scope: Any) -> dict[str, Any]:
        """Accredit an institution, make it a key and announce the key."""
        names = {"name": f"University of {slug.title()}", "country": self.name[:2].upper()}
        command = {"institution": slug, **names, "identifiers": identifiers or {}}
        made = await self.must("registry", "POST", "/institutions", {**command, "scope": {**SCOPE, **scope}})
        key = await self.must("issuer", "POST", f"/institutions/{slug}/keys")
        await self.must("registry", "POST", f"/institutions/{slug}/keys", {"kid": key["kid"], "jwk": key["jwk"]})
        self.institutions[slug] = made
        await self.settles()
        return dict(made)

    def draft(self, **changes: Any) -> dict[str, Any]:
        """The example credential with members replaced."""
        draft = written.read(EXAMPLE.read_bytes())
        draft["awarding_body"] = {**draft["awarding_body"], "country": self.name[:2].upper()}
        return {**draft, **changes}

    async def issues(self, slug: str, **changes: Any) -> str:
        """Issue a credential and wait until it is registered; returns the signed credential."""
        made = await self.must("issuer", "POST", "/credentials", {"institution": slug, "credential": self.draft(**changes)})
        await self.settles()
        return str(made["credential"])

    async def revokes(self, ref: str, reason: str = "withdrawn") -> None:
        """Revoke a credential."""
        await self.must("registry", "POST", f"/credentials/{ref}/revoke", {"reason": reason})
        await self.settles()

    async def verifies(self, credential: str, **asked: Any) -> dict[str, Any]:
        """What this nation's verifier says of a credential."""
        report = await self.must("verifier", "POST", "/verifications", {"credential": credential, **asked})
        return dict(report)

    async def settles(self, timeout: float = 30.0) -> None:
        """Wait until everything said is sequenced, published and taken in by every service of this nation."""
        async with asyncio.timeout(timeout):
            while not await self._settled():
                await asyncio.sleep(0.005)

    async def _settled(self) -> bool:
        for service in self.apps.keys() & {"issuer", "registry"}:
            if not self.engine(service).leadership.leads:
                return False
            store = self.engine(service).store
            if await store.scan(OUTBOX, limit=1):
                return False
            for head in await store.scan(HEADS):
                if position_of(head) != position_of(await store.get(MARKS, head.key)):
                    return False
        for service in self.apps:
            engine = self.engine(service)
            consumer = engine.bus.consumer(f"testamur.{self.name}.{service}")
            consumer.follow(engine.listener.topics())
            behind = await consumer.lag()
            await consumer.close()
            if any(behind.values()):
                return False
        return True

    async def hears(self, topic: str, messages: Sequence[Message]) -> None:
        """Put records on this nation's bus, as a mirror or an intruder would, and let them be taken in."""
        await self.bus.append(topic, messages)
        await self.settles()


Change = Callable[[Record], Iterable[Message]]
"""What a mirror makes of one record: nothing, itself, or something else."""


class World:
    """Some nations of one federation."""

    def __init__(self, nations: dict[str, Nation], anchor_home: Home) -> None:
        self.nations = nations
        self.anchor_home = anchor_home
        self._carried: dict[tuple[str, str], int] = {}

    def __getitem__(self, name: str) -> Nation:
        return self.nations[name]

    async def mirrors(self, source: str, target: str, change: Change | None = None, streams: Sequence[str] = PUBLIC) -> None:
        """Carry what is new on one nation's public topics to another's bus."""
        for stream in streams:
            topic = topic_name(source, stream)
            records = await self.new_records(source, target, topic)
            messages = [made for record in records for made in (change(record) if change else [honest(record)])]
            if messages:
                await self[target].bus.append(topic, messages)
        await self[target].settles()

    async def new_records(self, source: str, target: str, topic: str) -> list[Record]:
        """What was appended to a topic since it was last carried to that target."""
        reader = self[source].bus.consumer(f"mirror-{target}")
        reader.follow([topic])
        await reader.seek(topic, self._carried.get((target, topic), 0))
        records = await reader.poll(100_000, 0.0)
        await reader.close()
        if records:
            self._carried[target, topic] = records[-1].offset
        return records


def honest(record: Record) -> Message:
    """A record as it is."""
    return Message(record.key, record.value, record.headers)


def access_token(
    home: Home, *scopes: str, subject: str = "someone", institution: str | None = None, now: datetime | None = None
) -> str:
    """An access token of a node; every scope when none is named."""
    audience = home.settings.audience
    return mint_access_token(
        home.signer("access-token"),
        issuer=audience,
        audience=audience,
        subject=subject,
        scopes=frozenset(scopes or SCOPES),
        institution=institution,
        lifetime=600,
        now=now or SystemClock().now(),
    )


@asynccontextmanager
async def world(*names: str, **settings: Any) -> AsyncIterator[World]:
    """Found a federation of these nations in a temporary folder, and run them until the block ends."""
    async with AsyncExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="testamur-")))
        homes = {name: found(folder / name, name, **settings) for name in names}
        federate(list(homes.values()))
        nations = {name: await closing.enter_async_context(running(home)) for name, home in homes.items()}
        yield World(nations, next(iter(homes.values())))


def found(folder: Path, name: str, **settings: Any) -> Home:
    """A nation's folder with its keys."""
    made = NodeSettings(
        node=name, home=folder, rate_per_second=10_000, rate_burst=100_000, key_passphrase=PASSPHRASE, **settings
    )
    KeyFile.open(folder / "keys", PASSPHRASE, cost=2**4)  # stretching is slow on purpose, and guards nothing here
    home = Home(made)
    home.set_up(SystemClock().now())
    return home


def federate(homes: Sequence[Home], version: int = 2, **changes: Any) -> None:
    """Sign one list of all these nations with the first one's anchor, and let each go by it."""
    now = SystemClock().now()
    anchor = homes[0].signer("anchor")
    listed = FederationList(
        federation=homes[0].settings.federation,
        version=version,
        issued=now,
        expires=now + timedelta(days=30),
        anchors=(Anchor(kid=anchor.kid, jwk=anchor.public_jwk),),
        **{"nodes": tuple(home.node() for home in homes), **changes},
    )
    signed = federation_list.sign_list(listed, [anchor])
    for home in homes:
        home.join(signed, {anchor.kid: anchor.verification_key()})


@asynccontextmanager
async def running(home: Home, services: Iterable[str] = SERVICES, *, settles: bool = True) -> AsyncIterator[Nation]:
    """All services of one nation, or some, until the block ends; a standby never `settles`."""
    async with AsyncExitStack() as closing:
        ticking = ShiftedClock()
        bus = await open_bus(home.settings.bus_url)
        closing.push_async_callback(bus.close)
        apps, clients = {}, {}
        for service in services:
            app = SERVICES[service](home.settings, clock=ticking, bus=bus)
            await closing.enter_async_context(app.router.lifespan_context(app))
            transport = httpx2.ASGITransport(app)
            client = httpx2.AsyncClient(transport=transport, base_url=f"http://{home.settings.node}.test")
            apps[service], clients[service] = app, await closing.enter_async_context(client)
        nation = Nation(home.settings.node, home, ticking, bus, apps, clients)
        if settles:
            await nation.settles()
        yield nation

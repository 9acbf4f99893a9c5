"""A little language for tests of the issuer: its app on a real store and bus, and a registry that says what a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
from fastapi import FastAPI

from services.issuer.app import build_app
from services.issuer.context import IssuerContext
from services.issuer.settings import IssuerSettings
from shared.bus.port import Message
from shared.clock import ManualClock
from shared.credential import written
from shared.engine.engine import Engine
from shared.events.base import Event
from shared.events.chain import Position
from shared.events.entry import Place, Unsigned, message_headers, sign
from shared.events.trust import InstitutionAccredited, InstitutionKeyAdded, Scope
from shared.home.folder import Home
from shared.ids import new_event_id, new_ref, topic_name
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner
from shared.web.auth.bearer import SCOPES, mint_access_token

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "data-literacy.yaml"


def draft(**changes: Any) -> dict[str, Any]:
    """The example's draft with members changed; None leaves a member out."""
    whole = {**written.read(EXAMPLE.read_bytes()), **changes}
    return {name: value for name, value in whole.items() if value is not None}


class Scene:
    """One issuer, and whatever its registry says."""

    def __init__(self, app: FastAPI, home: Home, clock: ManualClock, client: httpx2.AsyncClient) -> None:
        self.app, self.home, self.clock, self.client = app, home, clock, client
        self._chains: dict[str, Position] = {}

    @property
    def engine(self) -> Engine:
        return self.app.state.engine

    @property
    def context(self) -> IssuerContext:
        return self.app.state.context

    def headers(
        self, institution: str | None = None, key: str | None = None, subject: str = "anna", scopes: Iterable[str] = SCOPES
    ) -> dict[str, str]:
        """A token with every scope, or with these, for one institution or for all, and an idempotency key."""
        settings = self.home.settings
        token = mint_access_token(
            self.home.signer("access-token"),
            issuer=settings.audience,
            audience=settings.audience,
            subject=subject,
            scopes=scopes,
            institution=institution,
            lifetime=3600,
            now=self.clock.now(),
        )
        return {"Authorization": f"Bearer {token}", "Idempotency-Key": key or new_event_id()}

    async def post(self, path: str, body: Any, **who: Any) -> httpx2.Response:
        return await self.client.post(path, json=body, headers=self.headers(**who))

    async def get(self, path: str, **who: Any) -> httpx2.Response:
        return await self.client.get(path, headers=self.headers(**who))

    async def issue(self, institution: str = "tartu", key: str | None = None, **changes: Any) -> dict[str, Any]:
        """Issue the example, changed; the answer's body."""
        answer = await self.post("/credentials", {"institution": institution, "credential": draft(**changes)}, key=key)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def say(self, event: Event) -> None:
        """The registry says something, and the issuer has heard it when this returns."""
        settings, stream = self.home.settings, event.stream.name
        reached = self._chains.get(stream, Position())
        after = {name: position.seq for name, position in self._chains.items() if name != stream}
        place = Place(settings.federation, settings.node, 1, reached.seq + 1, reached.hash, after)
        entry = sign(Unsigned.of(event, new_event_id(), self.clock.now()), place, self.home.signer("registry"))
        self._chains[stream] = reached.advanced_by(entry)
        message = Message(event.subject(), entry.token.payload, message_headers(entry))
        await self.engine.bus.append(topic_name(settings.node, stream), [message])
        async with asyncio.timeout(60):
            while self.engine.inbox.origin(settings.node).seq(stream) < place.seq:
                await asyncio.sleep(0.01)

    async def accredit(self, institution: str = "tartu", **scope: Any) -> LocalSigner:
        """An institution of Estonia with a key that signs."""
        await self.say(
            InstitutionAccredited(
                institution=institution,
                accreditation=new_ref(),
                name="University of Tartu",
                country="EE",
                scope=Scope(**{"credential_types": ("micro-credential",), "eqf_max": 7, **scope}),
                valid_from=NOW - timedelta(days=1),
            )
        )
        key = self.home.keys.create(f"institution-{institution}", Purpose.INSTITUTION)
        await self.say(InstitutionKeyAdded(institution=institution, kid=key.kid, jwk=key.public_jwk))
        return key


@asynccontextmanager
async def issuer(folder: Path) -> AsyncIterator[Scene]:
    """An issuer in a folder; open it again to see it restarted."""
    settings, clock = IssuerSettings(node="ee", home=folder / "ee"), ManualClock(NOW)
    home = Home(settings)
    home.set_up(NOW)
    app = build_app(settings, clock=clock)
    transport = httpx2.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://issuer") as client,
    ):
        yield Scene(app, home, clock, client)

"""Whose access tokens are taken, and what makes one good (RFC 9068).

- `typ` is `at+jwt`; signature, algorithm and purpose are the gate's matter (RFC 9068, 4; RFC 8725, 3.11).
- `iss` is a configured issuer, whose own keys alone can have signed; `aud` names this node (RFC 9068, 4).
- `exp`, `nbf` and `iat` hold now; `sub` is there; `scope` is the space-separated list (RFC 6749, 3.3).
- `institution` is our own claim: the one institution that the caller acts for, or `*`, for all of this node's. Without it
  the token acts for none. An outside server speaks only for those that its setting `institutions` names, where it names any.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from shared.clock import Clock
from shared.errors import Malformed, Unauthenticated
from shared.ids import new_event_id
from shared.jose import gate
from shared.jose.purpose import ACCESS_TOKEN
from shared.jose.signers import Signer, sign
from shared.settings import AuthorisationServer, NodeSettings
from shared.web.auth.keysets import KeySource, LocalKeys, RemoteKeys, keys_of_file
from shared.web.outgoing.fetch import Fetcher

MAX_TOKEN_BYTES = 16 * 1024


EVERY_INSTITUTION = "*"
"""The claim `institution` of a token that acts for all of the node's institutions."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the token's subject, what it allows, and the one institution (slug) it acts for; None for every one.

    `acts` is False where the token names no institution at all: no route that acts for one lets it in.
    """

    subject: str
    scopes: frozenset[str]
    institution: str | None
    issuer: str
    acts: bool = True

    @property
    def actor(self) -> str:
        """The name for audit rows and buckets; a subject is unique only within its issuer."""
        return f"{self.subject} by {self.issuer}"


@dataclass(frozen=True, slots=True)
class Authority:
    """One issuer of access tokens: its `iss`, the `aud` it must name, where its keys are, and for whom it may speak."""

    issuer: str
    audience: str
    keys: KeySource
    institutions: tuple[str, ...] | None = None


class Authorities:
    """All issuers whose tokens a service takes."""

    def __init__(self, authorities: Iterable[Authority], clock: Clock) -> None:
        self._by_issuer = {authority.issuer: authority for authority in authorities}
        self._clock = clock

    @classmethod
    def of_node(cls, settings: NodeSettings, own: KeySource, fetcher: Fetcher, clock: Clock) -> Authorities:
        """The node itself (issuer and audience are `settings.audience`) and the authorisation servers of its settings."""
        home = Authority(settings.audience, settings.audience, own)
        outside = [_configured(server, settings, fetcher, clock) for server in settings.authorisation_servers]
        return cls([home, *outside], clock)

    async def caller(self, raw: str) -> Caller:
        """Who a bearer token speaks for; raises `Unauthenticated`, or `FetchFailed` when its keys cannot be had."""
        try:
            token = gate.read(raw, typ=ACCESS_TOKEN, max_bytes=MAX_TOKEN_BYTES)
            members = gate.claims(token)
            authority = self._by_issuer.get(_text(members, "iss"))
            key = await authority.keys.key(token.kid) if authority else None
            if authority is None or key is None:
                raise _refused()
            gate.verify(token, key)
            gate.check_times(members, self._clock.now())
            return _caller(members, authority)
        except gate.TokenExpired:
            raise Unauthenticated("The access token has expired. Get a new one.", reason="expired") from None
        except (gate.TokenRefused, Malformed):
            raise _refused() from None


def mint_access_token(
    signer: Signer,
    *,
    issuer: str,
    audience: str,
    subject: str,
    scopes: Iterable[str],
    institution: str | None,
    lifetime: int,
    now: datetime,
) -> str:
    """An access token (RFC 9068, 2) that holds for `lifetime` seconds from `now`; the signer's purpose is ACCESS_TOKEN.

    `institution`: the one that it acts for; None for every one of the node's, which the token then says.
    """
    issued = int(now.timestamp())
    members: dict[str, Any] = {
        "iss": issuer,
        "aud": audience,
        "sub": subject,
        "client_id": subject,
        "iat": issued,
        "exp": issued + lifetime,
        "jti": new_event_id(),
        "scope": " ".join(sorted(scopes)),
        "institution": institution or EVERY_INSTITUTION,
    }
    return sign({"typ": "at+jwt"}, orjson.dumps(members), signer).decode()


def _configured(server: AuthorisationServer, settings: NodeSettings, fetcher: Fetcher, clock: Clock) -> Authority:
    audience = server.audience or settings.audience
    if server.jwks_uri is not None:
        return Authority(server.issuer, audience, RemoteKeys(server.jwks_uri, fetcher, clock), server.institutions)
    assert server.jwks_file is not None
    return Authority(server.issuer, audience, LocalKeys(keys_of_file(server.jwks_file)), server.institutions)


def _caller(members: Mapping[str, Any], authority: Authority) -> Caller:
    audience = members.get("aud")
    if authority.audience not in (audience if type(audience) is list else [audience]):
        raise _refused()
    named = _text(members, "institution") if "institution" in members else None
    if named is not None and authority.institutions is not None and named not in authority.institutions:
        raise _refused()
    scopes = frozenset(_text(members, "scope").split()) if "scope" in members else frozenset()
    institution = None if named == EVERY_INSTITUTION else named
    return Caller(_text(members, "sub"), scopes, institution, authority.issuer, acts=named is not None)


def _text(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name)
    if type(value) is not str or not 0 < len(value) <= 2000:
        raise _refused()
    return value


def _refused() -> Unauthenticated:
    return Unauthenticated("The access token does not hold here. Get one that was made for this node.", reason="invalid")

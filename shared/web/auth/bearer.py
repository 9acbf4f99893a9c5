"""Who may do what at the HTTP API: a bearer token (RFC 6750), a scope for each verb, a bucket for each caller.

A route asks with its signature, `caller: Annotated[Caller, requires("credentials:revoke")]`, and the same line documents
the security scheme and the scope in the API documents.
- No token, or one that does not hold: 401 with a challenge (RFC 6750, 3), counted against the network address.
- A good token without the scope: 403 `insufficient_scope`, which names the scope that is missing.
- A good token that names no institution, where one is acted for: 403.
- Where a route takes a body, all of this comes before the body is read (`admit`, called by `StrictRoute`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import Depends, Request, Security
from fastapi.dependencies.models import Dependant
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from shared.errors import Forbidden, Unauthenticated
from shared.web.auth.authorities import Authorities, Caller, mint_access_token
from shared.web.auth.scopes import FOR_NO_INSTITUTION, ROLES, SCOPES
from shared.web.ratelimit import Limiters, address_of

__all__ = [
    "ROLES",
    "SCOPES",
    "Authorities",
    "Caller",
    "InstitutionMissing",
    "ScopeMissing",
    "admit",
    "mint_access_token",
    "require_scope",
    "requires",
    "scopes_of",
]


class ScopeMissing(Forbidden):
    """403: the token holds, and does not allow this."""

    title = "This token does not allow that."

    def headers(self) -> Mapping[str, str]:
        """The challenge that names the scope (RFC 6750, 3.1)."""
        return {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{self.members["scope"]}"'}


class InstitutionMissing(Forbidden):
    """403: the token holds, and says for no institution that it acts."""

    title = "This token acts for no institution."


class _Bearer(SecurityBase):
    """The security scheme; as a dependency it gives the `Caller`."""

    scheme_name = "bearer"
    model = HTTPBearer(bearerFormat="at+jwt", description="An OAuth 2 access token (RFC 9068) for this node.")

    async def __call__(self, request: Request) -> Caller:
        admitted: Caller | None = getattr(request.state, "caller", None)
        if admitted is not None:
            return admitted
        caller = await _caller_of(request)
        limiters: Limiters = request.app.state.limiters
        limiters.callers.take(caller.actor)
        return caller


_BEARER = _Bearer()


async def admit(request: Request, scopes: Iterable[str]) -> None:
    """Let a request in whose token holds, allows all of `scopes` and is in its rate; the route's dependencies go by that."""
    caller = await _BEARER(request)
    for scope in scopes:
        require_scope(caller, scope)
    request.state.caller = caller


def scopes_of(dependant: Dependant) -> tuple[str, ...]:
    """The scopes that a route asks for by `requires`; none when it wants no token of this kind."""
    own = dependant.own_oauth_scopes or () if dependant.call is _BEARER else ()
    return (*own, *(scope for below in dependant.dependencies for scope in scopes_of(below)))


def requires(scope: str) -> Any:
    """A dependency that gives the `Caller` if the token allows `scope`; a name that is not in `SCOPES` is a ValueError."""
    if scope not in SCOPES:
        raise ValueError(f"there is no scope {scope}")

    # as a default: in an annotation the framework could not see this function's own variable
    async def allowed(caller: Caller = Security(_BEARER, scopes=[scope])) -> Caller:  # noqa: B008
        require_scope(caller, scope)
        return caller

    return Depends(allowed)


def require_scope(caller: Caller, scope: str) -> None:
    """Raise `ScopeMissing` or `InstitutionMissing` unless the caller's token allows `scope`; called by itself for what only
    some requests to a route need.
    """
    if scope not in caller.scopes:
        raise ScopeMissing("Get a token that has the scope named here.", scope=scope)
    if not caller.acts and scope not in FOR_NO_INSTITUTION:
        raise InstitutionMissing("Get a token whose claim `institution` names yours, or is `*` for all of this node's.")


async def _caller_of(request: Request) -> Caller:
    authorities: Authorities | None = request.app.state.authorities
    limiters: Limiters = request.app.state.limiters
    try:
        if authorities is None:
            raise Unauthenticated("This service takes no tokens yet. Try again when it is ready.")
        return await authorities.caller(_bearer_token(request))
    except Unauthenticated:
        limiters.anonymous.take(address_of(request))
        raise


def _bearer_token(request: Request) -> str:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token.strip():
        raise Unauthenticated("Send an access token: Authorization: Bearer (the token).")
    return token.strip()

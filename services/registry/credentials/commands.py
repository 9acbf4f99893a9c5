"""What may be asked about a credential, and what is answered."""

from __future__ import annotations

from typing import Literal

from services.registry.credentials.domain import Credential
from shared.clock import Instant
from shared.events.base import Ref, Slug
from shared.events.status import PublicReason
from shared.web.command import Command, View


class RevokeCredential(Command):
    """End a credential for ever."""

    reason: PublicReason = "unspecified"
    """What other nodes may know; any further reason stays at home."""
    effective: Instant | None = None
    """From when it does not hold; now, unless an earlier time is given."""


class SuspendCredential(Command):
    """Let a credential not hold for now."""

    reason: PublicReason = "unspecified"
    """What other nodes may know."""
    until: Instant | None = None
    """When the registry reinstates it by itself; by hand, unless it is given."""


class RegisteredCredentialView(View):
    """What the registry shows of a credential to the officers who look after it."""

    ref: Ref
    status: Literal["active", "suspended", "revoked", "refused"]
    """`refused`: the registry did not register it, for `reason`; no other node was told of it."""
    version: int
    """Rises with each change; the `ETag` that `If-Match` names. 0 when refused."""
    institution: Slug
    credential_type: str
    registered: Instant | None
    """When it was registered; null when refused."""
    effective: Instant | None
    """Since when its present status counts, once it has changed."""
    reason: str | None
    """Why it is suspended, revoked or refused."""
    until: Instant | None
    """When a suspension ends by itself."""
    replaces: Ref | None
    replaced_by: Ref | None


def view(credential: Credential) -> RegisteredCredentialView:
    """A credential as it is shown."""
    return RegisteredCredentialView(
        ref=credential.ref,
        status=credential.status,
        version=credential.version,
        institution=credential.institution,
        credential_type=credential.credential_type,
        registered=credential.registered,
        effective=credential.effective,
        reason=credential.reason,
        until=credential.until,
        replaces=credential.replaces,
        replaced_by=credential.replaced_by,
    )

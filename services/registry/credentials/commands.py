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
    """What may be told abroad; whatever else is the case stays at home."""
    effective: Instant | None = None
    """From when it does not hold; now, unless an earlier time is given."""


class SuspendCredential(Command):
    """Let a credential not hold for now."""

    reason: PublicReason = "unspecified"
    """What may be told abroad."""
    until: Instant | None = None
    """When the registry reinstates it by itself; by hand, unless it is given."""


class CredentialView(View):
    """What the registry says of a credential to those who look after it."""

    ref: Ref
    status: Literal["active", "suspended", "revoked", "refused"]
    """`refused`: the registry did not take it, for `reason`; it was never told abroad."""
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


def view(held: Credential) -> CredentialView:
    """A credential as it is shown."""
    return CredentialView(
        ref=held.ref,
        status=held.status,
        version=held.version,
        institution=held.institution,
        credential_type=held.credential_type,
        registered=held.registered,
        effective=held.effective,
        reason=held.reason,
        until=held.until,
        replaces=held.replaces,
        replaced_by=held.replaced_by,
    )

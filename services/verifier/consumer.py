"""The consumer: what the verifier receives, of its own node and of all others. Checkpoints are the inbox's own matter."""

from __future__ import annotations

from collections.abc import Mapping

from services.verifier.handlers import on_status_event, on_trust_event
from shared.events.base import Event
from shared.events.registrations import CredentialRegistered
from shared.events.status import CredentialReinstated, CredentialRevoked, CredentialsRevoked, CredentialSuspended
from shared.events.trust import AccreditationWithdrawn, InstitutionAccredited, InstitutionKeyAdded, InstitutionKeyRetired
from shared.inbox.received import Handler, on

SUBSCRIPTIONS: Mapping[type[Event], Handler] = dict(
    (
        on(InstitutionAccredited, on_trust_event),
        on(AccreditationWithdrawn, on_trust_event),
        on(InstitutionKeyAdded, on_trust_event),
        on(InstitutionKeyRetired, on_trust_event),
        on(CredentialSuspended, on_status_event),
        on(CredentialReinstated, on_status_event),
        on(CredentialRevoked, on_status_event),
        on(CredentialsRevoked, on_status_event),
        on(CredentialRegistered, on_status_event),
    )
)

STREAMS = ("checkpoints", "trust", "status", "registrations")
"""Which streams these come on, in the order in which they are drained; the checkpoints say how fresh the rest is."""

"""Which events the notifier receives, of its own node and of all others, and which handler takes each."""

from __future__ import annotations

from collections.abc import Mapping

from services.notifier.handlers import (
    on_credential_changed,
    on_credential_registered,
    on_credentials_revoked,
    on_institution_changed,
    on_institution_key_added,
)
from shared.events.base import Event
from shared.events.registrations import CredentialRegistered
from shared.events.status import CredentialReinstated, CredentialRevoked, CredentialsRevoked, CredentialSuspended
from shared.events.trust import AccreditationWithdrawn, InstitutionAccredited, InstitutionKeyAdded
from shared.inbox.received import Handler, on

SUBSCRIPTIONS: Mapping[type[Event], Handler] = dict(
    (
        on(InstitutionAccredited, on_institution_changed),
        on(AccreditationWithdrawn, on_institution_changed),
        on(InstitutionKeyAdded, on_institution_key_added),
        on(CredentialSuspended, on_credential_changed),
        on(CredentialReinstated, on_credential_changed),
        on(CredentialRevoked, on_credential_changed),
        on(CredentialsRevoked, on_credentials_revoked),
        on(CredentialRegistered, on_credential_registered),
    )
)

STREAMS = ("checkpoints", "trust", "status", "registrations")
"""The streams that these come on, in the order in which they are drained. The checkpoints say how far each stream goes."""

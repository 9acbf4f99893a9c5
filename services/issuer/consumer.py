"""The consumer: which events of its own node the issuer takes in."""

from __future__ import annotations

from collections.abc import Mapping

from services.issuer.credentials.restored import restore_issued
from services.issuer.offers.handlers import on_offer
from services.issuer.replica.handlers import on_status, on_trust
from shared.events.base import Event
from shared.events.issuance import CredentialIssued
from shared.events.offers import OfferPublished, OfferWithdrawn
from shared.events.registrations import CredentialRegistered
from shared.events.status import CredentialReinstated, CredentialRevoked, CredentialsRevoked, CredentialSuspended
from shared.events.trust import AccreditationWithdrawn, InstitutionAccredited, InstitutionKeyAdded, InstitutionKeyRetired
from shared.inbox.received import Handler, on

SUBSCRIPTIONS: Mapping[type[Event], Handler] = dict(
    (
        on(InstitutionAccredited, on_trust),
        on(AccreditationWithdrawn, on_trust),
        on(InstitutionKeyAdded, on_trust),
        on(InstitutionKeyRetired, on_trust),
        on(CredentialSuspended, on_status),
        on(CredentialReinstated, on_status),
        on(CredentialRevoked, on_status),
        on(CredentialsRevoked, on_status),
        on(CredentialRegistered, on_status),
        on(OfferPublished, on_offer),
        on(OfferWithdrawn, on_offer),
    )
)

RESTORES: Mapping[type[Event], Handler] = dict([on(CredentialIssued, restore_issued)])
"""The issuer's own events, and what each does again to its state where its store was set back to an older backup."""

STREAMS = ("checkpoints", "trust", "status", "registrations", "catalogue")
"""The streams of these events, in the order in which they are read; the checkpoints say how far the others go."""

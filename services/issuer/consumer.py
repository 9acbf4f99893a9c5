"""The bus door: what the issuer hears of its own node."""

from __future__ import annotations

from collections.abc import Mapping

from services.issuer.credentials.handlers import on_status, on_trust
from services.issuer.credentials.restored import restore_issued
from services.issuer.offers.handlers import on_offer
from shared.events.base import Event
from shared.events.issuance import CredentialIssued
from shared.events.offers import OfferPublished, OfferWithdrawn
from shared.events.registrations import CredentialRegistered
from shared.events.status import CredentialReinstated, CredentialRevoked, CredentialsRevoked, CredentialSuspended
from shared.events.trust import AccreditationWithdrawn, InstitutionAccredited, InstitutionKeyAdded, InstitutionKeyRetired
from shared.inbox.received import Handler

SUBSCRIPTIONS: Mapping[type[Event], Handler] = {
    InstitutionAccredited: on_trust,
    AccreditationWithdrawn: on_trust,
    InstitutionKeyAdded: on_trust,
    InstitutionKeyRetired: on_trust,
    CredentialSuspended: on_status,
    CredentialReinstated: on_status,
    CredentialRevoked: on_status,
    CredentialsRevoked: on_status,
    CredentialRegistered: on_status,
    OfferPublished: on_offer,
    OfferWithdrawn: on_offer,
}

RESTORES: Mapping[type[Event], Handler] = {CredentialIssued: restore_issued}
"""What its own events did to its state: done again where its store was set back to an older backup."""

STREAMS = ("checkpoints", "trust", "status", "registrations", "catalogue")
"""Which streams these come on, in the order in which they are drained; the checkpoints say what else there is to hear."""

"""Which events the registry receives, and which handler takes each.

It receives what its own issuer signed, and what other nodes offer. The other public streams reach its archive without a
handler, so that `/log` serves the entries of every node. Where its store was restored from an older backup, it receives its
own events too (`RESTORES`).
"""

from __future__ import annotations

from collections.abc import Mapping

from services.registry.catalogue.handlers import on_offer
from services.registry.credentials.restored import restore_changed, restore_registered
from services.registry.registration.handlers import on_credential_issued
from services.registry.revocations.restored import restore_revoked
from services.registry.trust.restored import restore_accredited, restore_announced, restore_key, restore_withdrawn
from shared.events.base import ISSUANCE, Event
from shared.events.issuance import CredentialIssued
from shared.events.offers import OfferPublished, OfferWithdrawn
from shared.events.registrations import CredentialRegistered
from shared.events.status import CredentialReinstated, CredentialRevoked, CredentialsRevoked, CredentialSuspended
from shared.events.trust import (
    AccreditationWithdrawn,
    InstitutionAccredited,
    InstitutionKeyAdded,
    InstitutionKeyRetired,
    ServiceKeyAdded,
)
from shared.inbox.received import Handler, on

SUBSCRIPTIONS: Mapping[type[Event], Handler] = dict(
    (
        on(CredentialIssued, on_credential_issued),
        on(OfferPublished, on_offer),
        on(OfferWithdrawn, on_offer),
    )
)

RESTORES: Mapping[type[Event], Handler] = dict(
    (
        on(InstitutionAccredited, restore_accredited),
        on(AccreditationWithdrawn, restore_withdrawn),
        on(InstitutionKeyAdded, restore_key),
        on(InstitutionKeyRetired, restore_key),
        on(ServiceKeyAdded, restore_announced),
        on(CredentialRegistered, restore_registered),
        on(CredentialSuspended, restore_changed),
        on(CredentialReinstated, restore_changed),
        on(CredentialRevoked, restore_changed),
        on(CredentialsRevoked, restore_revoked),
        on(OfferPublished, on_offer),
        on(OfferWithdrawn, on_offer),
    )
)
"""Its own events, and what repeats their effect on a store that was restored from an older backup."""

STREAMS = (ISSUANCE.name,)
"""This node's own streams that it listens to."""

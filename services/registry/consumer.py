"""The bus door: what the registry hears, and who deals with it.

It hears its own issuer, and what other nodes offer. The rest of their public streams reaches its archive without a handler
of its own, so that `/log` serves every origin's entries.
"""

from __future__ import annotations

from collections.abc import Mapping

from services.registry.catalogue.handlers import on_offer
from services.registry.credentials.handlers import on_credential_issued
from shared.bus.inbox import Handler
from shared.events.base import ISSUANCE, Event
from shared.events.issuance import CredentialIssued
from shared.events.offers import OfferPublished, OfferWithdrawn

SUBSCRIPTIONS: Mapping[type[Event], Handler] = {
    CredentialIssued: on_credential_issued,
    OfferPublished: on_offer,
    OfferWithdrawn: on_offer,
}

STREAMS = (ISSUANCE.name,)
"""This node's own streams that it listens to."""

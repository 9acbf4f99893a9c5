"""One function for all events about offers."""

from __future__ import annotations

from services.issuer.offers import repository
from shared.events.offers import OfferPublished, OfferWithdrawn
from shared.inbox.received import Received
from shared.log.outbox import Unit


async def on_offer(unit: Unit, received: Received[OfferPublished | OfferWithdrawn]) -> None:
    """Learn what an institution of this node offers now."""
    await repository.keep(unit.tx, received.event)

"""What is heard about offers."""

from __future__ import annotations

from services.issuer.offers import repository
from shared.events.offers import OfferPublished, OfferWithdrawn
from shared.inbox.received import Heard
from shared.log.outbox import Unit


async def on_offer(unit: Unit, heard: Heard) -> None:
    """Learn what an institution of this nation offers now."""
    assert isinstance(heard.event, OfferPublished | OfferWithdrawn)
    await repository.keep(unit.tx, heard.event)

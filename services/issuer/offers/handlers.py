"""What is heard about offers."""

from __future__ import annotations

from services.issuer.offers import repository
from shared.bus.inbox import Heard
from shared.bus.outbox import Unit
from shared.events.offers import OfferPublished, OfferWithdrawn


async def on_offer(unit: Unit, heard: Heard) -> None:
    """Learn what an institution of this nation offers now."""
    assert isinstance(heard.event, OfferPublished | OfferWithdrawn)
    await repository.keep(unit.tx, heard.event)

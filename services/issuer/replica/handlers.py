"""One function for each event that the issuer keeps as a fact."""

from __future__ import annotations

from services.issuer.replica import repository
from shared.events.base import Event
from shared.inbox.received import Received
from shared.log.outbox import Unit
from shared.status.facts import StatusEvent, from_entry


async def on_trust(unit: Unit, received: Received[Event]) -> None:
    """Learn who may issue what, by which key."""
    await repository.keep_trust(unit.tx, received)


async def on_status(unit: Unit, received: Received[StatusEvent]) -> None:
    """Learn what became of a credential: registered, suspended, reinstated, revoked."""
    await repository.keep_status(unit.tx, received.origin, from_entry(received.entry, received.event, received.known_at))

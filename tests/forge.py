"""What a rogue node, a stranger or a broken wire can make: entries signed with real keys and put in wrong places."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from shared.bus.port import Message
from shared.events.base import Event
from shared.events.chain import Position
from shared.events.entry import Entry, Place, Unsigned, message_headers, sign
from shared.ids import new_event_id, topic_name
from shared.jose.signers import Signer
from shared.log.archive import HEADS, position_of
from tests.world import Nation


async def head(nation: Nation, stream: str) -> Position:
    """Where a chain of that nation's registry really ends."""
    return position_of(await nation.engine("registry").store.get(HEADS, topic_name(nation.name, stream)))


async def heads(nation: Nation) -> Mapping[str, int]:
    """The sequences that all its chains have reached, as the next entry would name them."""
    return {stream: (await head(nation, stream)).seq for stream in ("trust", "status", "registrations")}


def said(event: Event, at: datetime, **changes: str) -> Unsigned:
    """An event as something said, with members replaced: `kind`, `stream`, `subject`."""
    return Unsigned.of(event, new_event_id(), at)._replace(**changes)


async def rogue(nation: Nation, event: Event, *, ahead: int = 1, previous: str | None = None, **changes: str) -> Entry:
    """An entry that the nation's own registry key signs behind its back, `ahead` places after its head."""
    spoken = said(event, nation.clock.now(), **changes)
    end = await head(nation, spoken.stream)
    place = Place(
        federation=nation.home.settings.federation,
        origin=nation.name,
        epoch=1,
        seq=end.seq + ahead,
        previous=previous or end.hash,
        after=await heads(nation),
    )
    return sign(spoken, place, nation.home.signer("registry"))


def by(signer: Signer, event: Event, place: Place, at: datetime) -> Entry:
    """An entry that any key signs for any place."""
    return sign(said(event, at), place, signer)


def message(entry: Entry) -> Message:
    """An entry as it lies on a bus."""
    return Message(entry.envelope.sub, entry.token.payload, message_headers(entry))

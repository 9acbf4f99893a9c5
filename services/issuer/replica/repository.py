"""How the facts of trust and status are stored. Each is kept under its origin, and a repeat changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, TypedDict, cast

from shared.events.base import CATALOGUE, Event
from shared.inbox.received import Received
from shared.status.facts import Fact, by_credential, from_document, key_cutoff, to_document
from shared.status.fold import State, fold
from shared.store.port import Collection, Document, DuplicateKey, Reader, Transaction
from shared.store.walk import every
from shared.trust.accreditation import TrustFact

STATUS_FACTS = Collection("status_facts")
"""By `<origin>/<ref>/...` or `<origin>/key/<kid>/...`: facts about a credential, or about all of a key."""

TRUST_FACTS = Collection("trust_facts")
"""By `<origin>/<epoch>/<sequence>/<hash>`: a `TrustRow`."""

TRUST_VERSION = Collection("trust_version")
"""By origin, empty: its version rises with each trust fact, so a
transaction can compare it."""

COLLECTIONS = (STATUS_FACTS, TRUST_FACTS, TRUST_VERSION)


class TrustRow(TypedDict):
    """A fact of the trust stream: the event, and its position in its origin's log."""

    kind: str
    value: str
    """The event as it was signed, JSON."""
    epoch: int
    seq: int
    after: Mapping[str, int]
    """How far the origin's other streams had come, by name."""


async def state_of(reader: Reader, origin: str, ref: str, kid: str) -> State:
    """What became of a credential, by what its registry emitted."""
    named = await _facts(reader, f"{origin}/{ref}/")
    cutoffs = (key_cutoff(fact) for fact in await _facts(reader, f"{origin}/key/{kid}/"))
    return fold(named, [cutoff for cutoff in cutoffs if cutoff])


async def keep_status(tx: Transaction, origin: str, fact: Fact) -> None:
    """Keep a fact under every credential it names, and under the key it speaks of."""
    for ref, narrow in by_credential(fact):
        await _insert_new(tx, STATUS_FACTS, f"{origin}/{ref}/{_log_position(narrow)}", to_document(narrow))
    cutoff = key_cutoff(fact)
    if cutoff is not None:
        await _insert_new(tx, STATUS_FACTS, f"{origin}/key/{cutoff.kid}/{_log_position(fact)}", to_document(fact))


async def keep_trust(tx: Transaction, received: Received[Event]) -> None:
    """Keep a fact of the trust stream, and let the version rise with it."""
    key = f"{received.origin}/{received.epoch:06d}/{received.seq:015d}/{received.hash}"
    row = TrustRow(
        kind=received.event.kind,
        value=received.entry.token.payload.decode(),
        epoch=received.epoch,
        seq=received.seq,
        after=dict(received.after),
    )
    if await _insert_new(tx, TRUST_FACTS, key, row):
        await tx.put(TRUST_VERSION, received.origin, {}, expect=await trust_version(tx, received.origin))


async def trust_version(reader: Reader, origin: str) -> int:
    """How many trust facts of an origin are kept; 0 before the first."""
    row = await reader.get(TRUST_VERSION, origin)
    return row.version if row else 0


async def trust_facts(reader: Reader, origin: str) -> list[TrustFact]:
    """Every trust fact of an origin."""
    return [_trust_fact(row) async for row in every(reader, TRUST_FACTS, prefix=f"{origin}/")]


async def _facts(reader: Reader, prefix: str) -> Iterable[Fact]:
    return [from_document(row.body) async for row in every(reader, STATUS_FACTS, prefix=prefix)]


async def _insert_new(tx: Transaction, collection: Collection, key: str, body: Mapping[str, Any]) -> bool:
    """Insert what may be there already; returns whether it was new."""
    with suppress(DuplicateKey):
        await tx.insert(collection, key, body)
        return True
    return False


def _log_position(fact: Fact) -> str:
    return f"{fact.event.stream.name}/{fact.epoch:06d}/{fact.seq:015d}/{fact.hash}"


def _trust_fact(document: Document) -> TrustFact:
    row = cast("TrustRow", document.body)
    event = CATALOGUE[row["kind"]].model_validate_json(row["value"])
    return TrustFact(event, row["epoch"], row["seq"], row["after"])

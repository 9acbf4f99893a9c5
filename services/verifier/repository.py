"""How facts are stored: each under the origin that signed it, once, for good. Nothing here is ever changed or deleted.

State is not stored: it is folded from the facts when it is asked for. Losing this store loses nothing that the log does not
hold.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from services.verifier.domain import Book, book_of
from shared.clock import rfc3339
from shared.events.base import CATALOGUE
from shared.log.outbox import Unit
from shared.status.facts import Fact, KeyCutoff, from_document, to_document
from shared.store.port import PAGE, Collection, Document, DuplicateKey, Reader, Transaction
from shared.trust.accreditation import TrustFact

FACTS = Collection("facts")
"""One fact about one credential, by `<origin>/<ref>/<hash>`: `shared.status.facts.to_document`."""

CUTOFFS = Collection("cutoffs")
"""What was said of a key's credentials, by `<origin>/<hash>`: the members of `KeyCutoff`."""

TRUST_FACTS = Collection("trust_facts")
"""One event of a trust stream, by `<origin>/<hash>`: `{kind, event, epoch, seq, after}`."""

REVISIONS = Collection("revisions")
"""Per origin, `{facts}`: how many facts its book is made of. They only accumulate, so the number names the set."""

COLLECTIONS = (FACTS, CUTOFFS, TRUST_FACTS, REVISIONS)


def add_facts(unit: Unit, origin: str, facts: list[tuple[str, Fact]]) -> None:
    """Store facts under the credentials that they name; one that is there already is left alone."""
    for ref, fact in facts:
        unit.add(FACTS, f"{origin}/{ref}/{fact.hash}", to_document(fact))


async def add_trust_fact(tx: Transaction, origin: str, entry: str, fact: TrustFact) -> None:
    """Store a fact of the trust stream, under its entry's hash; a repeat changes nothing."""
    members = fact.event.model_dump(mode="json", exclude_none=True)
    body = {"kind": fact.event.kind, "event": members, "epoch": fact.epoch, "seq": fact.seq, "after": dict(fact.after)}
    await _add_to_book(tx, TRUST_FACTS, f"{origin}/{entry}", body)


async def add_cutoff(tx: Transaction, origin: str, cutoff: KeyCutoff) -> None:
    """Store what was said of a key's credentials; a repeat changes nothing."""
    body = {**asdict(cutoff), "effective": rfc3339(cutoff.effective), "known_at": rfc3339(cutoff.known_at)}
    await _add_to_book(tx, CUTOFFS, f"{origin}/{cutoff.hash}", body)


async def facts_of(reader: Reader, origin: str, ref: str) -> tuple[Fact, ...]:
    """Every fact that names a credential."""
    rows = await _every(reader, FACTS, f"{origin}/{ref}/")
    return tuple([from_document(row.body) for row in rows])


async def revision_of(reader: Reader, origin: str) -> int:
    """Of how many facts an origin's book is made now."""
    row = await reader.get(REVISIONS, origin)
    return row.body["facts"] if row else 0


async def read_book(reader: Reader, origin: str) -> Book:
    """An origin's book. The revision is read first, so what comes in meanwhile makes it newer than it says, never older."""
    revision = await revision_of(reader, origin)
    facts = [_trust_fact(row.body) for row in await _every(reader, TRUST_FACTS, f"{origin}/")]
    return book_of(revision, facts, [_cutoff(row.body) for row in await _every(reader, CUTOFFS, f"{origin}/")])


async def _add_to_book(tx: Transaction, collection: Collection, key: str, body: dict[str, Any]) -> None:
    try:
        await tx.insert(collection, key, body)
    except DuplicateKey:
        return
    origin = key.partition("/")[0]
    held = await tx.get(REVISIONS, origin)
    revision = {"facts": held.body["facts"] + 1 if held else 1}
    await tx.put(REVISIONS, origin, revision, expect=held.version if held else 0)


async def _every(reader: Reader, collection: Collection, prefix: str) -> list[Document]:
    rows = page = await reader.scan(collection, prefix=prefix)
    while len(page) == PAGE:
        page = await reader.scan(collection, prefix=prefix, after=page[-1].key)
        rows = [*rows, *page]
    return rows


def _trust_fact(body: dict[str, Any]) -> TrustFact:
    # not strict: stored instants and tuples are plain JSON here, and the event was judged strictly when it arrived
    event = CATALOGUE[body["kind"]].__pydantic_validator__.validate_python(body["event"], strict=False)
    return TrustFact(event, body["epoch"], body["seq"], body["after"])


def _cutoff(body: dict[str, Any]) -> KeyCutoff:
    instants = {name: datetime.fromisoformat(body[name]) for name in ("effective", "known_at")}
    return KeyCutoff(**{**body, **instants})

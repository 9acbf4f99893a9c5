"""What may be asked, and what one origin said that touches more than one credential: its trust book and cut-off keys. Pure.

A book is a function of a set of facts that only grows, so the number of facts it was made of names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.clock import MAX_SKEW
from shared.errors import Invalid, Malformed
from shared.formats import europass
from shared.status.facts import KeyCutoff
from shared.trust.accreditation import TrustBook, TrustFact


class MomentAhead(Invalid):
    """422: what will be true then is not known yet."""

    title = "The moment that is asked about lies ahead."


def require_past(now: datetime, *moments: datetime | None) -> None:
    """Refuse a question about what will be, or what will be known: `MomentAhead`."""
    if any(moment is not None and moment > now + MAX_SKEW for moment in moments):
        raise MomentAhead("Ask about now, by leaving as_of and known_at out, or about an earlier moment.")


class NotSealed(Malformed):
    """400: no sealed file, which is another thing than a seal that does not hold."""

    title = "That is no sealed Europass file."


def require_sealed(raw: bytes) -> bytes:
    """The bytes, where they look like a sealed file; otherwise `NotSealed`."""
    if europass.recognise(raw) is None:
        raise NotSealed("Send the file as the holder has it: a JSON object with `payload` and `signatures`.")
    return raw


@dataclass(frozen=True, slots=True)
class Book:
    """One origin's trust book and key cutoffs, as of a revision (0: nothing was said yet)."""

    revision: int
    trust: TrustBook
    cutoffs: Mapping[str, tuple[KeyCutoff, ...]]
    """By key id."""


def book_of(revision: int, facts: Iterable[TrustFact], cutoffs: Iterable[KeyCutoff]) -> Book:
    """The book that these facts make, in whatever order they come."""
    by_key: dict[str, tuple[KeyCutoff, ...]] = {}
    for cutoff in cutoffs:
        by_key[cutoff.kid] = (*by_key.get(cutoff.kid, ()), cutoff)
    return Book(revision, TrustBook(facts), by_key)

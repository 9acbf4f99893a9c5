"""What is offered where, what one may look for, and why an offer is refused. Pure.

- An institution offers only what it is accredited for now; what is no longer covered is withdrawn with the accreditation.
- A word of a search is found wherever it stands in the words of an offer, without regard to case and accents.
- An offer is shown while its node is an active member of the federation and speaks for the awarding body's country.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from shared.credential.levels import eqf_of
from shared.credential.offer import Offer
from shared.errors import Conflict, Invalid, NotFound
from shared.trust.nodes import Node
from shared.trust.scope import RequiredScope

MAX_OFFERS = 5_000
"""Names of offers that are kept of one node."""

MAX_OFFER_BYTES = 64 * 1024
"""The longest offer, as it is published."""


class OfferNotFound(NotFound):
    """404: this is not offered, or no longer."""

    title = "There is no such offer."


class OfferOutOfScope(Invalid):
    """422: the institution is not accredited for what it would offer. `faults` says for what."""

    title = "The institution is not accredited for that offer."


class OfferTooLong(Invalid):
    """422: more text than an offer may have."""

    title = "The offer is too long."


class CatalogueFull(Conflict):
    """409: this node has offered as many things as are kept of one."""

    title = "The catalogue takes no more offers of this node."


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedOffer:
    """An offer in the catalogue; `key` is `<node>/<institution>/<offer>`."""

    key: str
    version: int
    published: datetime
    offer: Offer
    words: str
    """Every word of it, folded."""
    eqf: int | None

    @classmethod
    def of(cls, key: str, version: int, published: datetime, offer: Offer) -> ListedOffer:
        """An offer as the catalogue lists it."""
        words = fold("\n".join(_texts(offer)))
        return cls(
            key=key,
            version=version,
            published=published,
            offer=offer,
            words=words,
            eqf=eqf_of(offer.level, offer.awarding_body.country),
        )

    @property
    def node(self) -> str:
        """The node that published it."""
        return self.key.partition("/")[0]

    @property
    def institution(self) -> str:
        """The institution that offers it."""
        return self.key.split("/")[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferQuery:
    """What is looked for; None and an empty text ask for nothing."""

    text: str = ""
    eqf: int | None = None
    ects_min: float | None = None
    ects_max: float | None = None
    isced_f: str | None = None
    language: str | None = None
    country: str | None = None
    node: str | None = None
    institution: str | None = None
    stacks_into: str | None = None
    stackable: bool | None = None

    def test(self) -> Callable[[ListedOffer], bool]:
        """Whether a listed offer fulfils the query: every word and every condition."""
        tests = list(self._tests())
        return lambda listed: all(test(listed) for test in tests)

    def _tests(self) -> Iterator[Callable[[ListedOffer], bool]]:
        if self.node is not None:
            yield lambda listed: listed.node == self.node
        if self.institution is not None:
            yield lambda listed: listed.institution == self.institution
        if self.country is not None:
            yield lambda listed: listed.offer.awarding_body.country == self.country
        if self.eqf is not None:
            yield lambda listed: listed.eqf == self.eqf
        if self.language is not None:
            yield lambda listed: self.language in listed.offer.languages
        if self.isced_f is not None:
            field = self.isced_f
            yield lambda listed: (listed.offer.isced_f or "").startswith(field)
        if self.stacks_into is not None:
            yield lambda listed: self.stacks_into in listed.offer.stacks_into
        if self.stackable is not None:
            yield lambda listed: _stackable(listed.offer) == self.stackable
        if self.ects_min is not None or self.ects_max is not None:
            yield self._has_credits
        for word in fold(self.text).split():
            yield lambda listed, word=word: word in listed.words  # type: ignore[misc]

    def _has_credits(self, listed: ListedOffer) -> bool:
        ects = listed.offer.workload.ects
        return ects is not None and (self.ects_min or 0) <= ects <= (self.ects_max or float("inf"))


def fold(text: str) -> str:
    """Text for comparing: without case and accents (Unicode NFKD, full case folding)."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(sign for sign in plain if not unicodedata.combining(sign))


def shown(listed: ListedOffer, node: Node | None) -> bool:
    """Whether the offer of that node is shown."""
    return node is not None and node.status == "active" and node.covers(listed.offer.awarding_body.country)


def wanted_of(offer: Offer) -> RequiredScope:
    """What an institution must be accredited for to offer this."""
    country = offer.awarding_body.country
    return RequiredScope(offer.credential_type, eqf_of(offer.level, country), offer.isced_f, country)


def _stackable(offer: Offer) -> bool:
    return offer.stackability is not None and offer.stackability.kind == "stackable"


def _texts(offer: Offer) -> Iterator[str]:
    yield from offer.title.values()
    yield from offer.awarding_body.legal_name.values()
    for outcome in offer.learning_outcomes:
        yield from outcome.title.values()
    for text in (offer.prerequisites, offer.further_information):
        yield from (text or {}).values()

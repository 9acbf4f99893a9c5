"""What may be asked about offers, and what is answered."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from services.registry.catalogue.domain import ListedOffer
from shared.clock import Instant
from shared.events.base import Slug
from shared.web.command import Command, View

Text = dict[str, str]
"""A text by language (ISO 639-1)."""


class PublishOffer(Command):
    """Offer a micro-credential, or publish a new version of what is offered already."""

    institution: Slug = Field(examples=["tartu"])
    """The institution that offers it."""
    offer: Slug = Field(examples=["data-literacy"])
    """Its name among the institution's offers."""
    document: dict[str, Any] = Field(examples=[{"title": "Data literacy", "workload": {"ects": 2, "hours": 52}}])
    """The micro-credential as its credentials will say it, without learner, date and grade; and `taught_in`, `begins`,
    `ends`, `apply`, `price`, `stacks_into`."""


class OfferSummary(View):
    """An offer as a list shows it."""

    name: str
    """`<node>/<institution>/<offer>`: its name in all the federation."""
    title: Text
    awarding_body: Text
    country: str
    eqf: int | None
    ects: float | None
    hours: float | None
    isced_f: str | None
    languages: tuple[str, ...]
    """In which it is taught."""
    version: int
    published: Instant


class OfferView(OfferSummary):
    """A whole offer."""

    document: dict[str, Any]
    """The offer as it was published, names in camel case."""


def summary(listed: ListedOffer) -> OfferSummary:
    """An offer as a list shows it."""
    return OfferSummary(**_summary(listed))


def view(listed: ListedOffer) -> OfferView:
    """An offer, whole."""
    return OfferView(**_summary(listed), document=listed.offer.document())


def _summary(listed: ListedOffer) -> dict[str, Any]:
    offer = listed.offer
    return {
        "name": listed.key,
        "title": offer.title,
        "awarding_body": offer.awarding_body.legal_name,
        "country": offer.awarding_body.country,
        "eqf": listed.eqf,
        "ects": offer.workload.ects,
        "hours": offer.workload.hours,
        "isced_f": offer.isced_f,
        "languages": offer.languages,
        "version": listed.version,
        "published": listed.published,
    }

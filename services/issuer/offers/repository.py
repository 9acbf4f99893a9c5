"""How offers are kept here: the templates of credentials, each in its newest version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from shared.credential.offer import Offer
from shared.credential.stack import ANY, StackRule
from shared.errors import NotFound
from shared.events.offers import OfferPublished, OfferWithdrawn
from shared.store.port import Collection, Reader, Transaction

TEMPLATES = Collection("templates")
"""By `<institution>/<offer>`: `{document}`, the offer as it was published; gone once it is withdrawn."""

COLLECTIONS = (TEMPLATES,)


class OfferUnknown(NotFound):
    """404: the institution offers nothing of that name, or not any more, or its publication has not arrived yet."""

    title = "There is no such offer of the institution."


class OfferTemplate(NamedTuple):
    """What every credential that is issued from an offer has in common, and the rule for the parts of a stacked one."""

    template: Mapping[str, Any]
    rule: StackRule


async def find(reader: Reader, institution: str, offer: str) -> OfferTemplate:
    """What is issued from an offer; raises `OfferUnknown`."""
    row = await reader.get(TEMPLATES, f"{institution}/{offer}")
    if row is None:
        raise OfferUnknown("Check its name against the registry's catalogue; if it was just published, try again.")
    try:
        published = Offer.published(row.body["document"])
    except ValidationError:  # another version of this software published it
        raise OfferUnknown("It cannot be read here; run one version of this software on all of the node.") from None
    return OfferTemplate(published.template(), published.rule or ANY)


async def keep(tx: Transaction, event: OfferPublished | OfferWithdrawn) -> None:
    """Keep an offer as it was published, or delete it where it was withdrawn."""
    key = event.subject()
    kept = await tx.get(TEMPLATES, key)
    if isinstance(event, OfferPublished):
        await tx.put(TEMPLATES, key, {"document": event.document}, expect=kept.version if kept else 0)
    elif kept is not None:
        await tx.delete(TEMPLATES, key)

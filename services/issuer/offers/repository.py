"""How offers are kept here: the templates of credentials, each in its newest version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.credential.offer import Offer
from shared.errors import NotFound
from shared.events.offers import OfferPublished, OfferWithdrawn
from shared.store.port import Collection, Reader, Transaction

TEMPLATES = Collection("templates")
"""By `<institution>/<offer>`: `{template}`, the draft that an offer makes; gone once the offer is withdrawn."""

COLLECTIONS = (TEMPLATES,)


class OfferUnknown(NotFound):
    """404: the institution offers nothing of that name, or not any more, or its publication was not heard yet."""

    title = "There is no such offer of the institution."


async def template(reader: Reader, institution: str, offer: str) -> Mapping[str, Any]:
    """The draft that an offer makes; raises `OfferUnknown`."""
    row = await reader.get(TEMPLATES, f"{institution}/{offer}")
    if row is None:
        raise OfferUnknown("Check its name against the registry's catalogue; if it was just published, try again.")
    found: Mapping[str, Any] = row.body["template"]
    return found


async def keep(tx: Transaction, said: OfferPublished | OfferWithdrawn) -> None:
    """Keep what is said of an offer."""
    key = said.subject()
    held = await tx.get(TEMPLATES, key)
    if isinstance(said, OfferPublished):
        body = {"template": Offer.published(said.document).template()}
        await tx.put(TEMPLATES, key, body, expect=held.version if held else 0)
    elif held is not None:
        await tx.delete(TEMPLATES, key)

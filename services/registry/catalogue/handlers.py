"""What is done about offers: one function a command, one for the events of other nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from services.registry.catalogue import repository
from services.registry.catalogue.commands import OfferView, PublishOffer, view
from services.registry.catalogue.domain import (
    MAX_OFFER_BYTES,
    CatalogueFull,
    ListedOffer,
    OfferNotFound,
    OfferOutOfScope,
    OfferTooLong,
    shown,
    wanted_of,
)
from services.registry.catalogue.repository import StoredOffer
from services.registry.trust import repository as trust
from services.registry.trust.domain import InstitutionNotFound, not_covered
from shared.credential.faults import Fault, as_members
from shared.credential.offer import Offer
from shared.credential.offering import read_offer
from shared.events.offers import OfferPublished, OfferWithdrawn
from shared.home.membership import Membership
from shared.inbox.received import Received
from shared.log.outbox import Unit
from shared.store.port import Reader
from shared.telemetry import get_logger
from shared.trust.scope import PLACES, REFUSALS
from shared.web.auth.authorities import Caller

_log = get_logger("catalogue")


async def publish_offer(unit: Unit, caller: Caller, command: PublishOffer, node: str) -> OfferView:
    """Publish an offer of an institution that is accredited for it, as the version after the last."""
    _require_own(caller, command.institution)
    await trust.institution(unit.tx, command.institution)
    offer = read_offer(command.document, unit.now)
    document = offer.document()
    _require_short(document)
    await _require_covered(unit, command.institution, offer)
    key = f"{node}/{command.institution}/{command.offer}"
    before = await repository.find(unit.tx, key)
    version = before.version + 1 if before else 1
    await repository.keep(unit.tx, key, version, document, unit.now)
    event = OfferPublished(institution=command.institution, offer=command.offer, version=version, document=document)
    await unit.emit(event)
    await unit.audit("offer.publish", event.subject(), version=version)
    return view(ListedOffer.of(key, version, unit.now, offer))


async def withdraw_offer(unit: Unit, caller: Caller, node: str, institution: str, offer: str) -> OfferView:
    """Offer it no more; what was issued from it stands."""
    _require_own(caller, institution)
    stored = await repository.find(unit.tx, f"{node}/{institution}/{offer}")
    listed = stored.listed() if stored else None
    if stored is None or listed is None:
        raise OfferNotFound("Check its name against GET /catalogue; it may have been withdrawn before.")
    await _withdraw(unit, stored)
    return view(listed)


async def withdraw_uncovered(unit: Unit, node: str, institution: str) -> None:
    """Withdraw the offers of an institution for which it is accredited no longer."""
    accreditations = await trust.accreditations(unit.tx, institution)
    for stored in await repository.of_institution(unit.tx, node, institution):
        listed = stored.listed()
        if listed and not_covered(accreditations, wanted_of(listed.offer), unit.now) is not None:
            await _withdraw(unit, stored)


async def show_offer(reader: Reader, membership: Membership, key: str) -> OfferView:
    """An offer of an active member; raises `OfferNotFound`."""
    listed = await repository.find_listed(reader, key)
    if listed is None or not shown(listed, membership.node(listed.node)):
        raise OfferNotFound("Look for it by GET /catalogue; it may have been withdrawn.")
    return view(listed)


async def on_offer(unit: Unit, received: Received[OfferPublished | OfferWithdrawn]) -> None:
    """Keep what another node offers; beyond `MAX_OFFERS` of one node, new names are left out."""
    event = received.event
    key = f"{received.origin}/{event.subject()}"
    if isinstance(event, OfferPublished):
        version, document = event.version, event.document
    elif before := await repository.find(unit.tx, key):
        version, document = before.version, None
    else:
        return
    try:
        await repository.keep(unit.tx, key, version, document, received.entry.envelope.issued_at)
    except CatalogueFull:
        _log.warning(
            "the node offers more than the catalogue keeps of one node; the offer is left out", node=received.origin
        )


async def _withdraw(unit: Unit, stored: StoredOffer) -> None:
    _, institution, offer = stored.key.split("/")
    await repository.keep(unit.tx, stored.key, stored.version, None, unit.now)
    await unit.emit(OfferWithdrawn(institution=institution, offer=offer))
    await unit.audit("offer.withdraw", f"{institution}/{offer}")


async def _require_covered(unit: Unit, institution: str, offer: Offer) -> None:
    reason = not_covered(await trust.accreditations(unit.tx, institution), wanted_of(offer), unit.now)
    if reason is not None:
        faults = as_members([Fault(PLACES.get(reason, ""), reason, REFUSALS[reason])])
        raise OfferOutOfScope("Offer what it is accredited for, or have its accreditation widened.", faults=faults)


def _require_own(caller: Caller, institution: str) -> None:
    if caller.institution not in (None, institution):
        raise InstitutionNotFound("Accredit it first, or check its name against /institutions.")


def _require_short(document: Mapping[str, Any]) -> None:
    if len(orjson.dumps(document)) > MAX_OFFER_BYTES:
        raise OfferTooLong(f"Shorten its texts: it may have {MAX_OFFER_BYTES // 1024} KiB in all.")

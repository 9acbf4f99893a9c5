"""One function for each command and each event heard about offers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from services.registry.catalogue import repository
from services.registry.catalogue.commands import OfferView, PublishOffer, view
from services.registry.catalogue.domain import (
    MOST_BYTES,
    CatalogueFull,
    Listed,
    OfferNotFound,
    OfferOutOfScope,
    OfferTooLong,
    shown,
    wanted_of,
)
from services.registry.trust import repository as trust
from services.registry.trust.domain import InstitutionNotFound, not_covered
from shared.credential.faults import Fault, as_members
from shared.credential.offer import Offer
from shared.credential.offering import read_offer
from shared.events.offers import OfferPublished, OfferWithdrawn
from shared.home.membership import Membership
from shared.inbox.received import Received
from shared.log.outbox import Unit
from shared.store.port import Document, Reader
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
    held = await repository.find(unit.tx, key)
    version = held.body["version"] + 1 if held else 1
    await repository.keep(unit.tx, key, version, document, unit.now)
    said = OfferPublished(institution=command.institution, offer=command.offer, version=version, document=document)
    await unit.emit(said)
    await unit.audit("offer.publish", said.subject(), version=version)
    return view(Listed.of(key, version, unit.now, offer))


async def withdraw_offer(unit: Unit, caller: Caller, node: str, institution: str, offer: str) -> OfferView:
    """Offer it no more; what was issued from it stands."""
    _require_own(caller, institution)
    row = await repository.find(unit.tx, f"{node}/{institution}/{offer}")
    listed = repository.listed(row)
    if row is None or listed is None:
        raise OfferNotFound("Check its name against GET /catalogue; it may have been withdrawn before.")
    await _withdraw(unit, row)
    return view(listed)


async def withdraw_uncovered(unit: Unit, node: str, institution: str) -> None:
    """Withdraw the offers of an institution for which it is accredited no longer."""
    accreditations = await trust.accreditations(unit.tx, institution)
    for row in await repository.of_institution(unit.tx, node, institution):
        listed = repository.listed(row)
        if listed and not_covered(accreditations, wanted_of(listed.offer), unit.now) is not None:
            await _withdraw(unit, row)


async def show_offer(reader: Reader, membership: Membership, key: str) -> OfferView:
    """An offer of an active member; raises `OfferNotFound`."""
    listed = repository.listed(await repository.find(reader, key))
    if listed is None or not shown(listed, membership.node(listed.node)):
        raise OfferNotFound("Look for it by GET /catalogue; it may have been withdrawn.")
    return view(listed)


async def on_offer(unit: Unit, received: Received[OfferPublished | OfferWithdrawn]) -> None:
    """Keep what another node says of its offers; beyond what is kept of one node, new names are left out."""
    event = received.event
    key = f"{received.origin}/{event.subject()}"
    held = await repository.find(unit.tx, key)
    published = isinstance(event, OfferPublished)
    if held is None and not published:
        return
    version = event.version if isinstance(event, OfferPublished) else held.body["version"] if held else 0
    document = event.document if isinstance(event, OfferPublished) else None
    try:
        await repository.keep(unit.tx, key, version, document, received.entry.envelope.issued_at)
    except CatalogueFull:
        _log.warning("a node offers more than is kept of one", node=received.origin)


async def _withdraw(unit: Unit, row: Document) -> None:
    _, institution, offer = row.key.split("/")
    await repository.keep(unit.tx, row.key, row.body["version"], None, unit.now)
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
    if len(orjson.dumps(document)) > MOST_BYTES:
        raise OfferTooLong(f"Shorten its texts: it may have {MOST_BYTES // 1024} KiB in all.")

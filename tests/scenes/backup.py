"""A nation whose databases are set back to an older copy, as an operator does it: stopped, files replaced, started."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from services.cli.node.migration import state_hashes
from services.node import collections_of
from services.registry.credentials.commands import RevokeCredential
from services.registry.credentials.handlers import revoke_credential
from shared.clock import SystemClock
from shared.credential import written
from shared.home.folder import Home
from shared.log.outbox import Outbox
from shared.store.open import open_store
from shared.web.auth.authorities import Caller
from tests.scenes.federation import archive, comes_to, comes_true, holds_all, ref_of
from tests.world import EXAMPLE, Nation

STORES = ("issuer.db", "registry.db", "verifier.db", "notifier.db")
BUS = "bus.db"
PATIENCE = 90.0
"""Seconds until a neighbour has asked again for the log of a node that was down."""

OFFER = written.read(EXAMPLE.with_name("offer.yaml").read_bytes())


def backs_up(home: Home, to: Path) -> None:
    """Copy every database of a node that is stopped."""
    to.mkdir()
    for name in (*STORES, BUS):
        for file in home.folder.rglob(f"{name}*"):
            shutil.copy(file, to / file.name)


def sets_back(home: Home, to: Path, *names: str) -> None:
    """Put older databases of a node that is stopped in the place of the newer ones."""
    for name in names:
        (place,) = {file.parent for file in home.folder.rglob(f"{name}*")}
        for newer in place.glob(f"{name}*"):
            newer.unlink()
        for older in to.glob(f"{name}*"):
            shutil.copy(older, place / older.name)


def loses_its_bus(home: Home) -> None:
    """Let a node that is stopped begin with a new, empty bus."""
    for file in home.folder.rglob(f"{BUS}*"):
        file.unlink()


async def revokes_unsigned(home: Home, ref: str) -> None:
    """Revoke a credential on a node that dies before the event is signed."""
    store = await open_store(home.settings.store_url, "registry", collections_of("registry"))
    outbox, caller = Outbox(store, SystemClock()), Caller("someone", frozenset(), None, "someone's")
    command = RevokeCredential(reason="error")
    await outbox.transact(lambda unit: revoke_credential(unit, caller, ref, command, None), caller.actor)
    await store.close()


@dataclass
class Past:
    """What a nation did after its backup was made, and all of its log then."""

    revoked: dict[str, str] = field(default_factory=dict)
    """Credentials that do not hold any more, by what was done."""
    standing: dict[str, str] = field(default_factory=dict)
    log: Mapping[str, list[str]] = field(default_factory=dict)


async def lives_on(ee: Nation, kept: Mapping[str, str], pt: Nation) -> Past:
    """Do everything after a backup that a nation may do: `kept` are credentials from before."""
    past = Past()
    await ee.revokes(await ref_of(ee, kept["revoked later"]))
    past.revoked["revoked"] = kept["revoked later"]
    await ee.accredits("narva")
    later, bulk, short = [await ee.issues("narva") for _ in range(3)]
    past.standing["issued later"] = later
    mass = {"refs": [await ref_of(ee, bulk)], "reason": "withdrawn"}
    await ee.must("registry", "POST", "/revocations", mass)
    past.revoked["revoked with others"] = bulk
    ref = await ref_of(ee, short)
    await ee.must("registry", "POST", f"/credentials/{ref}/suspend", {"reason": "unspecified"})
    await ee.must("registry", "POST", f"/credentials/{ref}/reinstate")
    past.standing["suspended and reinstated"] = short
    await ee.must("registry", "POST", "/offers", {"institution": "narva", "offer": "data", "document": OFFER})
    await _ends(ee, "viljandi")
    await ee.accredits("parnu")
    key = (await ee.must("registry", "GET", "/institutions/parnu"))["keys"][0]["kid"]
    past.revoked["its key was revoked"] = await ee.issues("parnu")
    await comes_to(ee, past.revoked["its key was revoked"], "valid")
    await ee.must("registry", "POST", "/revocations", {"key": key, "reason": "error"})
    await ee.settles()
    await comes_true(lambda: holds_all(pt, ee), within=PATIENCE)
    past.log = await archive(ee, "ee")
    return past


async def _ends(nation: Nation, slug: str) -> None:
    """Accredit an institution, and end that and its key."""
    await nation.accredits(slug)
    shown = await nation.must("registry", "GET", f"/institutions/{slug}")
    accreditation, key = shown["accreditations"][0]["accreditation"], shown["keys"][0]["kid"]
    await nation.must("registry", "POST", f"/institutions/{slug}/keys/{key}/retire", {"reason": "superseded"})
    await nation.must("registry", "POST", f"/institutions/{slug}/accreditations/{accreditation}/withdraw")


async def agree(one: Nation, other: Nation, origin: str) -> bool:
    """Whether two nations' verifiers hold the same facts of a nation."""
    here, there = [await state_hashes(nation.engine("verifier").store) for nation in (one, other)]
    return here.get(origin) is not None and here.get(origin) == there.get(origin)


async def is_whole(nation: Nation) -> bool:
    """Whether neither registry nor issuer is held."""
    return all(nation.engine(service).continuity.log_complete.on for service in ("registry", "issuer"))


async def has_come_back(nation: Nation) -> bool:
    """Whether neither is held, the issuer having asked the registry beside it."""
    return not nation.engine("issuer").continuity.silent() and await is_whole(nation)

"""The node's own service keys on its trust stream: each is announced, and retired once its successor signs.

The folder tells which keys there are (`shared.home.generations`), and the store what was emitted about them. What is lost if
the process dies here: nothing. The next look finds the same folder, and the store says how far it had come.
"""

from __future__ import annotations

import asyncio
from itertools import pairwise

from services.registry.trust import repository
from shared.engine.engine import Engine
from shared.errors import TestamurError
from shared.events.base import CHECKPOINTS, ISSUANCE
from shared.events.chain import log_prefix
from shared.events.entry import parse
from shared.events.trust import ServiceKeyAdded, ServiceKeyRetired
from shared.home.folder import CERTIFIED
from shared.home.generations import Generation
from shared.ids import topic_name
from shared.log.archive import HEADS, LOG, position_of
from shared.log.keyring import SERVICE_KEYS
from shared.log.outbox import Unit
from shared.store.port import Store
from shared.telemetry import get_logger
from shared.trust.certificates import kid_in

POLL_SECONDS = 1.0
"""Between two looks at the folder; as long as nothing changed, a look lists its files and no more."""

UNCHAINED = (CHECKPOINTS.name, ISSUANCE.name)
"""Streams that lie outside the order of the registry's chains."""

_log = get_logger("service-keys")


async def announce_service_keys(engine: Engine) -> int:
    """Emit the certificates of this node's service keys that were not emitted yet; returns how many.

    The registry's own event key comes first, so that the first entry of the trust stream certifies the key that signs it.
    Raises `Misconfigured`, and emits nothing, where a private key is missing: nothing could be signed once it is announced.
    """
    for name in CERTIFIED:
        engine.home.signer(name)
    certified = {certificate: kid_in(certificate) for certificate in engine.home.certificates().values()}

    async def work(unit: Unit) -> int:
        for certificate, kid in certified.items():
            if await repository.announce(unit.tx, kid):
                await unit.emit(ServiceKeyAdded(kid=kid, certificate=certificate))
                await unit.audit("service-key.announce", kid)
        return len(unit.emitted)

    return await engine.outbox.transact(work, actor="registry")


async def retire_service_keys(engine: Engine) -> bool:
    """Emit the end of each key whose successor signs in its place; returns whether all keys before the newest have ended."""
    is_done = True
    for name in CERTIFIED:
        for old, new in pairwise(engine.home.generations.of(name)):
            if await signs(engine.store, engine.settings.node, name, kid_in(new.certificate)):
                await _retire(engine, name, old)
            else:
                is_done = False
    return is_done


async def signs(store: Store, node: str, name: str, kid: str) -> bool:
    """Whether this key signs, so that nothing is signed by the key before it any more.

    It was announced; and on the streams that another service than the sequencer signs, the last entry carries its signature.
    """
    row = await store.get(SERVICE_KEYS, f"{node}/{kid}")
    if row is None or row.body["certificate"] is None:
        return False
    streams = [stream for stream in CERTIFIED[name][2] if stream in UNCHAINED]
    return all([await _last_signer(store, topic_name(node, stream)) == kid for stream in streams])


async def follow_service_keys(engine: Engine) -> None:
    """Emit what changes among the node's keys in the folder, until cancelled."""
    done: tuple[str, ...] = ()
    while True:
        listing = engine.home.generations.listing()
        if listing != done:
            try:
                await announce_service_keys(engine)
                done = listing if await retire_service_keys(engine) else ()
            except TestamurError as error:
                _log.error("a new service key cannot be announced; the earlier key goes on signing", detail=error.detail)
        await asyncio.sleep(POLL_SECONDS)


async def _retire(engine: Engine, name: str, old: Generation) -> None:
    kid, reason, topic = (
        kid_in(old.certificate),
        old.retired or "superseded",
        topic_name(engine.settings.node, CHECKPOINTS.name),
    )

    async def work(unit: Unit) -> None:
        if not await repository.retire(unit.tx, kid):
            return
        # its successor has signed the last checkpoint already, so none of its own comes later
        is_unchained = CHECKPOINTS.name in CERTIFIED[name][2]
        ends = {CHECKPOINTS.name: position_of(await unit.tx.get(HEADS, topic)).seq} if is_unchained else None
        await unit.emit(ServiceKeyRetired(kid=kid, reason=reason, ends=ends))
        await unit.audit("service-key.retire", kid, reason=reason)

    await engine.outbox.transact(work, actor="registry")


async def _last_signer(store: Store, topic: str) -> str:
    rows = await store.scan(LOG, prefix=log_prefix(topic), limit=1, reverse=True)
    return parse(rows[0].body["jws"]).envelope.kid if rows else ""

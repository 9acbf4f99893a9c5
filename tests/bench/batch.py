"""What a credential costs in a cohort: checked, rehearsed, signed, encrypted, stored, queued, against a raw signature."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from services.issuer.app import SPEC
from services.issuer.cohorts.commands import IssueCohort
from services.issuer.cohorts.handlers import accept_cohort, prepare_cohort
from services.issuer.cohorts.worker import Worker
from services.issuer.context import IssuerContext
from services.issuer.settings import IssuerSettings
from shared.clock import SystemClock
from shared.engine.engine import COLLECTIONS as ENGINE
from shared.home.membership import Membership
from shared.log.outbox import Outbox
from shared.store.open import open_store
from shared.web.request_transaction import RequestTransactions
from tests.bench.measure import ROUNDS, Row, at_least
from tests.scenes.cohort import body, csv
from tests.world import federate, found, running

LEARNERS = 1_000
SIGNATURES = 4_000
SIGNED = b"x" * 1_800
"""About what is signed of a credential."""


async def rows(folder: Path) -> list[Row]:
    """All rows of this group."""
    ee = found(folder / "ee", "ee")
    federate([ee])
    async with running(ee) as nation:
        await nation.accredits("tartu")
        shared = {name: said for name, said in nation.draft().items() if name != "holder"}
    settings, clock = IssuerSettings.of(ee.settings), SystemClock()
    store = await open_store(settings.store_url, "issuer", [*ENGINE, *SPEC.collections])
    try:
        outbox = Outbox(store, clock)  # nobody sequences: what is queued stays there, and costs nothing more
        context = IssuerContext(
            store=store,
            transactions=RequestTransactions(outbox),
            home=ee,
            settings=settings,
            clock=clock,
            membership=Membership(ee, clock),
        )
        await context.open()
        pairs = [await _round(context, outbox, shared, number) for number in range(ROUNDS)]
    finally:
        await store.close()
    what = "cohort credentials checked, signed, encrypted, stored, queued per core second / raw ES256 signatures"
    return [at_least("batch-issue", what, pairs, 0.25)]


async def _round(context: IssuerContext, outbox: Outbox, shared: dict[str, Any], number: int) -> tuple[float, float]:
    """Credentials and raw signatures, each per second of processor time: no second core is counted as ours."""
    signer = await context.signer("tartu")
    assert signer is not None
    command = IssueCohort(**body(csv(LEARNERS, number * LEARNERS, grade="5"), template=shared))
    cohort = await prepare_cohort(context, command)
    await outbox.transact(lambda unit: accept_cohort(unit, cohort), "bench")
    began = time.process_time()
    for _ in range(SIGNATURES):
        signer.sign(SIGNED)
    raw = SIGNATURES / (time.process_time() - began)
    worker = Worker(context, outbox)
    began = time.process_time()
    while await worker.round():
        continue
    return LEARNERS / (time.process_time() - began), raw

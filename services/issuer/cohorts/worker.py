"""Issues accepted cohorts, a chunk a transaction, one cohort after the other in turn.

- A chunk is drafted outside any transaction, as any credential is: built, checked, rehearsed, signed, encrypted, under the
  references and keys that were fixed when the cohort was accepted.
- One transaction keeps it: credentials, places, events, refusals, and the cohort's `next`, moved on from where it was read.
  Another process has moved it already or has not, so there is neither a gap nor a double.
- If something came in between (an accreditation, a place, a key destroyed), the chunk is drafted again under the same
  references. A row that is refused now is marked with its reason; the others go on.
- The rows that a cancelled job did not come to are made unreadable: their keys are destroyed.
What is lost if the process dies here: signatures that no one has seen. The next process goes on from `next`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import orjson

from services.issuer.cohorts import repository
from services.issuer.cohorts.domain import faults_in
from services.issuer.cohorts.handlers import ROW_USE
from services.issuer.cohorts.repository import KeptRow, StoredCohort
from services.issuer.cohorts.template import CohortTemplate
from services.issuer.context import IssuerContext
from services.issuer.credentials import encryption
from services.issuer.credentials import repository as credentials
from services.issuer.credentials.commands import IssueCredential
from services.issuer.credentials.domain import CredentialIdentity, Draft, DraftOutdated
from services.issuer.credentials.drafting import draft_credential
from services.issuer.places import repository as places
from services.issuer.replica import repository as replica
from shared.clock import rfc3339
from shared.credential.faults import Fault
from shared.errors import TestamurError, Unavailable
from shared.log.outbox import Outbox, Unit
from shared.store.port import DuplicateKey, VersionConflict
from shared.tasks.wakeups import wait_for
from shared.telemetry import get_logger

POLL_SECONDS = 1.0
"""Seconds after which it is looked again for cohorts that another process has accepted."""

_log = get_logger("cohorts")


@dataclass(slots=True)
class Chunk:
    """What became of the rows of one chunk, and what that rests on."""

    cohort: StoredCohort
    rows: int
    erased_early: int
    drafts: list[Draft] = field(default_factory=list)
    refused: dict[int, tuple[Fault, ...]] = field(default_factory=dict)
    erased: int = 0


class Worker:
    """Issues what was accepted, in the process that leads."""

    def __init__(self, context: IssuerContext, outbox: Outbox) -> None:
        self._context = context
        self._outbox = outbox

    async def run(self) -> None:
        """Issue whatever is accepted, until cancelled."""
        while True:
            self._context.accepted.clear()
            while await self.round():
                continue
            await wait_for(self._context.accepted, POLL_SECONDS)

    async def round(self) -> bool:
        """One chunk of each cohort that has not ended; whether any of them moved."""
        moved = [
            await self._move(cohort) for cohort in await repository.cohorts_in(self._context.store, "running", "cancelling")
        ]
        return any(moved)

    async def _move(self, cohort: StoredCohort) -> bool:
        """One chunk; whether there is reason to go on at once. What is wrong with one cohort stops no other."""
        try:
            await (self._issue(cohort) if cohort.state == "running" else self._sweep(cohort))
        except VersionConflict:
            return True  # it was cancelled, or another process came first: the next round reads it anew
        except DraftOutdated:
            await self._context.refresh_trust()
            await self._context.refresh_places()
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, the others go on, and this one is tried again
            _log.error("a cohort could not be moved", cohort=cohort.id, error=type(error).__name__)
            return False
        return True

    async def _issue(self, cohort: StoredCohort) -> None:
        context = self._context
        rows = await repository.rows_from(context.store, cohort.id, cohort.next)
        chunk = Chunk(cohort, len(rows), await credentials.erased_early(context.store, cohort.institution))
        template = CohortTemplate(cohort.template)
        # side by side: many drafts go stage by stage, which is faster, and other requests have their turn between
        made = await asyncio.gather(*(self._draft(chunk, template, row) for row in rows))
        chunk.drafts = [draft for draft in made if draft is not None]
        await self._outbox.transact(lambda unit: keep(unit, chunk), cohort.actor)

    async def _draft(self, chunk: Chunk, template: CohortTemplate, row: KeptRow) -> Draft | None:
        """The row's credential; None where it was erased or is refused, which is noted in the chunk."""
        cohort = chunk.cohort
        key = await credentials.credential_key(self._context.store, row.ref)
        if key is None:
            chunk.erased += 1
            return None
        try:
            values = orjson.loads(encryption.decrypt(key, row.ref, ROW_USE, row.box))["values"]
            order = IssueCredential.model_construct(
                institution=cohort.institution,
                offer=cohort.offer,
                formats=tuple(cohort.formats),
                credential=template.filled(values),
            )
            return await draft_credential(self._context, order, CredentialIdentity(row.ref, key))
        except Unavailable:
            raise
        except TestamurError as error:
            chunk.refused[row.number] = faults_in(error)
            return None

    async def _sweep(self, cohort: StoredCohort) -> None:
        """Destroy the keys of a chunk that a cancelled job did not come to."""
        rows = await repository.rows_from(self._context.store, cohort.id, cohort.swept)
        swept = cohort.swept + len(rows)
        ends = {} if swept < cohort.rows else {"state": "cancelled"}

        async def work(unit: Unit) -> None:
            for row in rows:
                await unit.tx.delete(credentials.CREDENTIAL_KEYS, row.ref)
            ended = rfc3339(unit.now) if ends else None
            await repository.move(unit.tx, cohort, swept=swept, ended=ended, **ends)

        await self._outbox.transact(work, cohort.actor)
        if ends:
            await self._context.store.scrub()


async def keep(unit: Unit, chunk: Chunk) -> None:
    """Keep a chunk and emit what was issued; raises `DraftOutdated` or `VersionConflict` where something came first."""
    tx, cohort = unit.tx, chunk.cohort
    done = cohort.next + chunk.rows
    await repository.move(
        tx,
        cohort,
        next=done,
        issued=cohort.issued + len(chunk.drafts),
        refused=cohort.refused + len(chunk.refused),
        erased=cohort.erased + chunk.erased,
        **({"state": "finished", "ended": rfc3339(unit.now)} if done >= cohort.rows else {}),
    )
    await _require_current(unit, chunk)
    try:
        await places.take_places(tx, [(draft.place, draft.ref) for draft in chunk.drafts])
    except DuplicateKey:
        raise DraftOutdated("A place in the status list was taken meanwhile. Draft the chunk again.") from None
    await credentials.insert_accepted(tx, chunk.drafts, cohort.id)
    await repository.insert_refusals(tx, cohort.id, chunk.refused)
    await unit.emit_all([draft.event for draft in chunk.drafts])
    issued, refused = len(chunk.drafts), len(chunk.refused)
    await unit.audit("cohort.issue", cohort.id, start=cohort.next, issued=issued, refused=refused)


async def _require_current(unit: Unit, chunk: Chunk) -> None:
    rests_on = {draft.trust_version for draft in chunk.drafts}
    if rests_on and rests_on != {await replica.trust_version(unit.tx, chunk.drafts[0].node)}:
        raise DraftOutdated("The accreditations have changed meanwhile. Draft the chunk again.")
    if await credentials.erased_early(unit.tx, chunk.cohort.institution) != chunk.erased_early:
        raise DraftOutdated("A row was erased meanwhile. Draft the chunk again.")

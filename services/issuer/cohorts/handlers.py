"""One function for each thing that may be asked of cohorts.

What is lost if the process dies here: before a cohort is accepted, everything, and the caller got no answer; after it
nothing, for rows, references and keys are durable together, and the worker goes on from where the cohort's document says.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import orjson

from services.issuer.cohorts import repository
from services.issuer.cohorts.checking import faults_of, read_rows, table, template_of
from services.issuer.cohorts.commands import CheckCohort, CohortCheckView, CohortRowView, CohortView, FaultView, IssueCohort
from services.issuer.cohorts.domain import ROWS_PER_CHUNK, CohortEnded, CohortRefused, CohortRow, RowStatus
from services.issuer.cohorts.repository import KeptRow, StoredCohort
from services.issuer.cohorts.template import CohortTemplate
from services.issuer.context import IssuerContext
from services.issuer.credentials import encryption
from services.issuer.credentials import repository as credentials
from services.issuer.credentials.domain import CredentialIdentity
from services.issuer.credentials.handlers import open_credential
from shared.clock import rfc3339
from shared.ids import new_ref
from shared.log.outbox import Unit
from shared.store.port import Reader

ROW_USE = "row"
"""The use of a box that holds what a row says (`encryption`)."""


@dataclass(frozen=True, slots=True)
class PreparedCohort:
    """A cohort that has no faults, encrypted and not kept yet."""

    id: str
    command: IssueCohort
    template: CohortTemplate
    identities: list[CredentialIdentity]
    rows: list[KeptRow]


async def check_cohort(context: IssuerContext, command: CheckCohort) -> CohortCheckView:
    """The fault table of a file. Nothing of it is kept."""
    template = await template_of(context, command)
    rows = await read_rows(context, command)
    return table(len(rows), await faults_of(context, command, template, rows))


async def prepare_cohort(context: IssuerContext, command: IssueCohort) -> PreparedCohort:
    """A cohort without faults, ready to be kept. Raises `CohortRefused`, and whatever stops all rows alike."""
    template = await template_of(context, command)
    rows = await read_rows(context, command)
    faulty = await faults_of(context, command, template, rows)
    if faulty:
        found = table(len(rows), faulty).model_dump(mode="json")
        raise CohortRefused(f"{len(faulty)} of {len(rows)} rows have faults. Correct those that `table` names.", **found)
    identities = [CredentialIdentity(new_ref(), encryption.new_key()) for _ in rows]
    kept = [_encrypted(row, identity) for row, identity in zip(rows, identities, strict=True)]
    return PreparedCohort(id=new_ref(), command=command, template=template, identities=identities, rows=kept)


async def accept_cohort(unit: Unit, cohort: PreparedCohort) -> CohortView:
    """Keep a cohort for the worker: its rows, their references, and the keys that will encrypt their credentials."""
    command = cohort.command
    stored = StoredCohort(
        id=cohort.id,
        version=1,
        institution=command.institution,
        offer=command.offer,
        template=cohort.template.draft,
        formats=command.formats,
        state="running",
        rows=len(cohort.rows),
        next=0,
        swept=0,
        issued=0,
        refused=0,
        erased=0,
        actor=unit.actor,
        accepted=rfc3339(unit.now),
        ended=None,
    )
    await repository.insert_cohort(unit.tx, stored, cohort.rows)
    await credentials.accept(unit.tx, cohort.identities, command.institution)
    await unit.audit("cohort.accept", cohort.id, institution=command.institution, rows=len(cohort.rows))
    return view_of(stored)


async def cancel_cohort(unit: Unit, cohort: str, tenant: str | None) -> CohortView:
    """Issue no more of a cohort; the keys of what was not issued are destroyed. Repeating it changes nothing."""
    stored = await repository.find_cohort(unit.tx, cohort, tenant)
    if stored.state == "finished":
        raise CohortEnded("All of it has been issued; revoke what should not have been.")
    if stored.state == "running":
        await unit.audit("cohort.cancel", cohort, institution=stored.institution, done=stored.next)
        stored = await repository.move(unit.tx, stored, state="cancelling", swept=stored.next)
    return view_of(stored)


async def result(reader: Reader, cohort: str, tenant: str | None) -> AsyncIterator[bytes]:
    """Each row of a cohort as a line of JSON, a chunk at a time: its status as of now, and its credential."""
    total = (await repository.find_cohort(reader, cohort, tenant)).rows
    for start in range(0, total, ROWS_PER_CHUNK):
        stored = await repository.find_cohort(reader, cohort, tenant)
        rows = await repository.rows_from(reader, cohort, start)
        lines = [await _line(reader, stored, row, start + at) for at, row in enumerate(rows)]
        yield b"".join(line.model_dump_json().encode() + b"\n" for line in lines)


def view_of(cohort: StoredCohort) -> CohortView:
    """A cohort as it is shown."""
    return CohortView(
        id=cohort.id,
        institution=cohort.institution,
        formats=tuple(cohort.formats),
        state=cohort.state,
        rows=cohort.rows,
        done=cohort.next,
        issued=cohort.issued,
        refused=cohort.refused,
        erased=cohort.erased,
        accepted=cohort.accepted,
        ended=cohort.ended,
    )


def _encrypted(row: CohortRow, identity: CredentialIdentity) -> KeptRow:
    contents = orjson.dumps({"values": row.values, "external_id": row.external_id})
    return KeptRow(row.number, identity.ref, encryption.encrypt(identity.key, identity.ref, ROW_USE, contents))


async def _line(reader: Reader, cohort: StoredCohort, row: KeptRow, at: int) -> CohortRowView:
    key = await credentials.credential_key(reader, row.ref)
    issued = await credentials.get_credential(reader, row.ref) if at < cohort.next else None
    faults = await repository.refusal(reader, cohort.id, row.number) if issued is None else []
    formats = open_credential(issued, key) if issued and key else {}
    return CohortRowView(
        row=row.number,
        external_id=orjson.loads(encryption.decrypt(key, row.ref, ROW_USE, row.box))["external_id"] if key else None,
        ref=row.ref,
        status=_status(cohort, at, is_open=key is not None, is_issued=issued is not None, is_refused=bool(faults)),
        credential=next(iter(formats.values()), None),
        formats=formats,
        faults=tuple(FaultView(path=one["path"], rule=one["rule"], message=one["message"]) for one in faults),
    )


def _status(cohort: StoredCohort, at: int, *, is_open: bool, is_issued: bool, is_refused: bool) -> RowStatus:
    if at >= cohort.next and cohort.state in ("cancelling", "cancelled"):
        return "cancelled"
    if not is_open:
        return "erased"
    if at >= cohort.next:
        return "waiting"
    return "refused" if is_refused and not is_issued else "issued"

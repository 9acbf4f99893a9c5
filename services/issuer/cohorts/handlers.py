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
from services.issuer.cohorts.domain import CHUNK, CohortEnded, CohortRefused, Row, RowStatus
from services.issuer.cohorts.repository import KeptRow
from services.issuer.cohorts.template import Template
from services.issuer.context import IssuerContext
from services.issuer.credentials import encryption
from services.issuer.credentials import repository as credentials
from services.issuer.credentials.domain import Identity
from services.issuer.credentials.handlers import open_credential
from shared.clock import rfc3339
from shared.ids import new_ref
from shared.log.outbox import Unit
from shared.store.port import Document, Reader

ROW = "row"
"""The use of a box that holds what a row says (`sealing`)."""


@dataclass(frozen=True, slots=True)
class PreparedCohort:
    """A cohort that has no faults, encrypted and not kept yet."""

    id: str
    command: IssueCohort
    template: Template
    identities: list[Identity]
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
    identities = [Identity(new_ref(), encryption.new_key()) for _ in rows]
    kept = [_encrypted(row, identity) for row, identity in zip(rows, identities, strict=True)]
    return PreparedCohort(id=new_ref(), command=command, template=template, identities=identities, rows=kept)


async def accept_cohort(unit: Unit, cohort: PreparedCohort) -> CohortView:
    """Keep a cohort for the worker: its rows, their references, and the keys that will encrypt their credentials."""
    command = cohort.command
    body = {
        "institution": command.institution,
        "offer": command.offer,
        "template": cohort.template.draft,
        "formats": list(command.formats),
        "state": "running",
        "rows": len(cohort.rows),
        "next": 0,
        "swept": 0,
        "issued": 0,
        "refused": 0,
        "erased": 0,
        "actor": unit.actor,
        "accepted": rfc3339(unit.now),
        "ended": None,
    }
    await repository.insert_cohort(unit.tx, cohort.id, body, cohort.rows)
    await credentials.accept(unit.tx, cohort.identities, command.institution)
    await unit.audit("cohort.accept", cohort.id, institution=command.institution, rows=len(cohort.rows))
    return view_of(Document(cohort.id, body, 1))


async def cancel_cohort(unit: Unit, cohort: str, tenant: str | None) -> CohortView:
    """Issue no more of a cohort; the keys of what was not issued are destroyed. Repeating it changes nothing."""
    row = await repository.find_cohort(unit.tx, cohort, tenant)
    if row.body["state"] == "finished":
        raise CohortEnded("All of it has been issued; revoke what should not have been.")
    if row.body["state"] == "running":
        await repository.move(unit.tx, row, state="cancelling", swept=row.body["next"])
        await unit.audit("cohort.cancel", cohort, institution=row.body["institution"], done=row.body["next"])
        row = await repository.find_cohort(unit.tx, cohort, tenant)
    return view_of(row)


async def result(reader: Reader, cohort: str, tenant: str | None) -> AsyncIterator[bytes]:
    """Each row of a cohort as a line of JSON, a chunk at a time: its status as of now, and its credential."""
    row = await repository.find_cohort(reader, cohort, tenant)
    for start in range(0, row.body["rows"], CHUNK):
        row = await repository.find_cohort(reader, cohort, tenant)
        kept = await repository.rows_from(reader, cohort, start)
        lines = [await _line(reader, row, one, start + at) for at, one in enumerate(kept)]
        yield b"".join(line.model_dump_json().encode() + b"\n" for line in lines)


def view_of(row: Document) -> CohortView:
    """A cohort as it is shown."""
    body = row.body
    return CohortView(
        id=row.key,
        institution=body["institution"],
        formats=tuple(body["formats"]),
        state=body["state"],
        rows=body["rows"],
        done=body["next"],
        issued=body["issued"],
        refused=body["refused"],
        erased=body["erased"],
        accepted=body["accepted"],
        ended=body["ended"],
    )


def _encrypted(row: Row, identity: Identity) -> KeptRow:
    said = orjson.dumps({"values": row.values, "external_id": row.external_id})
    return KeptRow(row.number, identity.ref, encryption.encrypt(identity.key, identity.ref, ROW, said))


async def _line(reader: Reader, cohort: Document, row: KeptRow, at: int) -> CohortRowView:
    key = await credentials.credential_key(reader, row.ref)
    issued = await reader.get(credentials.CREDENTIALS, row.ref) if at < cohort.body["next"] else None
    faults = await repository.refusal(reader, cohort.key, row.number) if issued is None else []
    formats = open_credential(issued, key) if issued and key else {}
    return CohortRowView(
        row=row.number,
        external_id=orjson.loads(encryption.decrypt(key, row.ref, ROW, row.box))["external_id"] if key else None,
        ref=row.ref,
        status=_status(cohort, at, is_open=key is not None, is_issued=issued is not None, is_refused=bool(faults)),
        credential=next(iter(formats.values()), None),
        formats=formats,
        faults=tuple(FaultView(path=one["path"], rule=one["rule"], message=one["message"]) for one in faults),
    )


def _status(cohort: Document, at: int, *, is_open: bool, is_issued: bool, is_refused: bool) -> RowStatus:
    if at >= cohort.body["next"] and cohort.body["state"] in ("cancelling", "cancelled"):
        return "cancelled"
    if not is_open:
        return "erased"
    if at >= cohort.body["next"]:
        return "waiting"
    return "refused" if is_refused and not is_issued else "issued"

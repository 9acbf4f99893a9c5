"""Whether a cohort could be issued: each row is drafted and rehearsed as it will be when it is issued.

- The file is read in a thread, one at a time, for it may be large; between two rows other requests have their turn.
- What stops all rows alike (an institution that is not accredited, no key to sign with) is one refusal, without a table.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pybase64

from services.issuer.cohorts.commands import CheckCohort, CohortCheckView, FaultView, FaultyRowView
from services.issuer.cohorts.domain import CohortRow, CohortUnreadable, FaultyRow, faults_in
from services.issuer.cohorts.reading import read
from services.issuer.cohorts.template import CohortTemplate
from services.issuer.context import IssuerContext
from services.issuer.credentials.commands import CheckCredential
from services.issuer.credentials.domain import CredentialRefused, NotForDrafts
from services.issuer.credentials.drafting import check_credential
from services.issuer.offers import repository as offers
from shared.credential.draft import DraftRefused
from shared.credential.faults import Fault
from shared.credential.offering import drafted_from

MOST_ROWS_SHOWN = 1_000
"""Rows of a fault table: more are not corrected one by one."""


async def read_rows(context: IssuerContext, command: CheckCohort) -> list[CohortRow]:
    """The rows of the command's file. Raises `CohortUnreadable`, `CohortTooLarge`."""
    async with context.reading:
        return await asyncio.to_thread(_read, command)


async def faults_of(
    context: IssuerContext, command: CheckCohort, template: CohortTemplate, rows: Sequence[CohortRow]
) -> list[FaultyRow]:
    """Every row with a fault and all of its faults, in the file's order. Raises what stops all rows alike."""
    found = []
    for row in rows:
        faults = [*row.faults, *(await _drafted(context, command, template, row) if row.is_read else ())]
        if faults:
            found.append(FaultyRow(row.number, tuple(faults)))
    return found


async def template_of(context: IssuerContext, command: CheckCohort) -> CohortTemplate:
    """The template of the command's offer and, laid over it, its own. Raises `OfferUnknown`, `TemplateRefused`."""
    if command.offer is None:
        return CohortTemplate(command.template)
    offer = await offers.find(context.store, command.institution, command.offer)
    return CohortTemplate(drafted_from(offer.template, command.template))


def table(rows: int, found: Sequence[FaultyRow]) -> CohortCheckView:
    """The fault table as it is answered."""
    shown = tuple(
        FaultyRowView(row=one.number, faults=tuple(FaultView(path=p, rule=r, message=m) for p, r, m, _ in one.faults))
        for one in found[:MOST_ROWS_SHOWN]
    )
    return CohortCheckView(rows=rows, faulty=len(found), table=shown)


async def _drafted(
    context: IssuerContext, command: CheckCohort, template: CohortTemplate, row: CohortRow
) -> Sequence[Fault]:
    order = CheckCredential.model_construct(
        institution=command.institution,
        offer=command.offer,
        formats=command.formats,
        credential=template.filled(row.values),
    )
    await asyncio.sleep(0)
    try:
        await check_credential(context, order)
    except (DraftRefused, CredentialRefused, NotForDrafts) as refusal:
        return faults_in(refusal)
    return ()


def _read(command: CheckCohort) -> list[CohortRow]:
    try:
        raw = pybase64.b64decode(command.file, validate=True)
    except ValueError:
        raise CohortUnreadable("`file` is not base64; encode the file's bytes (RFC 4648, section 4).") from None
    return read(raw, command.media_type)

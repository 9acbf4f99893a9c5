"""One function for each command about single credentials.

What is lost if the process dies here: before the commit a signature that no one has seen, and a place that is still free;
after it nothing, for the credential, its place, the event and the answer are durable together.
"""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import Response

from services.issuer.context import IssuerContext
from services.issuer.credentials import encryption, repository
from services.issuer.credentials.commands import (
    AcceptedView,
    CorrectCredential,
    CredentialSummary,
    IssueCredential,
    IssuedCredentialView,
)
from services.issuer.credentials.domain import (
    CredentialReplaced,
    Draft,
    DraftOutdated,
    refuse_correction,
    refuse_stacked,
    status_of,
)
from services.issuer.credentials.drafting import check_credential, draft_credential
from services.issuer.credentials.repository import StoredCredential
from services.issuer.places import repository as places
from services.issuer.replica import repository as replica
from shared.credential.stack import PartReference
from shared.events.issuance import actor_pseudonym
from shared.log.outbox import Unit
from shared.store.port import DuplicateKey, Reader
from shared.web.request_transaction import RequestTransaction

__all__ = [
    "check_credential",
    "correction_of",
    "draft_and_issue",
    "draft_credential",
    "erase_credential",
    "issue_credential",
    "open_credential",
    "read_credential",
    "summary_of",
]

MOST_DRAFTS = 5
"""How often one request is drafted because something came first; a second time is rare, a third a sign of trouble."""


async def draft_and_issue(
    context: IssuerContext,
    transaction: RequestTransaction[IssuedCredentialView],
    command: IssueCredential,
    parts: Sequence[PartReference] = (),
) -> Response:
    """Draft, then keep the draft in the request's transaction; anew where something came first. `parts`: those that the
    credential is to name, where it is stacked.
    """
    for _ in range(MOST_DRAFTS - 1):
        try:
            return await _draft_and_issue(context, transaction, command, parts)
        except DraftOutdated:
            await context.refresh_trust()
            await context.refresh_places()
    return await _draft_and_issue(context, transaction, command, parts)


async def issue_credential(unit: Unit, draft: Draft) -> IssuedCredentialView:
    """Keep a draft and emit that it was issued; raises `DraftOutdated`, or why what it replaces cannot be corrected."""
    if await replica.trust_version(unit.tx, draft.node) != draft.trust_version:
        raise DraftOutdated("The accreditations have changed meanwhile. Send the request again.")
    event = draft.event
    if event.replaces is not None:
        await _replace(unit, draft, event.replaces)
        event = event.model_copy(update={"asked_by": actor_pseudonym(unit.actor)})
    try:
        await places.take_place(unit.tx, draft.place, draft.ref)
    except DuplicateKey:
        raise DraftOutdated("Its place in the status list was taken meanwhile. Send the request again.") from None
    await repository.insert_credential(unit.tx, draft)
    await unit.emit(event)
    await unit.audit("credential.issue", draft.ref, institution=event.institution, replaces=event.replaces)
    return _issued(draft)


async def correction_of(context: IssuerContext, ref: str, command: CorrectCredential, tenant: str | None) -> IssueCredential:
    """The command that issues a corrected credential in place of an earlier one of the caller's."""
    old = await repository.find_credential(context.store, ref, tenant)
    refuse_stacked(old.parts)
    return IssueCredential(
        institution=old.institution,
        formats=command.formats,
        credential=command.credential,
        valid_from=command.valid_from,
        valid_until=command.valid_until,
        replaces=ref,
    )


async def erase_credential(
    unit: Unit, context: IssuerContext, ref: str, tenant: str | None
) -> CredentialSummary | AcceptedView:
    """Destroy what opens a credential; the proof of it, its status and the chain stay. Erasing again changes nothing.

    A row of a cohort that is not issued yet is erased in the same way, and then never issued.
    """
    if await unit.tx.get(repository.CREDENTIALS, ref) is None:
        institution, at, is_new = await repository.erase_early(unit.tx, ref, context.clock.now(), tenant)
        if is_new:
            await unit.audit("credential.erase", ref, institution=institution)
        return AcceptedView(ref=ref, institution=institution, erased=at)
    stored = await repository.find_credential(unit.tx, ref, tenant)
    if await repository.erased_at(unit.tx, ref) is None:
        await repository.erase(unit.tx, ref, context.clock.now())
        await unit.audit("credential.erase", ref, institution=stored.institution)
    return await summary_of(unit.tx, context.node, stored)


async def read_credential(reader: Reader, origin: str, ref: str, tenant: str | None) -> IssuedCredentialView:
    """A credential with its signed form, opened with its key; without it once it was erased."""
    stored = await repository.find_credential(reader, ref, tenant)
    key = await repository.credential_key(reader, ref)
    summary = await summary_of(reader, origin, stored)
    formats = open_credential(stored, key) if key else {}
    return IssuedCredentialView(**dict(summary), credential=next(iter(formats.values()), None), formats=formats)


def open_credential(stored: StoredCredential, key: bytes) -> dict[str, str]:
    """The signed credential in each of its formats, the first one first."""
    boxes = {"credential": stored.box, **stored.further}
    opened = {use: encryption.decrypt(key, stored.ref, use, box).decode() for use, box in boxes.items()}
    return {stored.format: opened.pop("credential"), **opened}


async def summary_of(reader: Reader, origin: str, stored: StoredCredential) -> CredentialSummary:
    """A credential without its signed form, and what became of it."""
    state = await replica.state_of(reader, origin, stored.ref, stored.kid)
    return CredentialSummary(
        ref=stored.ref,
        institution=stored.institution,
        status=status_of(state),
        format=stored.format,
        commitment=stored.commitment,
        kid=stored.kid,
        credential_type=stored.credential_type,
        issued=stored.issued,
        valid_from=stored.valid_from,
        valid_until=stored.valid_until,
        replaces=stored.replaces,
        replaced_by=state.replaced_by,
        erased=await repository.erased_at(reader, stored.ref),
    )


async def _draft_and_issue(
    context: IssuerContext,
    transaction: RequestTransaction[IssuedCredentialView],
    command: IssueCredential,
    parts: Sequence[PartReference],
) -> Response:
    draft = await draft_credential(context, command, parts=parts)
    return await transaction.answer(lambda unit: issue_credential(unit, draft))


async def _replace(unit: Unit, draft: Draft, replaced: str) -> None:
    old = await repository.find_credential(unit.tx, replaced, draft.event.institution)
    refuse_correction(await replica.state_of(unit.tx, draft.node, replaced, old.kid))
    try:
        await repository.take_replacement(unit.tx, replaced, draft.ref)
    except DuplicateKey:
        raise CredentialReplaced("Correct the credential that replaced it.") from None


def _issued(draft: Draft) -> IssuedCredentialView:
    event, first = draft.event, next(iter(draft.signed))
    return IssuedCredentialView(
        ref=event.ref,
        institution=event.institution,
        status="issued",
        format=first,
        commitment=event.commitments[first],
        kid=event.kid,
        credential_type=event.credential_type,
        issued=event.issued,
        valid_from=draft.valid_from,
        valid_until=event.valid_until,
        replaces=event.replaces,
        replaced_by=None,
        credential=draft.signed[first].decode(),
        formats={name: token.decode() for name, token in draft.signed.items()},
    )

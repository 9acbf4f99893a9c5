"""From a command to a draft: build, check, rehearse with a throwaway key, sign with the institution's, encrypt.

- A refusal names everything at once: what is missing, malformed, contradictory and outside the accreditation. If the draft
  is a complete credential, it names what a verifier would find. The institution's key signs only what has passed this.
- The trust book may be out of date, for an accreditation may just have been announced. It is read again before a refusal.
- Between the stages other requests have their turn. Many that are drafted side by side go stage by stage, which is faster:
  the tables and code of one stage stay in the processor's caches.
- 256 random bits lie in the signed bytes, so no commitment can be confirmed by guessing who it speaks of.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from services.issuer.context import InstitutionUnknown, IssuerContext
from services.issuer.credentials import encryption
from services.issuer.credentials.commands import CheckCredential, CheckView, FindingView, IssueCredential
from services.issuer.credentials.domain import (
    CredentialIdentity,
    CredentialRefused,
    Draft,
    GivenTwice,
    NoSigningKey,
    NotForDrafts,
    ahead,
    out_of_scope,
    over,
    refuse_findings,
)
from services.issuer.offers import repository as offers
from services.issuer.places.domain import StatusPlace, status_entries
from shared.clock import rfc3339
from shared.credential.draft import DraftRefused, build
from shared.credential.levels import eqf_of
from shared.credential.model import DEFAULT_TYPE, MicroCredential
from shared.credential.offering import drafted_from
from shared.credential.shorthand import FullDraft
from shared.credential.stack import PartReference
from shared.errors import TestamurError
from shared.events.issuance import CredentialIssued
from shared.formats.port import Format, Issuance, Unsigned, new_salt
from shared.formats.registry import FORMATS
from shared.ids import InstitutionId, new_ref
from shared.jose.signers import LocalSigner
from shared.trust.scope import REFUSALS, RequiredScope
from shared.verification.verdict import StepResult
from shared.verification.verify import rehearse

T = TypeVar("T")
Parts = Sequence[PartReference]
"""What a stacked credential names; empty for any other."""

_OURS = {"offer": "name the offer beside the credential", "parts": "send the parts to POST /credentials/stack"}
"""Members that no draft may have, and how they are given instead."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """A credential that may be rehearsed, and who would sign it."""

    credential: MicroCredential
    wanted: RequiredScope
    institution: InstitutionId
    signer: LocalSigner
    now: datetime


async def draft_credential(
    context: IssuerContext, command: IssueCredential, identity: CredentialIdentity | None = None, parts: Parts = ()
) -> Draft:
    """A signed credential, ready to be kept; raises a refusal that names every fault.

    `identity`: its reference and key, where they were fixed before. `parts`: those that it is to name.
    """
    named = identity or CredentialIdentity(new_ref(), encryption.new_key())
    return await _by_the_newest_book(context, lambda: _draft(context, command, named, parts))


async def check_credential(context: IssuerContext, command: CheckCredential) -> CheckView:
    """What a verifier would find in the credential; raises what `draft_credential` would, and signs nothing for real."""
    results = await _by_the_newest_book(context, lambda: _check(context, command))
    return CheckView(
        findings=tuple(
            FindingView(number=step.number, name=step.name, outcome=step.outcome, reason=step.reason, detail=step.detail)
            for step in results
        )
    )


async def _by_the_newest_book(context: IssuerContext, work: Callable[[], Awaitable[T]]) -> T:
    try:
        return await work()
    except (InstitutionUnknown, NoSigningKey, CredentialRefused, DraftRefused):
        if not await context.refresh_trust():
            raise
        return await work()


async def _check(context: IssuerContext, command: CheckCredential) -> list[StepResult]:
    ready = await _ready(context, command)
    issuance = _issuance(context, ready.institution, StatusPlace("1", 0), None, new_ref())
    rehearsed = [
        _rehearse(context, ready, form, form.unsigned_payload(ready.credential, issuance)) for form in _formats(command)
    ]
    return rehearsed[0]


async def _draft(context: IssuerContext, command: IssueCredential, identity: CredentialIdentity, parts: Parts) -> Draft:
    version = context.trust_version
    ready = await _ready(context, command, parts)
    place = await context.place()
    issuance = _issuance(context, ready.institution, place, command.replaces, identity.ref)
    unsigned = [(form, form.unsigned_payload(ready.credential, issuance)) for form in _formats(command)]
    await asyncio.sleep(0)
    for form, made in unsigned:
        _rehearse(context, ready, form, made)
    await asyncio.sleep(0)
    tokens = {form.NAME: (form, made, form.sign_payload(made, ready.institution, ready.signer)) for form, made in unsigned}
    signed = {name: form.serialize(made, token) for name, (form, made, token) in tokens.items()}
    commitments = {name: form.commitment(token) for name, (form, _, token) in tokens.items()}
    boxes = {
        name: encryption.encrypt(identity.key, identity.ref, _use(command, name), token) for name, token in signed.items()
    }
    return Draft(
        node=context.node,
        event=_event(ready, issuance, place, commitments),
        signed=signed,
        key=identity.key,
        boxes=boxes,
        valid_from=ready.credential.valid_from or ready.credential.issued,
        trust_version=version,
        parts=tuple(part.ref for part in parts),
    )


async def _ready(context: IssuerContext, command: CheckCredential, parts: Parts = ()) -> _Ready:
    now = context.clock.now()
    credential = _built(context, command, await _complete(context, command, parts), now)
    country = credential.awarding_body.country
    wanted = RequiredScope(credential.credential_type, eqf_of(credential.level, country), credential.isced_f, country)
    signer = await context.signer(command.institution)
    if signer is None:
        raise _cannot_sign(context.is_known(command.institution, wanted, now))
    institution = InstitutionId(context.settings.federation, context.node, command.institution)
    return _Ready(credential=credential, wanted=wanted, institution=institution, signer=signer, now=now)


def _formats(command: CheckCredential) -> list[Format]:
    return [FORMATS[name] for name in command.formats]


def _use(command: CheckCredential, name: str) -> str:
    """What a box is bound to: the first format's is the credential, as it was when there was one format."""
    return "credential" if name == command.formats[0] else name


def _built(context: IssuerContext, command: CheckCredential, draft: Mapping[str, Any], now: datetime) -> MicroCredential:
    try:
        return build(draft, now, context.policy.coherence)
    except DraftRefused as refusal:
        parts = refusal.parts
        body, level = parts.get("awarding_body"), parts.get("level")
        country = body.country if body else None
        wanted = RequiredScope(
            parts.get("credential_type") or DEFAULT_TYPE,
            eqf_of(level, country or "") if level else None,
            parts.get("isced_f"),
            country,
        )
        outside = out_of_scope(context.book.objections(command.institution, wanted, now))
        raise refusal.and_also([*outside, *ahead(parts.get("issued"), now), *over(parts.get("valid_until"), now)]) from None


async def _complete(context: IssuerContext, command: CheckCredential, parts: Parts) -> Mapping[str, Any]:
    """The draft over its offer's template, and what the issuer adds itself: from which offer, of which parts."""
    written = _written(command)
    ours: dict[str, Any] = {"parts": [part.model_dump(mode="json", exclude_none=True) for part in parts]} if parts else {}
    if command.offer is not None:
        ours["offer"] = f"{context.node}/{command.institution}/{command.offer}"
    if isinstance(written, FullDraft):  # of a cohort: laid over its offer when that was accepted
        return FullDraft({**written, **ours})
    if command.offer is None:
        return {**written, **ours}
    offer = await offers.find(context.store, command.institution, command.offer)
    return {**drafted_from(offer.template, written), **ours}


def _cannot_sign(known: bool) -> TestamurError:
    if not known:
        return InstitutionUnknown("Have the registry accredit it first, or use a token of the institution that is meant.")
    return NoSigningKey("Make a key for it here and have the registry announce it; if that was just done, try again.")


def _written(command: CheckCredential) -> Mapping[str, Any]:
    """The draft with the validity that the command gives beside it."""
    for name, instead in _OURS.items():
        if name in command.credential:
            raise NotForDrafts(f"Leave `{name}` out of it: {instead}.")
    beside = {"valid_from": command.valid_from, "valid_until": command.valid_until}
    given = {name: rfc3339(moment) for name, moment in beside.items() if moment is not None}
    twice = [name for name in given if command.credential.get(name) is not None]
    if twice:
        raise GivenTwice(f"Give {' and '.join(twice)} in the credential or beside it, not in both.")
    return {**command.credential, **given} if given else command.credential


def _issuance(
    context: IssuerContext, institution: InstitutionId, place: StatusPlace, replaces: str | None, ref: str
) -> Issuance:
    entries = status_entries(context.settings.status_list_url, place)
    return Issuance(ref=ref, institution=institution, status=entries, salt=new_salt(), replaces=replaces)


def _rehearse(context: IssuerContext, ready: _Ready, form: Format, made: Unsigned) -> list[StepResult]:
    """Sign with a throwaway key and verify the result as a verifier would; raises `CredentialRefused`."""
    signer, key = context.throwaway.take()
    token = form.serialize(made, form.sign_payload(made, ready.institution, signer))
    results = rehearse(token, key, context.policy, ready.now, context.book)
    outside = any(step.reason in REFUSALS for step in results)
    objections = context.book.objections(ready.institution.slug, ready.wanted, ready.now) if outside else ()
    refuse_findings(results, ready.credential.issued, ready.now, objections)
    return results


def _event(ready: _Ready, issuance: Issuance, place: StatusPlace, commitments: dict[str, str]) -> CredentialIssued:
    return CredentialIssued(
        ref=issuance.ref,
        commitments=commitments,
        institution=ready.institution.slug,
        kid=ready.signer.kid,
        credential_type=ready.wanted.credential_type,
        eqf=ready.wanted.eqf,
        isced_f=ready.wanted.isced_f,
        status_list=place.list_name,
        status_index=place.index,
        issued=ready.credential.issued,
        valid_until=ready.credential.valid_until,
        replaces=issuance.replaces,
    )

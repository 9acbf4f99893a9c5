"""One function for the one command, and one for each kind of event heard."""

from __future__ import annotations

import asyncio

from services.verifier.commands import VerifyCredential
from services.verifier.context import VerifierContext
from services.verifier.domain import require_past
from services.verifier.replica import Then
from services.verifier.repository import add_cutoff, add_facts, add_trust_fact
from shared.events.base import Event
from shared.inbox.received import Received
from shared.log.outbox import Unit
from shared.status import facts
from shared.status.facts import StatusEvent
from shared.telemetry import counter, histogram
from shared.trust import accreditation, receipt
from shared.trust.receipt import ReceiptFinding
from shared.verification.context import Context
from shared.verification.presented import recognise
from shared.verification.report import Report
from shared.verification.sealed.verify import SealReport, verify_seal
from shared.verification.verify import verify

SECONDS = histogram("testamur_verifier_check_seconds", "How long answering one question took, without the HTTP around it.")
VERDICTS = counter("testamur_verifier_verdicts", "Answers by verdict and reason.")


async def check(verifier: VerifierContext, question: VerifyCredential) -> Report:
    """Answer a question: eleven steps over what is known here. Fetches nothing and writes nothing."""
    presented = recognise(question.credential)
    now = verifier.clock.now()
    require_past(now, question.as_of, question.known_at)
    then = Then(question.known_at, verifier.policy.max_age) if question.known_at else None
    context = Context(
        presented=presented,
        knowledge=await verifier.replica.knowledge(presented, now, then),
        now=now,
        me=verifier.me,
        federation=verifier.federation,
        policy=verifier.policy,
        as_of=question.as_of,
        known_at=question.known_at,
        country=question.country,
        nonce=question.nonce,
        audience=question.audience,
        parts=await verifier.replica.parts(presented, now, then),
    )
    return verify(context)


async def verify_credential(verifier: VerifierContext, question: VerifyCredential) -> Report:
    """`check`, counted: the verdict, its reason and the time are all that is kept of a question."""
    began = verifier.clock.monotonic()
    report = await check(verifier, question)
    SECONDS.record(verifier.clock.monotonic() - began)
    VERDICTS.add(verdict=report.verdict.value, reason=report.reason or "none")
    return report


def receipt_of(verifier: VerifierContext, report: Report) -> str | None:
    """What a report says, signed for those of this node who rely on it. None where the credential could not be read, and
    where the question was about another time: a receipt speaks of now.
    """
    context = report.context
    known, presented, credential = context.knowledge, context.presented, context.presented.credential
    if verifier.receipt_signer is None or credential is None or presented.commitment is None:
        return None
    if context.as_of is not None or context.known_at is not None:
        return None
    found = ReceiptFinding(
        ref=credential.ref,
        institution=credential.institution.urn,
        commitment=presented.commitment,
        verdict=report.verdict.value,
        reason=report.reason,
        as_of={"epoch": known.epoch, "registrations": known.seq, "status": known.status_seq, "trust": known.trust_seq},
    )
    signer, certificate = verifier.receipt_signer()
    federation, me = verifier.federation, verifier.me
    return receipt.mint(signer, certificate, found, federation=federation, node=me, now=context.now)


async def verify_sealed(verifier: VerifierContext, raw: bytes) -> SealReport:
    """What can be said of a sealed Europass file, by the file and the trusted lists held here; counted like `check`."""
    began = verifier.clock.monotonic()
    report = await asyncio.to_thread(
        verify_seal, raw, verifier.clock.now(), verifier.trusted_lists, verifier.policy.coherence, verifier.shapes
    )
    SECONDS.record(verifier.clock.monotonic() - began)
    VERDICTS.add(verdict=report.verdict.value, reason=(report.deciding and report.deciding.reason) or "none")
    return report


async def on_status_event(unit: Unit, received: Received[StatusEvent]) -> None:
    """A credential was registered, suspended, reinstated or revoked; or many were."""
    event = received.event
    fact = facts.from_entry(received.entry, event, received.known_at)
    add_facts(unit, received.origin, facts.by_credential(fact))
    cutoff = facts.key_cutoff(fact)
    if cutoff is not None:
        await add_cutoff(unit.tx, received.origin, cutoff)


async def on_trust_event(unit: Unit, received: Received[Event]) -> None:
    """An institution was accredited or is not any more; a key of its was added or retired."""
    await add_trust_fact(unit.tx, received.origin, received.hash, accreditation.from_entry(received.entry, received.event))

"""One function for the one command, and one for each kind of event heard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from services.verifier.commands import VerifyCredential
from services.verifier.domain import require_past
from services.verifier.replica import Replica, Then
from services.verifier.repository import add_cutoff, add_facts, add_trust_fact
from shared.clock import Clock
from shared.inbox.received import Heard
from shared.jose.signers import Signer
from shared.log.outbox import Unit
from shared.seals.trusted_list import TrustedList
from shared.status import facts
from shared.status.facts import STATUS_EVENTS
from shared.telemetry import counter, histogram
from shared.trust import accreditation, receipt
from shared.trust.receipt import Finding
from shared.verification.context import Context
from shared.verification.policy import Policy
from shared.verification.presented import recognise
from shared.verification.report import Report
from shared.verification.sealed.verify import SealReport, verify_seal
from shared.verification.verify import verify

SECONDS = histogram("testamur_verifier_check_seconds", "How long answering one question took, without the HTTP around it.")
VERDICTS = counter("testamur_verifier_verdicts", "Answers by verdict and reason.")


class Seal(NamedTuple):
    """The key that signs receipts, and what the node's root says of it."""

    signer: Signer
    certificate: str


@dataclass(frozen=True, slots=True)
class Desk:
    """What a question is answered with: the replica, the clock, the policy, and who is asked."""

    replica: Replica
    clock: Clock
    policy: Policy
    me: str
    federation: str
    trusted_lists: tuple[TrustedList, ...] = ()
    shapes: Path | None = None
    seal: Callable[[], Seal] | None = None
    """Gives what signs receipts now."""


async def check(desk: Desk, question: VerifyCredential) -> Report:
    """Answer a question: eleven steps over what is known here. Fetches nothing and writes nothing."""
    presented = recognise(question.credential)
    now = desk.clock.now()
    require_past(now, question.as_of, question.known_at)
    then = Then(question.known_at, desk.policy.max_age) if question.known_at else None
    context = Context(
        presented=presented,
        knowledge=await desk.replica.knowledge(presented, now, then),
        now=now,
        me=desk.me,
        federation=desk.federation,
        policy=desk.policy,
        as_of=question.as_of,
        known_at=question.known_at,
        country=question.country,
        nonce=question.nonce,
        audience=question.audience,
        parts=await desk.replica.parts(presented, now, then),
    )
    return verify(context)


async def verify_credential(desk: Desk, question: VerifyCredential) -> Report:
    """`check`, counted: the verdict, its reason and the time are all that is kept of a question."""
    began = desk.clock.monotonic()
    report = await check(desk, question)
    SECONDS.record(desk.clock.monotonic() - began)
    VERDICTS.add(verdict=report.verdict.value, reason=report.reason or "none")
    return report


def receipt_of(desk: Desk, report: Report) -> str | None:
    """What a report says, signed for those of this nation who rely on it. None where the credential could not be read, and
    where the question was of another time: a receipt speaks of now.
    """
    context = report.context
    known, presented, said = context.knowledge, context.presented, context.presented.credential
    if desk.seal is None or said is None or presented.commitment is None or context.as_of or context.known_at:
        return None
    found = Finding(
        ref=said.ref,
        institution=said.institution.urn,
        commitment=presented.commitment,
        verdict=report.verdict.value,
        reason=report.reason,
        as_of={"epoch": known.epoch, "registrations": known.seq, "status": known.status_seq, "trust": known.trust_seq},
    )
    seal = desk.seal()
    return receipt.mint(seal.signer, seal.certificate, found, federation=desk.federation, node=desk.me, now=context.now)


async def verify_sealed(desk: Desk, raw: bytes) -> SealReport:
    """What can be said of a sealed Europass file, by the file and the trusted lists held here; counted like `check`."""
    began = desk.clock.monotonic()
    report = await asyncio.to_thread(
        verify_seal, raw, desk.clock.now(), desk.trusted_lists, desk.policy.coherence, desk.shapes
    )
    SECONDS.record(desk.clock.monotonic() - began)
    VERDICTS.add(verdict=report.verdict.value, reason=(report.deciding and report.deciding.reason) or "none")
    return report


async def on_status_event(unit: Unit, heard: Heard) -> None:
    """A credential was registered, suspended, reinstated or revoked; or many were."""
    event = heard.event
    assert isinstance(event, STATUS_EVENTS)
    fact = facts.from_entry(heard.entry, event, heard.known_at)
    add_facts(unit, heard.origin, facts.by_credential(fact))
    cutoff = facts.key_cutoff(fact)
    if cutoff is not None:
        await add_cutoff(unit.tx, heard.origin, cutoff)


async def on_trust_event(unit: Unit, heard: Heard) -> None:
    """An institution was accredited or is not any more; a key of its was added or retired."""
    await add_trust_fact(unit.tx, heard.origin, heard.hash, accreditation.from_entry(heard.entry, heard.event))

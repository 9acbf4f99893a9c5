"""Steps 6 and 7: what its registry says of it.

(6) not revoked or suspended, known as of when    (7) registered, with this commitment

- A known revocation wins over everything that is not known: staleness, a contradictory log, an expired list.
- Silence is not good news: without a recent proof that nothing was withheld, step 6 is unknown.
- What a contradictory log registered counts against no credential: which of two entries came first to us is chance.
- Neither step reveals anything about a credential that is not shown to be authentic.
"""

from __future__ import annotations

from typing import Any

from shared.status.fold import Status
from shared.verification.context import Case
from shared.verification.verdict import StepResult, found, passed


def check_status(case: Case) -> StepResult:
    """Step 6."""
    knowledge = case.knowledge
    evidence: dict[str, Any] = {"epoch": knowledge.epoch, "status": knowledge.status_seq, "age_seconds": case.age}
    if not case.node_is_known:
        return found(6, "unknown-nation", {})
    if not case.authentic:
        return found(6, "not-authentic", evidence)
    state = case.state
    if state.status is Status.REVOKED:
        evidence |= {
            "since": state.since,
            "reason": state.reason,
            "entry": state.revocation,
            "replaced_by": state.replaced_by,
        }
        return found(6, "superseded" if state.reason == "superseded" else "revoked", evidence)
    if state.status is Status.SUSPENDED:
        return found(6, "suspended", evidence | {"since": state.since, "reason": state.reason, "until": state.until})
    reason = case.doubt
    if reason is not None:
        return found(6, reason, evidence)
    return passed(6, "Neither revoked nor suspended, by recent knowledge.", evidence)


def check_registration(case: Case) -> StepResult:
    """Step 7."""
    evidence: dict[str, Any] = {"epoch": case.knowledge.epoch, "registrations": case.knowledge.seq}
    if not case.node_is_known:
        return found(7, "unknown-nation", {})
    if not case.authentic:
        return found(7, "not-authentic", evidence)
    fact, event = case.state.registration, case.state.registered
    if fact is None or event is None:
        return found(7, "not-registered", evidence)
    evidence |= {"entry": fact.hash, "sequence": fact.seq, "at": fact.at}
    commitment = event.commitments.get(case.presented.format or "")
    if commitment is None:
        return found(7, "format-not-registered", evidence)
    credential = case.credential
    presented = (credential.ref, credential.institution.slug, case.token.kid, credential.award.credential_type)
    registered = (event.ref, event.institution, event.kid, event.credential_type)
    differs = "registration-differs" if presented != registered else None
    if commitment != case.presented.commitment:
        differs = "commitment-mismatch"
    if differs is not None:
        return found(7, "contradictory-log" if case.knowledge.contradictory else differs, evidence)
    return passed(7, "Registered, with this commitment.", evidence)

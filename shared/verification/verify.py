"""All eleven steps in order, to a report; and the issuer's rehearsal of those that it can check before it signs.

(0) read within limits, recognise the format         (5) in its validity period
(1) complete: the eleven mandatory elements          (6) not revoked or suspended, known as of when
(2) coherent: hours per ECTS, levels, dates          (7) registered, with this commitment
(3) the signature holds, by a key the issuer held    (8) presented by its holder
(4) the issuer was accredited for this, then, and    (9) its parts hold too
    by whom (type, EQF level, field, jurisdiction)   (10) what it means here: EQF level, national level, ECTS
"""

from __future__ import annotations

from datetime import datetime

from shared.jose import gate
from shared.jose.keys import VerificationKey
from shared.trust.accreditation import TrustBook
from shared.trust.scope import Decision
from shared.verification.context import Case, Context, Signature, case_of, try_signature
from shared.verification.policy import Policy
from shared.verification.presented import recognise
from shared.verification.report import Report
from shared.verification.steps import content, holder, meaning, parts, proof, status
from shared.verification.verdict import STEPS, StepResult, conclude, found, not_read, passed


def verify(context: Context) -> Report:
    """Answer one question from what is known here. Pure: the same context gives the same report."""
    presented = context.presented
    if presented.token is None or presented.credential is None:
        steps: tuple[StepResult, ...] = (content.read(presented), *map(not_read, range(1, len(STEPS))))
    else:
        steps = _steps(case_of(context, presented.token, presented.credential))
    verdict, deciding = conclude(steps, context.policy.hardened)
    return Report(verdict, deciding, steps, context)


def rehearse(
    raw: bytes | str, key: VerificationKey, policy: Policy, now: datetime, trust: TrustBook | None = None
) -> list[StepResult]:
    """The steps that an issuer can check before signing for real: 0 to 3, 4 where it has its nation's book, 5 and 10.

    `raw` is the credential signed with a throwaway key, `key` that key's public half. Raises nothing: the caller signs
    for real unless a step failed or is unknown. A credential may be signed before its validity period begins.
    """
    presented = recognise(raw)
    token, said = presented.token, presented.credential
    if token is None or said is None:
        return [content.read(presented)]
    results = [content.read(presented), content.complete(said), content.coherent(said, policy.coherence)]
    results.append(_signed_by(token, key))
    if trust is not None:
        decision = trust.decide(said.institution.slug, proof.wanted(said), None, now)
        results.append(_allowed(decision))
    results += [proof.in_time(said, max(now, said.valid_from)), meaning.meaning(said, said.credential.awarding_body.country)]
    return results


def _steps(case: Case) -> tuple[StepResult, ...]:
    said = case.said
    return (
        content.read(case.presented),
        content.complete(said),
        content.coherent(said, case.policy.coherence),
        proof.signature(case),
        proof.accredited(case),
        proof.in_time(said, case.moment),
        status.status(case),
        status.registered(case),
        holder.held(case),
        parts.hold(case),
        meaning.meaning(said, case.country),
    )


def _signed_by(token: gate.Token, key: VerificationKey) -> StepResult:
    evidence = {"kid": token.kid, "alg": token.alg}
    if try_signature(token, key) is Signature.FALSE:
        return found(3, "signature-invalid", evidence)
    return passed(3, "The signature holds, by the key it was rehearsed with.", evidence)


def _allowed(decision: Decision) -> StepResult:
    evidence = {"accreditation": decision.accreditation}
    if decision.reason is not None:
        return found(4, decision.reason, evidence)
    return passed(4, decision.detail, evidence)

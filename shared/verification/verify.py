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
        steps: tuple[StepResult, ...] = (content.check_format(presented), *map(not_read, range(1, len(STEPS))))
    else:
        steps = _steps(case_of(context, presented.token, presented.credential))
    verdict, deciding = conclude(steps, context.policy.hardened)
    return Report(verdict=verdict, deciding=deciding, steps=steps, context=context)


def rehearse(
    raw: bytes | str, key: VerificationKey, policy: Policy, now: datetime, trust: TrustBook | None = None
) -> list[StepResult]:
    """The steps that an issuer can check before signing for real: 0 to 3, 4 where it has its node's book, 5 and 10.

    `raw` is the credential signed with a throwaway key, `key` that key's public half. Raises nothing: the caller signs
    for real unless a step failed or is unknown. A credential may be signed before its validity period begins.
    """
    presented = recognise(raw)
    token, credential = presented.token, presented.credential
    results = [content.check_format(presented)]
    if token is None or credential is None:
        return results
    results += [content.check_complete(credential), content.check_coherent(credential, policy.coherence)]
    results.append(_signed_by(token, key))
    if trust is not None:
        decision = trust.decide(credential.institution.slug, proof.required_scope(credential), None, now)
        results.append(_allowed(decision))
    results.append(proof.check_validity_period(credential, max(now, credential.valid_from)))
    results.append(meaning.check_meaning(credential, credential.award.awarding_body.country))
    return results


def _steps(case: Case) -> tuple[StepResult, ...]:
    return (
        content.check_format(case.presented),
        content.check_complete(case.credential),
        content.check_coherent(case.credential, case.policy.coherence),
        proof.check_signature(case),
        proof.check_accreditation(case),
        proof.check_validity_period(case.credential, case.moment),
        status.check_status(case),
        status.check_registration(case),
        holder.check_presentation(case),
        parts.check_parts(case),
        meaning.check_meaning(case.credential, case.country),
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

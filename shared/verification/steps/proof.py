"""Steps 3 to 5: who signed it, who let them, and whether its time is now.

(3) the signature holds, by a key the issuer held    (4) the issuer was accredited for this, then, and by whom
(5) in its validity period

- THEN is the moment of registration as ordered by the registry's log (`after` of its entry), never a date in the credential:
  an institution that lost its accreditation could backdate. What is not registered is judged as of now.
- An identifier that two nodes claim makes the institutions of both doubtful, by what is known now: the claim of another
  node is no part of the log that the registration stands in.
- "Not accredited" counts against a credential only on fresh knowledge; otherwise the answer is not known.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from shared.clock import MAX_SKEW
from shared.credential.levels import eqf_of
from shared.formats.port import ReadCredential
from shared.status.facts import Fact
from shared.trust.accreditation import COMPROMISED, LogPosition
from shared.trust.federation_list import ListState
from shared.trust.nodes import Node
from shared.trust.scope import REFUSALS, Decision, RequiredScope
from shared.verification.context import Case, Signature
from shared.verification.verdict import StepResult, found, passed


def check_signature(case: Case) -> StepResult:
    """Step 3."""
    evidence = {"kid": case.token.kid, "alg": case.token.alg}
    if not case.node_is_known:
        return found(3, "unknown-nation", evidence)
    if case.key is None:
        return found(3, "unknown-key", evidence)
    if case.signature is Signature.FALSE:
        return found(3, "signature-invalid", evidence)
    reason = _key_objection(case, case.registration)
    if reason is not None:
        return found(3, reason, evidence)
    return passed(3, "The signature holds, by a key that the issuer held.", evidence)


def check_accreditation(case: Case) -> StepResult:
    """Step 4."""
    knowledge, node = case.knowledge, case.knowledge.node
    reason = _node_in_doubt(case)
    if reason is not None or node is None or knowledge.trust is None:
        return found(4, reason or "trust-log-unknown", {"by": node.name if node and case.node_is_known else None})
    at, on = _then(case)
    applied = (knowledge.epoch, knowledge.trust_seq)
    if at is not None and at > applied:
        return found(4, "trust-log-behind", {"by": node.name, "trust": knowledge.trust_seq})
    decision = knowledge.trust.decide(case.credential.institution.slug, required_scope(case.credential), at, on)
    decision = within_jurisdiction(node, decision)
    evidence = _evidence(decision, node, at or applied)
    if not decision.allowed:
        return found(4, case.doubt or decision.reason or "not-accredited", evidence)
    if knowledge.contest is not None:
        identifier, nodes = knowledge.contest
        return found(4, "identifier-contested", {**evidence, "identifier": identifier, "claimed_by": list(nodes)})
    if knowledge.list_state is ListState.GRACE:
        return found(4, "federation-list-grace", evidence)
    return passed(4, f"Accredited by {node.name.upper()}: {decision.name}.", evidence)


def check_validity_period(credential: ReadCredential, moment: datetime) -> StepResult:
    """Step 5, at `moment`."""
    evidence = {"valid_from": credential.valid_from, "valid_until": credential.valid_until}
    if credential.valid_until is not None and moment >= credential.valid_until:
        return found(5, "expired", evidence)
    if moment + MAX_SKEW < credential.valid_from:
        return found(5, "not-yet-valid", evidence)
    return passed(5, "It is in its validity period.", evidence)


def required_scope(credential: ReadCredential) -> RequiredScope:
    """What the credential needs its issuer to be accredited for."""
    award = credential.award
    country = award.awarding_body.country
    return RequiredScope(award.credential_type, eqf_of(award.level, country), award.isced_f, country)


def within_jurisdiction(node: Node, decision: Decision) -> Decision:
    """The decision, unless its accreditation lies outside the jurisdictions that the node speaks for."""
    if not decision.allowed or (decision.country and node.covers(decision.country)):
        return decision
    reason = "jurisdiction-out-of-scope"
    return decision._replace(allowed=False, reason=reason, detail=REFUSALS[reason])


def _key_objection(case: Case, registration: Fact | None) -> str | None:
    """Why the key does not count for this credential; None when it does."""
    key, book = case.key, case.knowledge.trust
    if key is None or book is None:
        return "unknown-key"
    if registration is None:
        if key.retired is None:
            return None
        # a registration that the cut lets stand may still be on its way to us, unless we are past the cut
        past = case.knowledge.seq >= key.retired.stand_to
        return "key-compromised" if key.retired.reason == COMPROMISED and past else "key-retired"
    if not book.key_stands(case.token.kid, (registration.epoch, registration.seq)):
        return "key-compromised" if key.retired and key.retired.reason == COMPROMISED else "key-retired"
    return "key-not-yet-added" if key.added > (registration.epoch, registration.trust_seq) else None


def _node_in_doubt(case: Case) -> str | None:
    if not case.node_is_known or case.knowledge.node is None:
        return "unknown-nation"
    if case.knowledge.list_state is ListState.EXPIRED:
        return "federation-list-expired"
    if case.knowledge.node.status != "active":
        return f"nation-{case.knowledge.node.status}"
    return None


def _then(case: Case) -> tuple[LogPosition | None, datetime]:
    fact = case.registration
    return ((fact.epoch, fact.trust_seq), fact.at) if fact else (None, case.moment)


def _evidence(decision: Decision, node: Node, at: LogPosition) -> dict[str, Any]:
    return {
        "by": node.name,
        "institution": decision.name,
        "accreditation": decision.accreditation,
        "as_of": {"epoch": at[0], "trust": at[1]},
    }

"""Steps 3 to 5: who signed it, who let them, and whether its time is now.

(3) the signature holds, by a key the issuer held    (4) the issuer was accredited for this, then, and by whom
(5) in its validity period

- THEN is the moment of registration as ordered by the registry's log (`aft` of its entry), never a date in the credential:
  an institution that lost its accreditation could backdate. What is not registered is judged as of now.
- An identifier that two nations claim makes the institutions of both doubtful, by what is known now: the claim of another
  nation is no part of the log that the registration stands in.
- "Not accredited" is held against a credential only on fresh knowledge; otherwise the answer is not known.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from shared.clock import MAX_SKEW
from shared.credential.levels import eqf_of
from shared.formats.port import ReadCredential
from shared.status.facts import Fact
from shared.trust.accreditation import COMPROMISED, Place
from shared.trust.federation_list import Standing
from shared.trust.nodes import Node
from shared.trust.scope import REFUSALS, Decision, Wanted
from shared.verification.context import Case, Signature
from shared.verification.verdict import StepResult, found, passed


def signature(case: Case) -> StepResult:
    """Step 3."""
    evidence = {"kid": case.token.kid, "alg": case.token.alg}
    if not case.known_nation:
        return found(3, "unknown-nation", evidence)
    if case.key is None:
        return found(3, "unknown-key", evidence)
    if case.signature is Signature.FALSE:
        return found(3, "signature-invalid", evidence)
    reason = _key_held(case, case.registration)
    if reason is not None:
        return found(3, reason, evidence)
    return passed(3, "The signature holds, by a key that the issuer held.", evidence)


def accredited(case: Case) -> StepResult:
    """Step 4."""
    knowledge, node = case.knowledge, case.knowledge.node
    reason = _nation_in_doubt(case)
    if reason is not None or node is None or knowledge.trust is None:
        return found(4, reason or "trust-log-unknown", {"by": node.name if node and case.known_nation else None})
    at, on = _then(case)
    place = at or (knowledge.epoch, knowledge.trust_seq)
    if place > (knowledge.epoch, knowledge.trust_seq):
        return found(4, "trust-log-behind", {"by": node.name, "trust": knowledge.trust_seq})
    decision = within(node, knowledge.trust.decide(case.said.institution.slug, wanted(case.said), at, on))
    evidence = _evidence(decision, node, place)
    if not decision.allowed:
        return found(4, _in_doubt(case) or decision.reason or "not-accredited", evidence)
    if knowledge.contest is not None:
        identifier, nations = knowledge.contest
        return found(4, "identifier-contested", {**evidence, "identifier": identifier, "claimed_by": list(nations)})
    if knowledge.list_standing is Standing.GRACE:
        return found(4, "federation-list-grace", evidence)
    return passed(4, f"Accredited by {node.name.upper()}: {decision.name}.", evidence)


def in_time(said: ReadCredential, moment: datetime) -> StepResult:
    """Step 5, at `moment`."""
    evidence = {"valid_from": said.valid_from, "valid_until": said.valid_until}
    if said.valid_until is not None and moment >= said.valid_until:
        return found(5, "expired", evidence)
    if moment + MAX_SKEW < said.valid_from:
        return found(5, "not-yet-valid", evidence)
    return passed(5, "It is in its validity period.", evidence)


def wanted(said: ReadCredential) -> Wanted:
    """What the credential needs its issuer to be accredited for."""
    award = said.credential
    country = award.awarding_body.country
    return Wanted(award.credential_type, eqf_of(award.level, country), award.isced_f, country)


def within(node: Node, decision: Decision) -> Decision:
    """The decision, unless its accreditation lies outside the jurisdictions that the node speaks for."""
    if not decision.allowed or (decision.country and node.covers(decision.country)):
        return decision
    reason = "jurisdiction-out-of-scope"
    return Decision(False, reason, REFUSALS[reason], decision.accreditation, decision.name, decision.country)


def _key_held(case: Case, registration: Fact | None) -> str | None:
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


def _nation_in_doubt(case: Case) -> str | None:
    if not case.known_nation or case.knowledge.node is None:
        return "unknown-nation"
    if case.knowledge.list_standing is Standing.EXPIRED:
        return "federation-list-expired"
    if case.knowledge.node.status != "active":
        return f"nation-{case.knowledge.node.status}"
    return None


def _in_doubt(case: Case) -> str | None:
    """Why what is known of the origin is too little to hold a missing accreditation against a credential."""
    if case.knowledge.contradictory:
        return "contradictory-log"
    if case.knowledge.parked:
        return "parked"
    return case.staleness


def _then(case: Case) -> tuple[Place | None, datetime]:
    fact = case.registration
    return ((fact.epoch, fact.trust_seq), fact.at) if fact else (None, case.moment)


def _evidence(decision: Decision, node: Node, place: Place) -> dict[str, Any]:
    return {
        "by": node.name,
        "institution": decision.name,
        "accreditation": decision.accreditation,
        "as_of": {"epoch": place[0], "trust": place[1]},
    }

"""Step 9: its parts hold too.

- A part is named with the digest of what its issuer signed: registered under that name there must be just this.
- A part that was revoked, superseded or suspended makes the whole *affected*: a warning, since what that means for it is for
  its own issuer to say. A policy may harden it.
- Of a part of a part only the name is visible here. Its state is the matter of the one who issued the part, whose node is
  told when it changes.
"""

from __future__ import annotations

from shared.ids import parse_institution
from shared.status.fold import Status
from shared.verification.context import Case, PartState
from shared.verification.verdict import StepResult, found, passed


def check_parts(case: Case) -> StepResult:
    """Step 9. The parts of a credential that is not shown to be authentic stay unanswered, as its own state does."""
    if not case.parts:
        return found(9, "no-parts", {})
    if not case.authentic:
        return found(9, "not-authentic", {"parts": len(case.parts)})
    affected = {one.part.ref: one.state.status.value for one in case.parts if _is_affected(one)}
    unknown = tuple(one.part.ref for one in case.parts if not _is_known(one) and one.part.ref not in affected)
    mismatched = tuple(one.part.ref for one in case.parts if _is_mismatched(one))
    evidence = {"parts": len(case.parts), "affected": affected, "unknown": unknown, "mismatched": mismatched}
    if mismatched:
        return found(9, "part-mismatch", evidence)
    if affected:
        return found(9, "part-affected", evidence)
    if unknown:
        return found(9, "part-unknown", evidence)
    return passed(9, f"Each of its {len(case.parts)} parts holds.", evidence)


def _is_affected(one: PartState) -> bool:
    """Whether it is known to hold no more: that counts however old the knowledge is."""
    return one.state.status in (Status.REVOKED, Status.SUSPENDED)


def _is_known(one: PartState) -> bool:
    """Whether enough and recent enough is known of it: that it is registered, in this format."""
    registered = one.state.registered
    return one.fresh and registered is not None and one.part.format in registered.commitments


def _is_mismatched(one: PartState) -> bool:
    """Whether what is registered under its name is something else, as far as its node can be believed."""
    registered, issuer = one.state.registered, parse_institution(one.part.issuer)
    if not one.fresh or registered is None or issuer is None:
        return False
    commitment = registered.commitments.get(one.part.format, one.part.commitment)
    return registered.institution != issuer.slug or commitment != one.part.commitment

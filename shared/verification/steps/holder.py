"""Step 8: presented by its holder.

- A credential with selective disclosure may come with a key binding JWT (RFC 9901, 4.3): by the key that the credential is
  bound to (`cnf`), over the very presentation (`sd_hash`), for whom (`aud`), to which question (`nonce`), when (`iat`).
- It shows something only to the verifier that asked: without that verifier's nonce and audience it could be an old one.
- Anything else that is presented does not show who presents it. That is a warning, and counts against no credential.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from shared.clock import MAX_SKEW
from shared.errors import TestamurError
from shared.jose import gate, sd_jwt
from shared.jose.keys import VerificationKey
from shared.jose.purpose import KEY_BINDING, Purpose
from shared.jose.token import read
from shared.verification.context import Case
from shared.verification.verdict import StepResult, found, passed

MAX_BINDING_AGE = timedelta(minutes=5)
"""How old a key binding may be: it is made to answer a question that was just asked."""


def check_presentation(case: Case) -> StepResult:
    """Step 8."""
    presentation = case.presented.presentation
    if presentation is None or presentation.binding is None:
        return found(8, "holder-not-proven", {})
    try:
        claims = _verified(case, presentation.binding)
    except TestamurError as error:
        return found(8, "key-binding-invalid", {}, error.detail)
    if claims.get("sd_hash") != sd_jwt.digest(presentation.bound):
        return found(8, "key-binding-invalid", {}, "It was made for another presentation.")
    if case.nonce is None or case.audience is None:
        return found(8, "key-binding-not-asked", {})
    if claims.get("nonce") != case.nonce or claims.get("aud") != case.audience:
        return found(8, "key-binding-invalid", {}, "It answers another question, or was made for somebody else.")
    if not _is_fresh(claims.get("iat"), case.now):
        return found(8, "key-binding-invalid", {}, "It was not made just now.")
    return passed(8, "It was presented by the holder of the key that it is bound to.", {"audience": case.audience})


def _verified(case: Case, binding: bytes) -> dict[str, Any]:
    """The claims of a key binding JWT by the key that the credential is bound to."""
    token = read(binding, typ=KEY_BINDING, named=False)
    bound = case.credential.award.holder.key
    if bound is None:
        raise gate.UnknownKey("The credential is bound to no key.", reason="no-cnf")
    key = VerificationKey.from_jwk(bound.model_dump(exclude_none=True), Purpose.HOLDER)
    gate.verify_bound(token, key)
    return gate.claims(token)


def _is_fresh(made: Any, now: datetime) -> bool:
    if type(made) is not int:
        return False
    age = now.timestamp() - made
    return -MAX_SKEW.total_seconds() <= age <= MAX_BINDING_AGE.total_seconds()

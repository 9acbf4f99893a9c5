"""One function for each command about institutions' keys."""

from __future__ import annotations

from services.issuer.key_api.commands import SigningKeyView
from shared.jose.signers import LocalSigner
from shared.log.outbox import Unit


async def make_key(unit: Unit, institution: str, signer: LocalSigner) -> SigningKeyView:
    """Note that the institution has this key; it signs once the registry has announced it."""
    await unit.audit("institution-key.make", institution, kid=signer.kid)
    return SigningKeyView(institution=institution, kid=signer.kid, jwk=signer.public_jwk)

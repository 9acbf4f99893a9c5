"""What the forms of a credential cost: verifying one with selective disclosure, and both reports on what it says."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import orjson
from jwcrypto.jwk import JWK
from sd_jwt.verifier import SDJWTVerifier

from shared.credential import coherence, completeness, draft, written
from shared.jose import gate, sd_jwt
from shared.jose.purpose import CREDENTIAL, SD_CREDENTIAL, Purpose
from shared.jose.signers import LocalSigner, sign
from tests.bench.credentials import raw_verify
from tests.bench.measure import ROUNDS, Row, at_least, at_most_ratio, rate
from tests.shared_data import ROOT

DISCLOSURES = 10
NOW = datetime(2026, 11, 24, tzinfo=UTC)


async def rows(folder: Path) -> list[Row]:
    """All rows of this group."""
    signer = LocalSigner.generate(Purpose.INSTITUTION)
    return [_sd_jwt_verify(signer), _completeness(signer)]


def _sd_jwt_verify(signer: LocalSigner) -> Row:
    made = [sd_jwt.conceal(f"claim{number}", {"en": f"value {number}"}) for number in range(DISCLOSURES)]
    claims = {"iss": "https://issuer.example", "_sd": [one.digest for one in made], "_sd_alg": sd_jwt.ALGORITHM}
    raw = sd_jwt.join(sign({"typ": SD_CREDENTIAL}, orjson.dumps(claims), signer), made)
    key, text = signer.verification_key(), raw.decode()
    jwk = JWK(**signer.public_jwk)

    def ours() -> None:
        presented = sd_jwt.split(raw)
        token = gate.check(presented.issued, typ=SD_CREDENTIAL, keys=lambda _: key)
        assert len(sd_jwt.reveal(gate.claims(token), presented.disclosures)) == DISCLOSURES + 1

    def theirs() -> None:
        verified = SDJWTVerifier(text, lambda _issuer, _header: jwk).get_verified_payload()
        assert len(verified) == DISCLOSURES + 1

    pairs = [(rate(ours), rate(theirs)) for _ in range(ROUNDS)]
    return at_least("sd-jwt-verify", "SD-JWT with ten disclosures verified / by the sd-jwt package", pairs, 2.5)


def _completeness(signer: LocalSigner) -> Row:
    credential = draft.build(written.read((ROOT / "examples/data-literacy.yaml").read_bytes()), issued=NOW)
    bare = raw_verify(gate.read(sign({"typ": CREDENTIAL}, b"{}", signer), typ=CREDENTIAL), signer.verification_key())

    def both() -> None:
        completeness.report(credential)
        coherence.faults(credential)

    pairs = [(rate(both), rate(bare)) for _ in range(ROUNDS)]
    return at_most_ratio("completeness", "both reports on a credential / raw ES256 verify, as time", pairs, 1.0)

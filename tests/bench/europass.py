"""What a sealed Europass file costs: seal, timestamps, completeness, coherence and JSON Schema, of the Commission's own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import orjson
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from shared.jose import token
from shared.seals import jades
from shared.verification.sealed.verify import verify_seal
from shared.verification.verdict import Outcome
from tests.bench.measure import ROUNDS, Row, at_least, rate
from tests.shared_data import SHARED

SAMPLE = SHARED / "samples" / "europass-elm-v3" / "Sample-MC-Annex1-signed.jsonld"
WHAT = "a real sealed file: seal, its timestamps, completeness, coherence, JSON Schema / raw RS256 verify of its bytes"
GOAL = 0.05


async def rows(_: Path) -> list[Row]:
    """All rows of this group; none, and a sentence that says so, where the samples are not beside this checkout."""
    if not SAMPLE.exists():
        return [
            Row("europass-verify", "not measured: no samples beside this checkout", 0.0, None, None, f">= {GOAL:g}", False)
        ]
    raw, now = SAMPLE.read_bytes(), datetime(2023, 10, 1, tzinfo=UTC)
    if verify_seal(raw, now).checks[1].outcome is not Outcome.PASSED:
        raise RuntimeError("the sample's seal does not hold, so there is nothing to measure")
    bare = raw_verify(raw)
    pairs = [(rate(lambda: verify_seal(raw, now)), rate(bare)) for _ in range(ROUNDS)]
    return [at_least("europass-verify", WHAT, pairs, GOAL)]


def raw_verify(raw: bytes) -> Callable[[], None]:
    """The library's own verification of the seal, with everything around it made beforehand."""
    whole = orjson.loads(raw)
    entry = whole["signatures"][0]
    certificate = jades.read(raw).certificate
    assert certificate is not None
    key = x509.load_der_x509_certificate(certificate.der).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    public, signed = key, f"{entry['protected']}.{whole['payload']}".encode()
    signature = token.decode(entry["signature"].encode(), "signature")
    scheme, digest = padding.PKCS1v15(), SHA256()
    return lambda: public.verify(signature, signed, scheme, digest)

"""Promise: of Wycheproof's vectors no invalid one is accepted, and every valid one of an algorithm we take is.

The vectors' headers hold only `alg` and `kid`. Our gate also wants `typ`, so `gate.read` refuses every one of them for
that alone; this is asserted, and then proves nothing. So each vector goes through the same reading without the type
(`token._split`, `token._assemble`) and the same verification without the purpose (`gate._verify_signature`, after the
comparison of `alg` and `kid`): all limits, spellings, algorithms, keys and signatures are the product's own.

Refused though valid, by policy, each counted below: HMACs, RS384, RS512, PS384, PS512, ES512.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key

from shared.jose import gate, purpose, token
from shared.jose.keys import VerificationKey, from_jwks, public_jwk
from shared.jose.purpose import Purpose
from shared.jose.refusals import KeyRefused, TokenRefused
from tests.shared_data import shared_json

PURPOSE = Purpose.INSTITUTION
OURS = frozenset({"ES256", "ES384", "EDDSA", "RS256", "PS256"})


def vectors(name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    document = shared_json("vectors", "wycheproof", name)
    listed = [(group, test) for group in document["testGroups"] for test in group["tests"]]
    assert len(listed) == document["numberOfTests"]
    return listed


def public_key(jwk: dict[str, Any]) -> VerificationKey:
    return VerificationKey.from_jwk(jwk, PURPOSE, jwk.get("kid"), allow_rsa=True)


def without_type(raw: str, find: Any) -> str | None:
    """Read and verify as `gate.check` does, but for type and purpose; the reason of the refusal, or None when accepted."""
    with pytest.raises(gate.TokenMalformed):
        gate.read(raw, typ=purpose.CREDENTIAL)
    try:
        protected, body, signature = token._split(raw, gate.MAX_BYTES)
        read = token._assemble(protected, body, token.decode(body, "payload"), signature)
        key = find(read.header)
        if key is None or (read.alg, read.kid) != (key.alg, key.kid):
            return "key"
        gate._verify_signature(read, key)
    except (TokenRefused, KeyRefused) as refused:
        return refused.reason
    return None


def outcomes(tests: list[tuple[dict[str, Any], dict[str, Any]]], run: Any) -> Counter[tuple[str, str]]:
    """How often each (vector's own result, our outcome) came out."""
    return Counter((test["result"], run(group, test) or "accepted") for group, test in tests)


def jws_outcome(group: dict[str, Any], test: dict[str, Any]) -> str | None:
    jws = test["jws"]
    raw = jws if isinstance(jws, str) else str(jws)
    return without_type(raw, lambda _: public_key(group.get("public", group["private"])))


def test_no_invalid_signed_token_is_accepted_and_every_valid_one_of_ours_is() -> None:
    counted = outcomes(vectors("json_web_signature_test.json"), jws_outcome)
    assert not [key for key in counted if key[0] != "valid" and key[1] == "accepted"]
    assert {why: n for (result, why), n in counted.items() if result == "valid"} == {
        "accepted": 16,  # ES256, RS256, PS256: all there are
        "algorithm": 28,  # HS256 7, RS384 4, RS512 4, PS384 6, PS512 4, ES512 2, and one HS256 in white space
        "base64url": 2,  # HS256 too, and its characters are none of base64url
    }


def test_every_valid_token_of_an_algorithm_we_take_is_accepted_by_name() -> None:
    accepted = Counter[str]()
    for group, test in vectors("json_web_signature_test.json"):
        alg = group["comment"] if test["result"] == "valid" else ""
        if alg.upper() in OURS or alg == "SpecialCaseEs256":
            assert jws_outcome(group, test) is None, test["tcId"]
            accepted[alg] += 1
    assert accepted == {"es256": 1, "SpecialCaseEs256": 1, "rs256": 6, "ps256": 6}


def test_invalid_base64_is_refused_for_itself_and_not_only_for_its_hmac() -> None:
    tests = [test for group, test in vectors("json_web_signature_test.json") if group["comment"] == "base64"]
    valid = {test["jws"] for test in tests if test["result"] == "valid"}
    checked = 0
    for test in tests:
        # 367 and 370 are the very bytes of 357, which is valid: their padding was lost in the file
        if test["result"] == "invalid" and test["jws"] not in valid:
            with pytest.raises(gate.TokenMalformed) as caught:
                for part in token._split(test["jws"], gate.MAX_BYTES):
                    token.decode(part, "part")
            assert caught.value.reason == "base64url", test["tcId"]
            checked += 1
    assert checked == 12


def jwk_outcome(group: dict[str, Any], test: dict[str, Any]) -> str | None:
    try:
        keys = from_jwks(group.get("public", group["private"]), PURPOSE, allow_rsa=True)
    except KeyRefused as refused:
        return refused.reason
    return without_type(test["jws"], lambda header: keys.get(header["kid"]))


def test_no_invalid_key_set_is_accepted_and_the_one_valid_of_ours_is() -> None:
    counted = outcomes(vectors("json_web_key_test.json"), jwk_outcome)
    assert {why: n for (result, why), n in counted.items() if result == "valid"} == {
        "accepted": 1,  # RS256
        "secret": 4,  # sets of HMAC keys: a symmetric key is never published
    }
    assert ("invalid", "accepted") not in counted
    assert counted["invalid", "rsa-roca"] == counted["invalid", "rsa-size"] == 1
    assert counted["invalid", "numbers"] == 2  # an exponent of 1, a point off the curve


def raw_outcome(alg: str) -> Any:
    """Verify a bare message as the signing input of an otherwise ordinary token."""

    def run(group: dict[str, Any], test: dict[str, Any]) -> str | None:
        public: Any = load_der_public_key(bytes.fromhex(group["publicKeyDer"]))
        key = VerificationKey.from_jwk(public_jwk(public), PURPOSE)
        assert key.alg == alg
        header = {"typ": purpose.CREDENTIAL, "alg": alg, "kid": key.kid}
        made = gate.Token(header, b"", bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"]))
        try:
            gate.verify(made, key)
        except TokenRefused as refused:
            return refused.reason
        return None

    return run


@pytest.mark.parametrize(
    ("name", "alg", "valid", "invalid"),
    [
        ("ecdsa_secp256r1_sha256_p1363_test.json", "ES256", 173, 89),
        ("ecdsa_secp384r1_sha384_p1363_test.json", "ES384", 193, 87),
        ("ed25519_test.json", "EdDSA", 88, 63),
    ],
)
def test_every_raw_signature_is_judged_as_the_vectors_say(name: str, alg: str, valid: int, invalid: int) -> None:
    counted = outcomes(vectors(name), raw_outcome(alg))
    assert counted == {("valid", "accepted"): valid, ("invalid", "signature"): invalid}

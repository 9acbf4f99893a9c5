"""Promise: a public key enters our records only when it is sound, public and meant for signatures."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from jwcrypto.jwk import JWK

from shared.jose.keys import VerificationKey, from_jwks, jwks, public_jwk, thumbprint
from shared.jose.purpose import Purpose
from shared.jose.refusals import KeyRefused
from shared.jose.signers import LocalSigner
from shared.jose.token import encode
from tests.shared_data import shared_json

SIGNER = LocalSigner.generate(Purpose.EVENT)
JWK_EC = SIGNER.public_jwk
BARE = {name: JWK_EC[name] for name in ("kty", "crv", "x", "y")}
JWK_ED = LocalSigner.generate(Purpose.EVENT, "EdDSA").public_jwk
RSA_KEY = rsa.generate_private_key(65537, 2048)
JWK_RSA = public_jwk(RSA_KEY.public_key(), alg="RS256")


def reason(jwk: Any, **options: Any) -> str:
    with pytest.raises(KeyRefused) as caught:
        VerificationKey.from_jwk(jwk, Purpose.EVENT, **options)
    return caught.value.reason


def test_the_thumbprint_is_the_one_in_rfc_7638() -> None:
    vector = shared_json("vectors", "rfc7638", "thumbprint.json")
    assert thumbprint(vector["jwk"]) == vector["thumbprint_sha256"]


def test_a_thumbprint_ignores_all_but_the_key_itself() -> None:
    assert thumbprint(BARE) == thumbprint({**JWK_EC, "kid": "x", "use": "enc"}) == SIGNER.kid
    for broken in ({}, {"kty": "EC"}, {**BARE, "x": "!"}, {**BARE, "x": 5}):
        with pytest.raises(KeyRefused):
            thumbprint(broken)


@pytest.mark.parametrize("alg", ["ES256", "ES384", "EdDSA"])
def test_a_published_key_loads_again_as_the_same_record(alg: str) -> None:
    key = LocalSigner.generate(Purpose.EVENT, alg).verification_key()
    again = VerificationKey.from_jwk(key.jwk(), Purpose.EVENT)
    assert (again.kid, again.alg, again.purpose) == (key.kid, alg, Purpose.EVENT)
    assert from_jwks(jwks([key]), Purpose.EVENT) == {key.kid: again}


def test_a_key_without_a_kid_goes_by_its_thumbprint_and_a_given_one_is_kept() -> None:
    assert VerificationKey.from_jwk(BARE, Purpose.EVENT).kid == thumbprint(BARE)
    assert VerificationKey.from_jwk(BARE, Purpose.EVENT, "mine").kid == "mine"
    kids: list[Any] = ["", "k" * 257, 5, []]
    assert [reason(BARE, kid=kid) for kid in kids] == ["kid"] * 4


def test_loading_a_key_twice_gives_the_same_object_and_purposes_stay_apart() -> None:
    first = VerificationKey.from_jwk(BARE, Purpose.EVENT)
    assert VerificationKey.from_jwk(dict(reversed(BARE.items())), Purpose.EVENT) is first
    assert VerificationKey.from_jwk(BARE, Purpose.ROOT).purpose is Purpose.ROOT


@pytest.mark.parametrize("secret", ["d", "p", "q", "dp", "dq", "qi", "oth", "k"])
def test_a_key_that_brings_secret_parts_is_refused(secret: str) -> None:
    assert reason({**BARE, secret: "AAAA"}) == "secret"


def test_a_symmetric_key_is_refused() -> None:
    assert reason({"kty": "oct", "k": "c2VjcmV0"}) == "secret"
    assert reason({"kty": "oct"}) == "kty"


def test_a_point_off_the_curve_is_refused() -> None:
    flipped = ("B" if BARE["y"][0] != "B" else "C") + BARE["y"][1:]
    assert reason({**BARE, "y": flipped}) == "numbers"


@pytest.mark.parametrize("crv", ["P-384", "P-521", "secp256k1", "Ed25519", "", None, 7])
def test_a_key_on_another_curve_than_its_numbers_is_refused(crv: object) -> None:
    assert reason({**BARE, "crv": crv}) in {"alg", "numbers", "form"}


def test_curves_outside_our_algorithms_are_refused() -> None:
    assert reason(public_jwk(ec.generate_private_key(ec.SECP521R1()))) == "alg"
    agreement = JWK.from_pyca(x25519.X25519PrivateKey.generate().public_key()).export_public(as_dict=True)
    assert reason(agreement) == "alg"


def test_numbers_in_another_spelling_are_refused() -> None:
    for spelled in (BARE["x"] + "=", "AA" + BARE["x"], BARE["x"] + "\n", BARE["x"][:-1]):
        assert reason({**BARE, "x": spelled}) == "numbers"
    assert reason({**JWK_RSA, "e": "AAEAAQ"}, allow_rsa=True) == "numbers"


@pytest.mark.parametrize("use", ["enc", "", None, ["sig"], 1])
def test_a_key_for_another_use_is_refused(use: object) -> None:
    assert reason({**BARE, "use": use}) == "use"


@pytest.mark.parametrize("operations", [[], ["encrypt"], ["sign"], "verify", None, {"verify": 1}])
def test_a_key_whose_operations_leave_out_verify_is_refused(operations: object) -> None:
    assert reason({**BARE, "key_ops": operations}) == "key-ops"


@pytest.mark.parametrize("alg", ["ES384", "ES512", "HS256", "none", "EdDSA", "RS256", "", None, 5, []])
def test_an_algorithm_that_does_not_go_with_the_key_is_refused(alg: object) -> None:
    assert reason({**BARE, "alg": alg}) == "alg"


def test_rsa_keys_are_taken_only_where_asked_for_and_with_a_named_algorithm() -> None:
    assert reason(JWK_RSA) == "alg"
    assert reason({name: JWK_RSA[name] for name in ("kty", "n", "e")}, allow_rsa=True) == "alg"
    assert reason({**JWK_RSA, "alg": "RS384"}, allow_rsa=True) == "alg"
    for alg in ("RS256", "PS256"):
        assert VerificationKey.from_jwk({**JWK_RSA, "alg": alg}, Purpose.INSTITUTION, allow_rsa=True).alg == alg


def test_an_rsa_key_below_2048_bits_is_refused() -> None:
    short = rsa.RSAPublicNumbers(65537, (1 << 2039) | 12345).public_key()
    assert reason(public_jwk(short, alg="RS256"), allow_rsa=True) == "rsa-size"


@pytest.mark.parametrize("exponent", [3, 17, 2**32 + 1])
def test_an_rsa_exponent_too_small_or_too_large_is_refused(exponent: int) -> None:
    numbers = rsa.RSAPublicNumbers(exponent, RSA_KEY.public_key().public_numbers().n)
    assert reason(public_jwk(numbers.public_key(), alg="RS256"), allow_rsa=True) == "rsa-exponent"


@pytest.mark.parametrize(
    "jwk",
    [
        {},
        {"kty": "EC"},
        {"kty": []},
        {"kty": "XX"},
        {**BARE, "y": None},
        {**BARE, "z": {1: 2}},
        {**BARE, "z": object()},
        {**BARE, "z": "\ud800"},
        {**BARE, "z": "y" * 20_000},
    ],
)
def test_what_is_no_key_is_refused_and_nothing_worse(jwk: dict[str, Any]) -> None:
    assert reason(jwk) in {"form", "kty"}


def test_an_rsa_modulus_or_exponent_that_is_even_is_refused() -> None:
    numbers = RSA_KEY.public_key().public_numbers()
    even = encode((numbers.n - 1).to_bytes(256, "big")).decode()
    assert reason({**JWK_RSA, "n": even}, allow_rsa=True) in {"rsa-exponent", "numbers"}
    assert reason({**JWK_RSA, "e": encode((65538).to_bytes(3, "big")).decode()}, allow_rsa=True) in {
        "rsa-exponent",
        "numbers",
    }


def test_a_key_set_leaves_out_keys_for_other_things() -> None:
    others = [{**JWK_ED, "kid": "e", "use": "enc"}, {"kty": "XX", "kid": "f"}, {**JWK_RSA, "kid": "r"}]
    assert list(from_jwks({"keys": [*others, JWK_EC]}, Purpose.EVENT)) == [SIGNER.kid]
    assert set(from_jwks({"keys": [*others, JWK_EC]}, Purpose.EVENT, allow_rsa=True)) == {SIGNER.kid, "r"}


def test_a_key_set_with_a_secret_or_an_ambiguous_name_is_refused_whole() -> None:
    for extra, why in (
        ({"kty": "oct", "k": "AAAA"}, "secret"),
        ({**JWK_ED, "kid": SIGNER.kid}, "duplicate-kid"),
        ({**JWK_ED, "kid": []}, "kid"),
    ):
        with pytest.raises(KeyRefused) as caught:
            from_jwks({"keys": [JWK_EC, extra]}, Purpose.EVENT)
        assert caught.value.reason == why


@pytest.mark.parametrize("document", [{}, {"keys": None}, {"keys": {}}, {"keys": [1]}, {"keys": [JWK_EC] * 257}])
def test_what_is_no_key_set_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(KeyRefused):
        from_jwks(document, Purpose.EVENT)


def test_a_public_jwk_never_holds_the_private_part() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    assert set(public_jwk(key)) == {"kty", "crv", "x", "y", "kid", "alg", "use"}
    assert public_jwk(key) == public_jwk(key.public_key())

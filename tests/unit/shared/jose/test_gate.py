"""Promise: one token has one spelling, one meaning and one kind of key, or it does not pass."""

from __future__ import annotations

import json
import string
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.errors import Invalid, Malformed
from shared.jose import gate, purpose
from shared.jose.keys import VerificationKey
from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner, sign, sign_token
from shared.jose.token import encode

ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
SIGNER = LocalSigner.generate(Purpose.EVENT)
KEY = SIGNER.verification_key()
HEADER = {"typ": purpose.ENTRY, "alg": "ES256", "kid": SIGNER.kid}
PAYLOAD = b'{"a":1}'
NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)


def forge(header: bytes | dict[str, Any], payload: bytes = PAYLOAD, signer: LocalSigner = SIGNER) -> bytes:
    """A token whose signature is right, whatever its header says."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    signing_input = encode(raw) + b"." + encode(payload)
    return signing_input + b"." + encode(signer.sign(signing_input))


def check(raw: bytes | str, key: VerificationKey | None = KEY, typ: str = purpose.ENTRY) -> gate.Token:
    return gate.check(raw, typ=typ, keys=lambda _: key)


def refusal(raw: bytes | str, key: VerificationKey | None = KEY) -> str:
    with pytest.raises(gate.TokenRefused) as caught:
        check(raw, key)
    return caught.value.reason


GOOD = forge(HEADER)


@pytest.mark.parametrize("alg", ["ES256", "ES384", "EdDSA"])
def test_what_a_signer_seals_passes_and_comes_back_byte_for_byte(alg: str) -> None:
    signer = LocalSigner.generate(Purpose.EVENT, alg)
    raw = sign({"typ": purpose.ENTRY, "seq": 7}, PAYLOAD, signer)
    token = check(raw, signer.verification_key())
    assert (token.payload, token.alg, token.kid, token.typ) == (PAYLOAD, alg, signer.kid, purpose.ENTRY)
    assert token.header["seq"] == 7
    assert token.compact == raw
    assert check(raw.decode(), signer.verification_key()) == token


def test_a_sealed_token_equals_the_token_that_is_read_again() -> None:
    sealed = sign_token({"typ": purpose.ENTRY, "seq": 7}, PAYLOAD, SIGNER)
    assert gate.read(sealed.compact, typ=purpose.ENTRY) == sealed


def test_a_detached_token_joined_with_its_payload_is_the_same_token() -> None:
    token = check(GOOD)
    joined = gate.join(token.detached, PAYLOAD, typ=purpose.ENTRY)
    assert joined == token
    gate.verify(joined, KEY)
    with pytest.raises(gate.SignatureInvalid):
        gate.verify(gate.join(token.detached, PAYLOAD + b" ", typ=purpose.ENTRY), KEY)


def test_a_detached_token_brings_no_payload_of_its_own_and_keeps_the_limits() -> None:
    with pytest.raises(gate.TokenMalformed):
        gate.join(GOOD, PAYLOAD, typ=purpose.ENTRY)
    with pytest.raises(gate.TokenMalformed, match="longer"):
        gate.join(check(GOOD).detached, b"x" * 1000, typ=purpose.ENTRY, max_bytes=1000)


@pytest.mark.parametrize("part", [0, 1, 2])
def test_one_changed_character_in_any_part_is_refused(part: int) -> None:
    parts = GOOD.split(b".")
    parts[part] = (b"B" if parts[part][:1] != b"B" else b"C") + parts[part][1:]
    assert refusal(b".".join(parts)) in {"header", "signature"}


@pytest.mark.parametrize("padding", [b"=", b"==", b"==="])
def test_padded_base64url_is_refused_in_every_part(padding: bytes) -> None:
    for part in range(3):
        parts = GOOD.split(b".")
        parts[part] += padding
        assert refusal(b".".join(parts)) == "base64url"


def test_unused_bits_that_are_not_zero_are_refused() -> None:
    head, _, tail = GOOD.rpartition(b".")  # 64 octets leave four unused bits in the last character
    last = ALPHABET.index(chr(tail[-1]))
    for other in range(1, 16):
        spelled = head + b"." + tail[:-1] + ALPHABET[last ^ other].encode()
        assert refusal(spelled) == "base64url"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("junk", [b" ", b"\n", b"\r\n", b"\t", b"\x00", b"!", b"+", b"/", b"\xff"])
def test_a_character_outside_the_url_safe_alphabet_is_refused_wherever_it_stands(junk: bytes) -> None:
    for raw in (
        junk + GOOD,
        GOOD + junk,
        GOOD.replace(b".", junk + b".", 1),
        GOOD[:5] + junk + GOOD[5:],
        GOOD[:-5] + junk + GOOD[-5:],
    ):
        assert refusal(raw) == "base64url"
    assert refusal(GOOD.decode() + "\u0661") == "base64url"


@pytest.mark.parametrize(
    "raw", [b"", b".", b"..", b"...", GOOD + b".", GOOD + b"." + GOOD, GOOD.rpartition(b".")[0], b"." * 200_000, b"." + GOOD]
)
def test_a_token_has_exactly_three_parts(raw: bytes) -> None:
    assert refusal(raw) == "parts"


def test_zero_bytes_put_into_a_signature_are_refused() -> None:
    signing_input, signature = check(GOOD).signing_input, check(GOOD).signature
    r, s = signature[:32], signature[32:]
    for padded in (
        b"\0" + signature,
        signature + b"\0",
        b"\0" + r + b"\0" + s,
        r + b"\0" + s,
        b"\0" * 32 + r + b"\0" * 32 + s,
    ):
        assert refusal(signing_input + b"." + encode(padded)) == "signature-length"


@pytest.mark.parametrize("length", [0, 1, 63, 65, 96, 128, 256])
def test_a_signature_of_another_length_is_refused(length: int) -> None:
    assert refusal(check(GOOD).signing_input + b"." + encode(b"\1" * length)) == "signature-length"


def test_a_signature_of_another_length_is_refused_by_verify_itself_too() -> None:
    token = check(GOOD)
    r, s = token.signature[:32], token.signature[32:]
    for signature in (b"", r, r + s + b"\0", r + s[:-1], r + b"\0" + s, b"\0" + r + s):
        with pytest.raises(gate.SignatureInvalid):
            gate.verify(gate.Token(token.header, token.payload, token.signing_input, signature), KEY)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"[]",
        b'"x"',
        b"null",
        b"{",
        b"\xef\xbb\xbf" + json.dumps(HEADER).encode(),
        json.dumps(HEADER).encode() + b" {}",
        json.dumps(HEADER).encode()[:-1] + b',"alg":"ES256"}',
        json.dumps(HEADER).encode()[:-1] + b',"\\u0061lg":"ES256"}',
        json.dumps(HEADER).encode()[:-1] + b',"x":NaN}',
        json.dumps(HEADER).encode()[:-1] + b',"x":1e400}',
        json.dumps(HEADER).encode()[:-1] + b',"x":9007199254740992}',
        json.dumps(HEADER).encode()[:-1] + b',"x":"\\ud800"}',
        json.dumps(HEADER).encode()[:-1] + b',"x":' + b"[" * 40 + b"]" * 40 + b"}",
        json.dumps(HEADER).encode()[:-1] + b',"x":' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_a_header_that_is_not_a_strict_json_object_is_refused(header: bytes) -> None:
    assert refusal(forge(header)) in {"header", "parts"}


@pytest.mark.parametrize("crit", [[], ["b64"], ["exp"], "exp", None])
def test_crit_is_refused_even_when_empty(crit: object) -> None:
    assert refusal(forge({**HEADER, "crit": crit})) == "extension"


@pytest.mark.parametrize("member", [{"zip": "DEF"}, {"b64": True}, {"b64": False}])
def test_zip_and_b64_are_refused(member: dict[str, Any]) -> None:
    assert refusal(forge({**HEADER, **member})) == "extension"


@pytest.mark.parametrize(
    "alg",
    ["none", "None", "NONE", "", "HS256", "HS512", "ES512", "ES256K", "RS512", "Ed448", "es256", None, 1, [], {}, True],
)
def test_an_algorithm_outside_our_five_is_refused(alg: object) -> None:
    assert refusal(forge({**HEADER, "alg": alg})) == "algorithm"


def test_a_token_signed_by_hmac_under_the_public_key_is_refused() -> None:
    assert refusal(forge({**HEADER, "alg": "HS256"})) == "algorithm"


@pytest.mark.parametrize("kid", [None, "", 7, [], {}, "k" * 257])
def test_a_token_names_its_key_in_1_to_256_characters(kid: object) -> None:
    assert refusal(forge({**HEADER, "kid": kid})) == "kid"


@pytest.mark.parametrize("missing", ["alg", "kid", "typ"])
def test_alg_kid_and_typ_are_required(missing: str) -> None:
    assert refusal(forge({name: value for name, value in HEADER.items() if name != missing})) in {"algorithm", "kid", "typ"}


@pytest.mark.parametrize("typ", ["JWT", "vc+jwt", "testamur-ENTRY+jwt", None, 1, [], {}])
def test_another_type_of_token_is_refused(typ: object) -> None:
    assert refusal(forge({**HEADER, "typ": typ})) == "typ"
    with pytest.raises(gate.TokenMalformed):
        gate.read(forge({**HEADER, "typ": typ}), typ=purpose.ACCESS_TOKEN)


def test_a_token_beyond_the_size_limit_is_refused_before_it_is_looked_at() -> None:
    assert refusal(b"a" * (gate.MAX_BYTES + 1)) == "size"
    with pytest.raises(gate.TokenMalformed, match="longer"):
        gate.read(GOOD, typ=purpose.ENTRY, max_bytes=len(GOOD) - 1)
    assert gate.read(GOOD, typ=purpose.ENTRY, max_bytes=len(GOOD)).compact == GOOD


def test_a_header_beyond_16_kb_or_of_20_mb_is_refused() -> None:
    assert refusal(forge({**HEADER, "x": "y" * 17_000})) == "header-size"
    assert refusal(forge({**HEADER, "x": "y" * 20_000_000})) == "size"
    assert check(forge({**HEADER, "x": "y" * 16_000})).kid == SIGNER.kid


def test_the_algorithm_comes_from_our_record_and_not_from_the_token() -> None:
    other = LocalSigner.generate(Purpose.EVENT, "EdDSA")
    claimed = forge({**HEADER, "alg": "ES256"}, signer=other)  # 64 octets as well
    record = VerificationKey(SIGNER.kid, "EdDSA", Purpose.EVENT, other.verification_key().public)
    assert refusal(claimed, record) == "key"


def test_a_key_record_of_another_kid_does_not_verify() -> None:
    record = VerificationKey("another", KEY.alg, KEY.purpose, KEY.public)
    assert refusal(GOOD, record) == "key"


def test_a_key_of_another_purpose_does_not_verify_however_right_its_signature() -> None:
    for wrong in set(Purpose) - {Purpose.EVENT}:
        assert refusal(GOOD, VerificationKey(KEY.kid, KEY.alg, wrong, KEY.public)) == "purpose"


def test_every_token_type_is_signed_by_its_own_purposes_alone() -> None:
    signers = {which: LocalSigner.generate(which) for which in Purpose}
    for typ, allowed in purpose.TYP_PURPOSE.items():
        for which, signer in signers.items():
            raw = forge({"typ": typ, "alg": "ES256", "kid": signer.kid}, signer=signer)
            if which in allowed:
                assert check(raw, signer.verification_key(), typ).typ == typ
            else:
                with pytest.raises(gate.SignatureInvalid):
                    check(raw, signer.verification_key(), typ)


def test_a_type_that_nobody_may_sign_never_verifies() -> None:
    with pytest.raises(gate.SignatureInvalid):
        check(forge({**HEADER, "typ": "JWT"}), KEY, "JWT")


def test_a_key_inside_the_token_is_ignored() -> None:
    attacker = LocalSigner.generate(Purpose.EVENT)
    for member in (
        {"jwk": attacker.public_jwk},
        {"jku": "https://evil.example/jwks"},
        {"x5c": ["AAAA"]},
        {"x5u": "https://evil.example"},
    ):
        assert refusal(forge({**HEADER, **member}, signer=attacker)) == "signature"
        assert check(forge({**HEADER, **member})).payload == PAYLOAD


def test_a_key_nobody_knows_is_its_own_refusal_and_the_finder_sees_the_header() -> None:
    seen: list[Any] = []
    with pytest.raises(gate.UnknownKey):
        gate.check(GOOD, typ=purpose.ENTRY, keys=seen.append)
    assert seen == [HEADER]


def test_whatever_breaks_inside_verification_is_one_problem() -> None:
    for broken in (None, object(), LocalSigner.generate(Purpose.EVENT, "EdDSA").verification_key().public):
        with pytest.raises(gate.SignatureInvalid):
            gate.verify(check(GOOD), VerificationKey(KEY.kid, KEY.alg, KEY.purpose, broken))  # type: ignore[arg-type]


def test_refusals_are_problems_with_a_status_a_reason_and_no_echo() -> None:
    forged = forge(HEADER, signer=LocalSigner.generate(Purpose.EVENT))
    for raw, status, family in ((b"secret-input.x.y", 400, Malformed), (forged, 422, Invalid)):
        with pytest.raises(family) as caught:
            check(raw)
        document = caught.value.document()
        assert (document["status"], document["reason"]) == (status, getattr(caught.value, "reason", None))
        assert "secret-input" not in str(document)


@pytest.mark.parametrize(
    "payload",
    [b"", b"[]", b"1", b"{", b'{"a":1,"a":1}', b'{"a":1e400}', b"\xff", b"[" * 100_000, b'{"a":%s}' % (b"9" * 5000)],
)
def test_hostile_claims_are_malformed_and_nothing_worse(payload: bytes) -> None:
    with pytest.raises(gate.TokenMalformed):
        gate.claims(check(forge(HEADER, payload)))


@pytest.mark.parametrize("value", [None, True, "1", 1.5, -1, 2**53, 10**400, 1e308, float("inf"), [], {}, "x" * 10_000])
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_hostile_times_are_malformed_and_nothing_worse(name: str, value: object) -> None:
    later = int(NOW.timestamp()) + 100
    with pytest.raises(gate.TokenMalformed):
        gate.check_times({"exp": later, name: value}, NOW)


def test_a_token_needs_an_end_and_is_refused_after_it() -> None:
    now = int(NOW.timestamp())
    gate.check_times({"exp": now + 1, "nbf": now, "iat": now}, NOW)
    with pytest.raises(gate.TokenMalformed):
        gate.check_times({"iat": now}, NOW)
    gate.check_times({"exp": now}, NOW + timedelta(seconds=59))
    with pytest.raises(gate.TokenExpired):
        gate.check_times({"exp": now}, NOW + timedelta(seconds=60))
    gate.check_times({"exp": 2**53 - 1}, NOW)


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_a_token_from_the_future_is_refused_beyond_the_leeway(name: str) -> None:
    now = int(NOW.timestamp())
    gate.check_times({"exp": now + 900, name: now + 60}, NOW)
    with pytest.raises(gate.TokenNotYetValid):
        gate.check_times({"exp": now + 900, name: now + 61}, NOW)


@pytest.mark.parametrize("damaged", ["", "a.b", "####.e30.AA", "e30.#.AA", "e30.e30.AA.AA", "bm8.e30.AA"])
def test_a_stored_token_that_the_store_gave_back_damaged_is_a_refusal_too(damaged: str) -> None:
    with pytest.raises(gate.TokenMalformed, match="Restore the store"):
        gate.reopen(damaged)


def test_a_stored_token_is_taken_apart_into_what_it_was_made_of() -> None:
    raw = forge(HEADER)
    assert gate.reopen(raw.decode()) == (HEADER, PAYLOAD, gate.read(raw, typ=purpose.ENTRY).detached)

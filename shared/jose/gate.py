"""The gate: read a token, find its key in our records, verify. Nothing signed enters the exchange another way.

- The algorithm comes from OUR key record; the token's `alg` must agree with it (RFC 8725, 3.1).
- The key's purpose must be one that may sign this type of token, and its `kid` the one that the token names.
- Whatever goes wrong while verifying is one problem, `SignatureInvalid`: an attacker learns nothing from the difference.
- Times (RFC 7519, 4.1.4 to 4.1.6) are checked against an instant that the caller gives.

Never identify a token by its hash or its signature: an ECDSA signature has a twin. Use the issuer and the id inside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from shared.clock import MAX_SKEW
from shared.jose import strict_json
from shared.jose.algorithms import ALGORITHMS
from shared.jose.keys import VerificationKey
from shared.jose.purpose import may_sign
from shared.jose.refusals import (
    SignatureInvalid,
    TokenExpired,
    TokenMalformed,
    TokenNotYetValid,
    TokenRefused,
    UnknownKey,
)
from shared.jose.token import MAX_BYTES, Token, join, read, reopen

__all__ = [
    "MAX_BYTES",
    "KeyFinder",
    "SignatureInvalid",
    "Token",
    "TokenExpired",
    "TokenMalformed",
    "TokenNotYetValid",
    "TokenRefused",
    "UnknownKey",
    "check",
    "check_times",
    "claims",
    "join",
    "read",
    "reopen",
    "verify",
    "verify_bound",
]

KeyFinder = Callable[[Mapping[str, Any]], VerificationKey | None]
"""Finds our record of the key that a header names, or None. It gets unverified members: it looks up and never follows."""


def verify(token: Token, key: VerificationKey) -> None:
    """Raise `SignatureInvalid` unless `key` may sign such a token and did sign this one."""
    if token.alg != key.alg or token.kid != key.kid:
        raise SignatureInvalid(
            "The token names another key or algorithm than the one on record. Ask its signer.", reason="key"
        )
    if not may_sign(key.purpose, token.typ):
        raise SignatureInvalid("The key on record may not sign this type of token. Ask its signer.", reason="purpose")
    _verify_signature(token, key)


def verify_bound(token: Token, key: VerificationKey) -> None:
    """As `verify`, for a token that need not name its key: `key` is the one that what it belongs to was bound to."""
    if token.alg != key.alg or not may_sign(key.purpose, token.typ):
        raise SignatureInvalid("The token is by another kind of key than it was bound to. Ask its signer.", reason="key")
    _verify_signature(token, key)


def _verify_signature(token: Token, key: VerificationKey) -> None:
    try:
        ALGORITHMS[key.alg].verify(key.public, token.signature, token.signing_input)
    except Exception as error:
        raise SignatureInvalid(
            "The content is not what the key on record signed. Ask the holder or the signer for the original.",
            reason="signature",
        ) from error


def check(raw: bytes | str, *, typ: str | frozenset[str], keys: KeyFinder, max_bytes: int = MAX_BYTES) -> Token:
    """Read, find the key, verify: a token from here on may be believed. Raises a `TokenRefused`."""
    token = read(raw, typ=typ, max_bytes=max_bytes)
    key = keys(token.header)
    if key is None:
        raise UnknownKey(
            "No record of the key that the token names. Check that its signer is known here.", reason="unknown-key"
        )
    verify(token, key)
    return token


def claims(token: Token) -> dict[str, Any]:
    """The payload as a strict JSON object (RFC 7519, 7.2); raises `TokenMalformed`."""
    try:
        members = strict_json.loads(token.payload)
    except strict_json.NotStrictJson as error:
        raise TokenMalformed(f"The token's payload cannot be read. {error.detail}", reason="payload") from error
    if type(members) is not dict:
        raise TokenMalformed("The token's payload is not a JSON object. Ask its signer for another.", reason="payload")
    return members


def check_times(members: Mapping[str, Any], now: datetime) -> None:
    """Check `exp` (required), `nbf` and `iat` at `now`; raises `TokenExpired`, `TokenNotYetValid` or `TokenMalformed`."""
    instant, leeway = now.timestamp(), MAX_SKEW.total_seconds()
    expires = _seconds(members, "exp")
    if expires is None:
        raise TokenMalformed("The token has no `exp`. Send one that expires.", reason="times")
    if instant >= expires + leeway:
        raise TokenExpired("The token's time is over. Get a new one.", reason="expired")
    for name in ("nbf", "iat"):
        begins = _seconds(members, name)
        if begins is not None and begins > instant + leeway:
            raise TokenNotYetValid(
                "The token's time has not come. Check the clocks, or send it later.", reason="not-yet-valid"
            )


def _seconds(members: Mapping[str, Any], name: str) -> int | None:
    """A time claim in whole seconds since 1970; None when it is absent (null is not absent)."""
    if name not in members:
        return None
    value = members[name]
    if type(value) is not int or not 0 <= value <= strict_json.MAX_INTEGER:
        raise TokenMalformed(
            f"The token's `{name}` is not a time in whole seconds. Ask its signer for another.", reason="times"
        )
    return value

"""Why a token or a key is turned away. Each refusal carries `reason`, one stable word, beside its sentence.

A token that cannot be read is 400; one that was read and does not hold is 422. An API that guards itself with tokens
answers 401 instead, and says no more than that.
"""

from __future__ import annotations

from shared.errors import Invalid, Malformed, TestamurError


class TokenRefused(TestamurError):
    """A signed token that we do not take; the subclass says at which point, `reason` says by which rule."""

    def __init__(self, detail: str, *, reason: str) -> None:
        super().__init__(detail, reason=reason)
        self.reason = reason


class TokenMalformed(TokenRefused, Malformed):
    """400: not a token of the expected type, or not within its limits; nothing of it was believed."""

    title = "The signed token could not be read."


class SignatureInvalid(TokenRefused, Invalid):
    """422: no key that may sign such a token made this signature. One problem, whatever went wrong inside."""

    title = "The signature does not hold."


class UnknownKey(TokenRefused, Invalid):
    """422: the token names a key that we have no record of."""

    title = "The signing key is not known here."


class TokenExpired(TokenRefused, Invalid):
    """422: the token's time is over."""

    title = "The token has expired."


class TokenNotYetValid(TokenRefused, Invalid):
    """422: the token's time has not come, or it was issued in the future."""

    title = "The token is not valid yet."


class KeyRefused(Invalid):
    """422: a public key, or a set of them, that we do not take into our records."""

    title = "The key is not one that can be used here."

    def __init__(self, detail: str, *, reason: str) -> None:
        super().__init__(detail, reason=reason)
        self.reason = reason

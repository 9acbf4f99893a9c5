"""A signed token, read and not yet believed (JWS compact serialisation, RFC 7515, 7.1), and its detached form.

- At most `max_bytes` (256 KB) in all, 16 KB of them the header; exactly three parts.
- Base64url has one spelling (RFC 7515, 2): no padding, no other characters, unused bits zero. So writing the decoded
  part again must give the same bytes, and one token cannot go by many names.
- The header is a strict JSON object. `typ` is required and is the expected one (RFC 8725, 3.11); `alg` is one we know;
  `kid` is required, is looked up, and is never interpreted.
- `crit` is refused, empty too (RFC 7515, 4.1.11), for we understand no extension; so are `b64` (RFC 7797) and `zip`.
- `jwk`, `jku`, `x5u` and `x5c` are ignored: a token does not say which key to trust.
- The signature has exactly the length its algorithm gives it (RFC 7518, 3.4).
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

import orjson
import pybase64

from shared.jose import strict_json
from shared.jose.algorithms import ALGORITHMS
from shared.jose.refusals import TokenMalformed

MAX_BYTES = 256 * 1024
"""The longest token we look at."""
MAX_HEADER_BYTES = 16 * 1024
"""The longest protected header, decoded."""
MAX_KID = 256
"""The longest key id, in characters."""

REFUSED_MEMBERS = frozenset({"crit", "b64", "zip"})
"""Header members that change how a token is to be read; we read it one way only."""

_MAX_HEADER_CHARS = -(-MAX_HEADER_BYTES * 4 // 3)
_PADDING = (b"", b"===", b"==", b"=")


@dataclass(frozen=True, slots=True)
class Token:
    """A token that was read, not verified: believe nothing of it before `gate.verify`."""

    header: dict[str, Any]
    payload: bytes
    signing_input: bytes
    """The first two parts as they were signed (RFC 7515, 5.1)."""
    signature: bytes

    @property
    def typ(self) -> str:
        """The token's type."""
        return self.header["typ"]  # type: ignore[no-any-return]

    @property
    def alg(self) -> str:
        """The algorithm that the token claims; ours is the one in the key record."""
        return self.header["alg"]  # type: ignore[no-any-return]

    @property
    def kid(self) -> str:
        """The id of the key that is said to have signed it."""
        return self.header["kid"]  # type: ignore[no-any-return]

    @property
    def compact(self) -> bytes:
        """The three parts joined: exactly the bytes that were read."""
        return b"%b.%b" % (self.signing_input, encode(self.signature))

    @property
    def detached(self) -> bytes:
        """Header and signature without the payload: `protected..signature` (RFC 7515, appendix F)."""
        protected = self.signing_input.partition(b".")[0]
        return b"%b..%b" % (protected, encode(self.signature))


class Kept(NamedTuple):
    """What a stored token is sent on as: its header's members, its payload's bytes, its detached form."""

    header: dict[str, Any]
    payload: bytes
    detached: bytes


def read(raw: bytes | str, *, typ: str | frozenset[str], max_bytes: int = MAX_BYTES, named: bool = True) -> Token:
    """Read a compact token of the expected type (or one of several); raises `TokenMalformed`. Its payload is not parsed.

    `named` False: it need not name its key, for whose key it is follows from what it is bound to (RFC 9901, 4.3).
    """
    protected, body, signature = _split(raw, max_bytes)
    return _of_type(_assemble(protected, body, decode(body, "payload"), signature, named), typ)


def join(detached: bytes | str, payload: bytes, *, typ: str | frozenset[str], max_bytes: int = MAX_BYTES) -> Token:
    """Join a detached token (`protected..signature`) with its payload's exact bytes; raises `TokenMalformed`."""
    body = encode(payload)
    protected, absent, signature = _split(detached, max_bytes - len(body))
    if absent:
        refuse("parts", "A detached token has an empty middle part. Send the payload beside it, not in it.")
    return _of_type(_assemble(protected, body, payload, signature), typ)


def reopen(compact: str) -> Kept:
    """Take apart a token that this program read, or made, and kept as it was: what `read` looks at was looked at then.

    Never for bytes from outside. Raises `TokenMalformed` where the store gave back something else.
    """
    try:
        protected, body, signature = compact.encode().split(b".")
        header = orjson.loads(_plain(protected))
        return Kept(header, _plain(body), b"%b..%b" % (protected, signature))
    except ValueError as error:
        raise TokenMalformed("The stored token is not whole. Restore the store from a backup.", reason="parts") from error


def encode(plain: bytes) -> bytes:
    """Base64url without padding (RFC 7515, 2)."""
    return pybase64.urlsafe_b64encode(plain).rstrip(b"=")


def decode(part: bytes, name: str) -> bytes:
    """The bytes behind one part in its one canonical spelling, or `TokenMalformed`; `name` is for the refusal."""
    try:
        plain = _plain(part)
    except (binascii.Error, ValueError):
        plain = None
    if plain is None or encode(plain) != part:
        refuse("base64url", f"The {name} is not canonical base64url without padding. Send the token as its signer wrote it.")
    return plain


def refuse(reason: str, detail: str) -> NoReturn:
    """Turn a token away because of its form."""
    raise TokenMalformed(detail, reason=reason)


def _plain(part: bytes) -> bytes:
    return pybase64.b64decode(part + _PADDING[len(part) & 3], b"-_", True)


def _split(raw: bytes | str, max_bytes: int) -> tuple[bytes, bytes, bytes]:
    if len(raw) > max_bytes:
        refuse("size", "The token is longer than is taken here. Send a smaller one.")
    try:
        data = raw.encode("ascii") if isinstance(raw, str) else raw
    except UnicodeEncodeError:
        refuse("base64url", "The token holds characters that no token has. Send it as its signer wrote it.")
    parts = data.split(b".", 3)
    if len(parts) != 3 or not parts[0]:
        refuse("parts", "A signed token has three parts with a dot between them. Send the whole token and nothing else.")
    # the decoder would take the other base64 alphabet for the same bits, and warn
    if b"+" in data or b"/" in data:
        refuse("base64url", "The token is not in the URL-safe alphabet. Send it as its signer wrote it.")
    return parts[0], parts[1], parts[2]


def _assemble(protected: bytes, body: bytes, payload: bytes, signature: bytes, named: bool = True) -> Token:
    """Check what holds for every type of token, and put it together."""
    if len(protected) > _MAX_HEADER_CHARS:
        refuse("header-size", "The token's header is longer than is taken here. Send one with a smaller header.")
    header = _header(decode(protected, "header"), named)
    sealed = decode(signature, "signature")
    if len(sealed) not in ALGORITHMS[header["alg"]].lengths:
        refuse(
            "signature-length", "The signature has not the length of its algorithm. Send the token as its signer wrote it."
        )
    return Token(header, payload, b"%b.%b" % (protected, body), sealed)


def _header(raw: bytes, named: bool) -> dict[str, Any]:
    try:
        header = strict_json.loads(raw)
    except strict_json.NotStrictJson as error:
        raise TokenMalformed(f"The token's header cannot be read. {error.detail}", reason="header") from error
    if type(header) is not dict:
        refuse("header", "The token's header is not a JSON object. Send the token as its signer wrote it.")
    if not REFUSED_MEMBERS.isdisjoint(header):
        refuse("extension", "The token's header asks for `crit`, `b64` or `zip`. Send a token without extensions.")
    alg, kid = header.get("alg"), header.get("kid")
    if type(alg) is not str or alg not in ALGORITHMS:
        refuse("algorithm", f"The token's `alg` is not taken here. Use one of {', '.join(ALGORITHMS)}.")
    if (named or kid is not None) and (type(kid) is not str or not 0 < len(kid) <= MAX_KID):
        refuse("kid", "The token does not name its key. Send one with a `kid` of 1 to 256 characters.")
    return header


def _of_type(token: Token, expected: str | frozenset[str]) -> Token:
    typ = token.header.get("typ")
    fits = typ == expected if isinstance(expected, str) else type(typ) is str and typ in expected
    if not fits:
        refuse("typ", "The token is of another type than is expected here. Send the right one.")
    return token

"""Selective disclosure for JWTs (RFC 9901): claims concealed, shown again by their disclosures, and bound to a holder. Pure.

Rules
- Form (4): `<issuer's JWT>~<disclosure>~...~` and, where the holder binds it, a key binding JWT after the last tilde.
- A disclosure (4.2) is base64url of a JSON array: salt, name, value for a member; salt, value for an element of a list. Its
  digest stands in `_sd` of the object, or in `{"...": digest}` of the list. Salts are 128 random bits; decoys are digests
  that no disclosure has (4.2.5).
- Processing (7.1): every digest at most once; a disclosure that fits nothing, fits twice, is named `_sd` or `...`, or names
  a member that is there already, refuses the whole; then `_sd` and `_sd_alg` are taken out. Only SHA-256 is used.
- Key binding (4.3): a `kb+jwt` by the holder's key over nonce, audience, time, and `sd_hash`, the hash of all before it.
- Limits: 256 KB in all, 256 disclosures, of at most 16 KB each.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from shared.jose import strict_json
from shared.jose.refusals import TokenMalformed
from shared.jose.token import MAX_BYTES, decode, encode, refuse

MOST_DISCLOSURES = 256
LARGEST_DISCLOSURE = 16 * 1024
SALT_BYTES = 16
"""128 bits, as RFC 9901, 9.3 recommends."""

ALGORITHM = "sha-256"
"""The one hash in use; also what an absent `_sd_alg` means (4.1.1)."""

DIGESTS, ELEMENT, NAMED_ALGORITHM = "_sd", "...", "_sd_alg"
_FORBIDDEN = frozenset({DIGESTS, ELEMENT})


class Disclosure(NamedTuple):
    """One claim that may be shown: as it is written, its digest, and what it says; `name` is None for a list's element."""

    encoded: bytes
    digest: str
    name: str | None
    value: Any


class Presentation(NamedTuple):
    """What a holder hands over, taken apart and not believed: the issuer's JWT, disclosures, the key binding JWT if any."""

    issued: bytes
    disclosures: tuple[Disclosure, ...]
    binding: bytes | None
    bound: bytes
    """Everything before the key binding JWT, which its `sd_hash` is over."""


def conceal(name: str | None, value: Any) -> Disclosure:
    """A disclosure with a fresh salt: of a member, or (`name` None) of a list's element."""
    if name in _FORBIDDEN:
        raise ValueError("a claim cannot have a name that selective disclosure uses")
    salt = encode(secrets.token_bytes(SALT_BYTES)).decode()
    written = orjson.dumps([salt, value] if name is None else [salt, name, value])
    encoded = encode(written)
    return Disclosure(encoded, digest(encoded), name, value)


def decoy() -> str:
    """A digest that nothing has, so that the number of digests tells nothing."""
    return digest(encode(secrets.token_bytes(32)))


def digest(data: bytes) -> str:
    """base64url of SHA-256."""
    return encode(hashlib.sha256(data).digest()).decode()


def join(issued: bytes, disclosures: Iterable[Disclosure], binding: bytes = b"") -> bytes:
    """The whole, as it is handed over."""
    return b"~".join([issued, *(one.encoded for one in disclosures), binding])


def split(raw: bytes | str) -> Presentation:
    """Take one apart. Raises `TokenMalformed`."""
    if len(raw) > MAX_BYTES:
        refuse("size", "The credential is longer than is taken here. Send one with fewer disclosures.")
    try:
        data = raw.encode("ascii") if isinstance(raw, str) else raw
    except UnicodeEncodeError:
        refuse("base64url", "The credential holds characters that no token has. Send it as its holder has it.")
    issued, *encoded = data.split(b"~")
    if not encoded or len(encoded) > MOST_DISCLOSURES + 1:
        refuse("parts", "It has no tilde, or more disclosures than are taken here. Send it as its holder has it.")
    last = encoded.pop()
    bound = data[: len(data) - len(last)]
    return Presentation(issued, tuple(map(_disclosure, encoded)), last or None, bound)


def reveal(claims: Mapping[str, Any], disclosures: Sequence[Disclosure]) -> dict[str, Any]:
    """The claims with what was disclosed put where it belongs, and nothing left that only conceals. Raises
    `TokenMalformed`.
    """
    if claims.get(NAMED_ALGORITHM, ALGORITHM) != ALGORITHM:
        refuse("sd-alg", "It conceals with another hash than SHA-256. Ask its issuer for one that does not.")
    return _Revealing(disclosures).whole(claims)


class _Revealing:
    """One processing: which disclosures there are, which were used, which digests were seen."""

    def __init__(self, disclosures: Sequence[Disclosure]) -> None:
        self._by_digest = {one.digest: one for one in disclosures}
        self._seen: set[str] = set()
        self._used: set[str] = set()
        if len(self._by_digest) != len(disclosures):
            refuse("sd-digest", "It holds a disclosure twice. Send each once.")

    def whole(self, claims: Mapping[str, Any]) -> dict[str, Any]:
        """The claims, and no disclosure left over."""
        shown = self._object({name: value for name, value in claims.items() if name != NAMED_ALGORITHM})
        if self._used != self._by_digest.keys():
            refuse("sd-unused", "It holds a disclosure that belongs to none of its claims. Send it as its holder has it.")
        return shown

    def _value(self, value: Any) -> Any:
        if type(value) is dict:
            return self._object(value)
        return self._list(value) if type(value) is list else value

    def _object(self, members: Mapping[str, Any]) -> dict[str, Any]:
        if ELEMENT in members:
            refuse("sd-form", "It has a claim named `...`. Ask its issuer for another.")
        digests = members.get(DIGESTS, [])
        if type(digests) is not list:
            refuse("sd-form", "Its `_sd` is no list. Ask its issuer for another.")
        shown = {name: self._value(value) for name, value in members.items() if name != DIGESTS}
        for one in filter(None, map(self._find, digests)):
            if one.name is None or one.name in shown:
                refuse(
                    "sd-clash", "A disclosure names a claim that is there already, or none. Send it as its holder has it."
                )
            shown[one.name] = self._value(one.value)
        return shown

    def _list(self, elements: list[Any]) -> list[Any]:
        shown = []
        for element in elements:
            if type(element) is not dict or ELEMENT not in element:
                shown.append(self._value(element))
                continue
            if len(element) != 1:
                refuse("sd-form", "A concealed element of a list says more than its digest. Ask its issuer for another.")
            one = self._find(element[ELEMENT])
            if one is not None:
                if one.name is not None:
                    refuse("sd-clash", "A disclosure of a member stands for an element of a list. Ask its issuer.")
                shown.append(self._value(one.value))
        return shown

    def _find(self, wanted: Any) -> Disclosure | None:
        if type(wanted) is not str or wanted in self._seen:
            refuse("sd-digest", "It holds a digest twice, or one that is none. Ask its issuer for another.")
        self._seen.add(wanted)
        found = self._by_digest.get(wanted)
        if found is not None:
            self._used.add(wanted)
        return found


def _disclosure(encoded: bytes) -> Disclosure:
    if len(encoded) > LARGEST_DISCLOSURE:
        refuse("sd-size", "A disclosure is longer than is taken here. Send one that says less.")
    try:
        written = strict_json.loads(decode(encoded, "disclosure"))
    except strict_json.NotStrictJson as error:
        raise TokenMalformed(f"A disclosure cannot be read. {error.detail}", reason="sd-form") from error
    if type(written) is not list or len(written) not in (2, 3) or type(written[0]) is not str:
        refuse("sd-form", "A disclosure is not a salt, a name and a value. Send the credential as its holder has it.")
    name = written[1] if len(written) == 3 else None
    if len(written) == 3 and (type(name) is not str or name in _FORBIDDEN):
        refuse("sd-form", "A disclosure has a name that no claim can have. Send the credential as its holder has it.")
    return Disclosure(encoded, digest(encoded), name, written[-1])

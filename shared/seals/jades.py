"""A JAdES seal as Europass files carry it: a JWS in JSON form, read within limits and verified by the certificate in it.

Rules (ETSI TS 119 182-1; RFC 7515, 7.2.1; RFC 7797)
- One JSON object with `payload` and one entry in `signatures`; strict JSON, so no member twice. At most 512 KB.
- The payload's bytes are what was sealed: with `b64` false the UTF-8 of the JSON string, else base64url of them. They are
  never written anew.
- `crit` names members that are there and that we act on: `b64`, `sigT`, `adoTst`. Anything else in it is not understood, and
  the seal then not verified.
- `alg` is one for seals, and the key is that of the first certificate of `x5c`; `x5t#S256`, where stated, is its hash. Whose
  it is the certificate says; whether to believe it is a trusted list's to say.
- Timestamps: over the payload (`adoTst`, 5.2.6), over the signature (`sigTst`, 5.3.4), over all before it (`arcTst`, 5.3.6).
  Validation data in the file (`xVals`, `rVals` and others) is named as not checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from shared.jose import strict_json
from shared.jose.algorithms import ALGORITHMS
from shared.jose.refusals import KeyRefused, TokenMalformed
from shared.jose.token import decode, encode, refuse
from shared.seals import timestamps
from shared.seals.certificate import Certificate, path_from, public_key, read_certificate
from shared.seals.timestamps import Timestamp

LARGEST_BYTES = 512 * 1024
"""Bytes of a sealed file: the Commission's own samples have 150 KB, most of it pictures."""

LARGEST_HEADER = 64 * 1024
MOST_CERTIFICATES = 10
MOST_UNSIGNED = 50
"""Unsigned elements (`etsiU`) of one seal."""
MOST_TIMESTAMPS = 10

SEAL_ALGORITHMS = frozenset({"RS256", "PS256", "ES256", "ES384"})
UNDERSTOOD = frozenset({"b64", "sigT", "adoTst"})
"""What `crit` may name."""

_KNOWN_MEMBERS = frozenset({"payload", "signatures"})


class Seal(NamedTuple):
    """A seal as it was found. `fault` is None when the signature holds; else a stable word for why nothing is shown."""

    payload: bytes
    certificate: Certificate | None
    chain: tuple[Certificate, ...]
    """From the sealing certificate up, as far as the file carries it."""
    algorithm: str
    claimed_time: datetime | None
    """When the sealer says that it was sealed."""
    timestamps: tuple[Timestamp, ...]
    unchecked: tuple[str, ...]
    """Names of what the file brings along and nobody here evaluated."""
    fault: str | None

    @property
    def intact(self) -> bool:
        """Whether the payload is what the holder of the certificate's key sealed."""
        return self.fault is None

    @property
    def proven_time(self) -> datetime | None:
        """The earliest moment by which a good timestamp shows that it existed; None: no better than the sealer's word."""
        return min((stamp.time for stamp in self.timestamps if stamp.fault is None and stamp.time), default=None)


def looks_sealed(raw: bytes) -> bool:
    """Whether the bytes look like a JWS in JSON form, at the cost of a glance."""
    return raw[:1] == b"{" and b'"signatures"' in raw and b'"payload"' in raw


def read(raw: bytes) -> Seal:
    """Read and verify a sealed file. Raises `TokenMalformed` for what is none, or not within its limits."""
    if len(raw) > LARGEST_BYTES:
        refuse("size", f"A sealed file has at most {LARGEST_BYTES // 1024} KB here. Ask for one without large pictures.")
    payload, entry = _parts(raw)
    protected = _text(entry, "protected").encode()
    header = _object(decode(protected, "protected header"))
    unsigned = _unsigned(entry.get("header"))
    signed = payload.encode()
    content = signed if header.get("b64", True) is False else decode(signed, "payload")
    signature = _text(entry, "signature").encode()
    chain, fault = _chain(header)
    fault = fault or _fault(header, chain, protected + b"." + signed, signature)
    stamps = [*_stamps("content", header.get("adoTst"), signed), *_of_unsigned(unsigned, signed, protected, signature)]
    if len(stamps) > MOST_TIMESTAMPS:
        refuse("timestamps", "The seal has more timestamps than are looked at. Ask the sealer.")
    return Seal(
        payload=content,
        certificate=chain[0] if chain else None,
        chain=path_from(chain[0], chain[1:]) if chain else (),
        algorithm=_algorithm(header) or "",
        claimed_time=_moment(header.get("sigT")),
        timestamps=tuple(stamps),
        unchecked=tuple(dict.fromkeys(name for name, _, _ in unsigned if name not in ("sigTst", "arcTst"))),
        fault=fault,
    )


def _parts(raw: bytes) -> tuple[str, Mapping[str, Any]]:
    whole = _object(raw)
    entries = whole.get("signatures")
    if not whole.keys() >= _KNOWN_MEMBERS or not isinstance(entries, list) or len(entries) != 1:
        refuse("parts", "A sealed file holds one payload and one seal. Give the file as the holder has it.")
    if not isinstance(entries[0], dict):
        refuse("parts", "The seal is not an object. Give the file as the holder has it.")
    return _text(whole, "payload"), entries[0]


def _object(raw: bytes) -> dict[str, Any]:
    try:
        value = strict_json.loads(raw)
    except strict_json.NotStrictJson as error:
        raise TokenMalformed(f"The sealed file cannot be read. {error.detail}", reason="json") from error
    if type(value) is not dict:
        refuse("json", "The sealed file is not a JSON object. Give the file as the holder has it.")
    return value


def _text(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str) or (name == "protected" and len(value) > LARGEST_HEADER * 4 // 3):
        refuse("parts", f"The sealed file's `{name}` is absent, no text, or too long. Give the file as the holder has it.")
    return value


def _unsigned(header: Any) -> list[tuple[str, Any, bytes]]:
    """Each unsigned element: its name, its value, and its bytes as they stand in `etsiU` (5.3.1: base64url of an object)."""
    elements = header.get("etsiU", []) if isinstance(header, dict) else []
    if not isinstance(elements, list) or len(elements) > MOST_UNSIGNED:
        refuse("unsigned", "The seal's unsigned part is no list, or too long. Ask the sealer.")
    found = []
    for element in elements:
        if not isinstance(element, str):
            refuse("unsigned", "The seal's unsigned elements are not written in base64url. Ask the sealer.")
        for name, value in _object(decode(element.encode(), "unsigned element")).items():
            found.append((name, value, element.encode()))
    return found


def _chain(header: Mapping[str, Any]) -> tuple[list[Certificate], str | None]:
    encoded = header.get("x5c")
    if not isinstance(encoded, list) or not 1 <= len(encoded) <= MOST_CERTIFICATES:
        return [], "certificate-missing"
    try:
        return [read_certificate(one if isinstance(one, str) else "") for one in encoded], None
    except KeyRefused:
        return [], "certificate-unreadable"


def _fault(header: Mapping[str, Any], chain: list[Certificate], signing_input: bytes, signature: bytes) -> str | None:
    """Why the seal is not shown to hold; None when it does."""
    critical = header.get("crit", [])
    if not isinstance(critical, list) or not all(isinstance(name, str) and name in header for name in critical):
        return "seal-malformed"
    if not UNDERSTOOD.issuperset(critical) or ("b64" in header and "b64" not in critical):
        return "seal-not-understood"
    algorithm = _algorithm(header)
    if algorithm is None or type(header.get("b64", True)) is not bool:
        return "seal-not-understood"
    stated = header.get("x5t#S256")
    if stated is not None and stated != encode(chain[0].thumbprint).decode():
        return "certificate-differs"
    try:
        key = public_key(chain[0])
    except KeyRefused:
        return "certificate-unreadable"
    try:
        ALGORITHMS[algorithm].verify(key, decode(signature, "signature"), signing_input)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it does not hold
        return "seal-broken"
    return None


def _algorithm(header: Mapping[str, Any]) -> str | None:
    named = header.get("alg")
    return named if isinstance(named, str) and named in SEAL_ALGORITHMS else None


def _of_unsigned(
    unsigned: list[tuple[str, Any, bytes]], signed: bytes, protected: bytes, signature: bytes
) -> Iterator[Timestamp]:
    before = b""
    for name, value, element in unsigned:
        if name == "sigTst":
            yield from _stamps("signature", value, signature)
        elif name == "arcTst":
            yield from _stamps("archive", value, b".".join((signed, protected, signature, before)))
        before += element


def _stamps(kind: str, container: Any, stamped: bytes) -> Iterator[Timestamp]:
    """The tokens of a `tstContainer` (5.4.3.3)."""
    tokens = container.get("tstTokens") if isinstance(container, dict) else None
    for token in tokens if isinstance(tokens, list) else ([{}] if container is not None else []):
        value = token.get("val") if isinstance(token, dict) else None
        if isinstance(value, str):
            yield timestamps.check(kind, value, stamped)
        else:
            yield Timestamp(kind, None, None, "timestamp-malformed")


def _moment(written: Any) -> datetime | None:
    """`sigT`: a moment in UTC (5.2.1)."""
    try:
        found = datetime.fromisoformat(written) if isinstance(written, str) else None
        return found.astimezone(UTC) if found and found.tzinfo else None
    except (ValueError, OverflowError):  # the latter at either end of the calendar, in a zone beside UTC
        return None

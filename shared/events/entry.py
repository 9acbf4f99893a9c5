"""The signed entry: one JWS whose protected header is the envelope and whose payload is the event's exact bytes.

- `typ` `alg` `kid` | `fed` federation, `org` origin node, `top` topic, `epo` epoch, `seq` gap-free from 1, `prv` the entry
  before, `jti` UUIDv7, `knd` kind, `sub` subject, `iat`; and `aft`: the heads of the writer's other chains at that moment.
- `aft` puts all chains of one writer in one order, so "accredited when it was registered" needs no clock.
- Entry hash = SHA-256(0x00 || signing input): the signature is left out, and the same leaf serves an RFC 9162 tree.
- On the bus: value = payload; header `jws` = protected + signature, detached (RFC 7515, appendix F); the `ce_*` headers of
  CloudEvents 1.0 are copies and must be equal; `traceparent` and the record's key are unsigned and never believed.
- Nothing is ever serialised again: an entry that arrived is kept and passed on as the bytes that arrived.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Annotated, Any, NamedTuple

import pybase64
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from shared.clock import rfc3339
from shared.errors import Malformed
from shared.events.base import CHECKPOINTS, STREAMS, Event
from shared.ids import NODE_NAME, service_urn, stream_of, topic_name
from shared.jose import gate
from shared.jose.signers import Signer, sign_token

ENTRY_TYP = "testamur-entry+jwt"
CHECKPOINT_TYP = "testamur-checkpoint+jwt"
TYPES = frozenset({ENTRY_TYP, CHECKPOINT_TYP})

GENESIS = "A" * 43
"""What the first entry of the first epoch names as the one before: 32 zero bytes in base64url."""

MAX_ENTRY_BYTES = 240 * 1024
"""The largest entry, a mass revocation of 4,000 refs included; it fits into a Kafka record of the default size."""

LAST_SECOND = 253_402_300_799
"""The end of the year 9999, in seconds since 1970: a time beyond it cannot be written (RFC 3339, 1)."""

_Hash = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")]
_Short = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_Sequence = Annotated[int, Field(ge=1, lt=2**53)]


class EntryMalformed(Malformed):
    """The bytes are not an entry."""

    title = "The event is not a well-formed entry."


class Envelope(BaseModel):
    """The protected header of an entry, typed; its members have short names on the wire. Members that it does not know stay
    in the signed bytes.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    typ: str
    kid: _Short
    federation: _Short = Field(alias="fed")
    origin: Annotated[str, StringConstraints(pattern=rf"^{NODE_NAME}$")] = Field(alias="org")
    topic: _Short = Field(alias="top")
    epoch: _Sequence = Field(alias="epo")
    seq: _Sequence
    previous: _Hash = Field(alias="prv", default=GENESIS)
    jti: _Short
    kind: _Short = Field(alias="knd")
    sub: _Short
    iat: Annotated[int, Field(ge=0, le=LAST_SECOND)]
    after: Mapping[str, int] = Field(alias="aft", default_factory=dict, max_length=16)

    @property
    def issued_at(self) -> datetime:
        """`iat` as an instant."""
        return datetime.fromtimestamp(self.iat, UTC)


class Entry(NamedTuple):
    """A parsed entry: its envelope, the token it was read from (not verified by parsing), and its hash."""

    envelope: Envelope
    token: gate.Token
    hash: str

    @property
    def compact(self) -> bytes:
        """The whole entry as an ordinary three-part JWS."""
        return self.token.compact

    @property
    def stream(self) -> str:
        """The stream's name, out of the signed topic."""
        return stream_of(self.envelope.topic)


def entry_hash(signing_input: bytes) -> str:
    """SHA-256(0x00 || signing input), in base64url without padding."""
    return digest(b"\x00" + signing_input)


def digest(data: bytes) -> str:
    """SHA-256 in base64url without padding: 43 characters."""
    return pybase64.urlsafe_b64encode(sha256(data).digest())[:43].decode()


class Place(NamedTuple):
    """Where a writer puts an entry: federation, origin, epoch, sequence, the hash before, its other chains' heads."""

    federation: str
    origin: str
    epoch: int
    seq: int
    previous: str = GENESIS
    after: Mapping[str, int] = {}


class Unsigned(NamedTuple):
    """An event that is to be signed: stream, kind, subject, the exact payload, the event's id, and when it was emitted."""

    stream: str
    kind: str
    subject: str
    payload: bytes
    jti: str
    at: datetime

    @classmethod
    def of(cls, event: Event, jti: str, at: datetime) -> Unsigned:
        """An event that was emitted at an instant."""
        return cls(event.stream.name, event.kind, event.subject(), event.value(), jti, at)


def sign(event: Unsigned, place: Place, signer: Signer) -> Entry:
    """Sign an event into its place in its stream's chain (or, for a checkpoint, under its running number)."""
    chained = STREAMS[event.stream].chained
    header: dict[str, object] = {
        "typ": ENTRY_TYP if chained else CHECKPOINT_TYP,
        "fed": place.federation,
        "org": place.origin,
        "top": topic_name(place.origin, event.stream),
        "epo": place.epoch,
        "seq": place.seq,
        "jti": event.jti,
        "knd": event.kind,
        "sub": event.subject,
        "iat": int(event.at.timestamp()),
    }
    if chained:
        header |= {"prv": place.previous, "aft": dict(place.after)}
    return _entry(sign_token(header, event.payload, signer))


def parse(raw: bytes | str) -> Entry:
    """Read an entry from its compact form, within limits; raises `Malformed`. The signature is not looked at."""
    return _entry(gate.read(raw, typ=TYPES, max_bytes=MAX_ENTRY_BYTES * 2))


def parse_message(value: bytes, headers: tuple[tuple[str, bytes], ...]) -> Entry:
    """Read an entry from a bus record, whose `ce_*` headers must repeat the signed ones."""
    named = dict(headers)
    jws = named.get("jws")
    if jws is None:
        raise EntryMalformed("The record has no jws header: send entries as docs/protocol.md, section 2, lays them out.")
    if len(value) > MAX_ENTRY_BYTES:
        raise EntryMalformed(f"The event is over {MAX_ENTRY_BYTES} bytes: split the operation into several events.")
    entry = _entry(gate.join(jws, value, typ=TYPES, max_bytes=MAX_ENTRY_BYTES * 2))
    for name, copy in cloud_event(entry.token.header):
        if named.get(name) != copy:
            raise EntryMalformed(f"The header {name} differs from what is signed: the record was changed on its way.")
    return entry


def message_headers(entry: Entry, traceparent: str = "") -> tuple[tuple[str, bytes], ...]:
    """The bus headers of an entry: the detached JWS, the CloudEvents copies, and the unsigned trace context."""
    return _headers(entry.token.detached, entry.token.header, traceparent)


def stored_message(jws: str, traceparent: str) -> tuple[str, bytes, tuple[tuple[str, bytes], ...]]:
    """Key, value and headers of an archived entry on the bus; it was checked when it was archived, and is not again."""
    kept = gate.reopen(jws)
    return kept.header["sub"], kept.payload, _headers(kept.detached, kept.header, traceparent)


def cloud_event(envelope: Mapping[str, Any]) -> tuple[tuple[str, bytes], ...]:
    """An envelope's members as CloudEvents 1.0 attributes in the Kafka binding's binary mode."""
    return (
        ("ce_specversion", b"1.0"),
        ("ce_id", envelope["jti"].encode()),
        ("ce_source", _source(envelope["fed"], envelope["org"], envelope["top"])),
        ("ce_type", envelope["knd"].encode()),
        ("ce_subject", envelope["sub"].encode()),
        ("ce_time", _time(envelope["iat"])),
        ("ce_sequence", b"%020d" % envelope["seq"]),
        ("content-type", b"application/json"),
    )


def _headers(detached: bytes, envelope: Mapping[str, Any], traceparent: str) -> tuple[tuple[str, bytes], ...]:
    trace = (("traceparent", traceparent.encode()),) if traceparent else ()
    return (("jws", detached), *cloud_event(envelope), *trace)


@lru_cache(maxsize=4096)
def _source(federation: str, node: str, topic: str) -> bytes:
    """The service that writes the topic."""
    stream = STREAMS.get(stream_of(topic), CHECKPOINTS)
    return service_urn(federation, node, stream.writer).encode()


@lru_cache(maxsize=4096)
def _time(seconds: int) -> bytes:
    return rfc3339(datetime.fromtimestamp(seconds, UTC)).encode()


def _entry(token: gate.Token) -> Entry:
    try:
        envelope = Envelope.model_validate(token.header)
    except ValidationError as error:
        paths = ", ".join(sorted({str(fault["loc"][0]) for fault in error.errors()}))
        raise EntryMalformed(f"The envelope is wrong in: {paths}. Compare it with the AsyncAPI document.") from None
    return Entry(envelope, token, entry_hash(token.signing_input))

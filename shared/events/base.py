"""What an event is: a fact in the past tense, one class a kind, all of them in one catalogue.

- `kind` is `noun.verb.vN`. Optional additions keep N; retyping or removing a member makes N+1.
- An event is frozen. It ignores members of a newer sender (they stay in the signed bytes) and never re-emits them.
- No event holds a direct identifier of a person. Refs and commitments are pseudonymous.
- An event that *reduces trust* acts at once on a good signature; any other waits for its place in the sequence.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints

from shared.ids import REF, SLUG


class Stream(NamedTuple):
    """One stream of every node: who writes it, whether other nodes may read it, and whether its entries form a chain."""

    name: str
    writer: str
    public: bool
    chained: bool = True


ISSUANCE = Stream("issuance", writer="issuer", public=False)
REGISTRATIONS = Stream("registrations", writer="registry", public=True)
STATUS = Stream("status", writer="registry", public=True)
TRUST = Stream("trust", writer="registry", public=True)
OFFERS = Stream("catalogue", writer="registry", public=True)
CHECKPOINTS = Stream("checkpoints", writer="registry", public=True, chained=False)

STREAMS = {stream.name: stream for stream in (TRUST, CHECKPOINTS, STATUS, REGISTRATIONS, OFFERS, ISSUANCE)}
"""Every stream, in the order in which a reader drains them: who to believe, then what is no longer true, then the rest."""

PUBLIC = tuple(stream.name for stream in STREAMS.values() if stream.public)
"""The streams that other members of the federation may read."""

ANY_SUBJECT = "*"
"""The subject of an event that speaks of everything its origin says."""


class Event(BaseModel):
    """The base of all events."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    kind: ClassVar[str]
    stream: ClassVar[Stream]
    reduces_trust: ClassVar[bool] = False

    def subject(self) -> str:
        """What it speaks of: a credential's ref, an institution, a key's id, or `*`."""
        raise NotImplementedError

    def value(self) -> bytes:
        """The exact bytes that are signed as the entry's payload: JSON without absent members."""
        return self.model_dump_json(exclude_none=True).encode()


CATALOGUE: dict[str, type[Event]] = {}
"""Every kind of event this software understands."""

E = TypeVar("E", bound=type[Event])


def catalogued(event_class: E) -> E:
    """Enter an event class into the catalogue under its kind (a decorator)."""
    CATALOGUE[event_class.kind] = event_class
    return event_class


Ref = Annotated[str, StringConstraints(pattern=rf"^{REF}$")]
"""A credential's reference: UUIDv4 in lower case."""

Slug = Annotated[str, StringConstraints(pattern=rf"^{SLUG}$")]
"""An institution's name inside its node's namespace."""

Digest = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")]
"""A SHA-256 digest in base64url without padding."""

KeyId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,128}$")]
"""A key's id: by default its thumbprint (RFC 7638)."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
"""A short text for people."""

"""What every credential format does, and what one issuance adds to a micro-credential.

A format writes and reads; it never verifies: that is the work of `shared.jose.gate`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol

from shared.credential.model import MicroCredential
from shared.errors import Malformed
from shared.ids import InstitutionId
from shared.jose.gate import Token
from shared.jose.sd_jwt import Disclosure, Presentation
from shared.jose.signers import Signer

SALT_BYTES = 32
"""Random bytes inside every credential; 16 would do against guessing (protocol, section 1)."""

StatusPurpose = Literal["revocation", "suspension"]
"""What a status list's bits say (Bitstring Status List v1.0, 2.1)."""


def new_salt() -> bytes:
    """Fresh random bytes for one credential, so that nobody can confirm its commitment by guessing what is in it."""
    return secrets.token_bytes(SALT_BYTES)


@dataclass(frozen=True, slots=True)
class StatusEntry:
    """Where a credential's status is published: which list, which bit, and what that bit says."""

    purpose: StatusPurpose
    list_url: str
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuance:
    """What the issuer adds: a ref (UUIDv4), the institution that signs, status entries, a salt, the ref it replaces."""

    ref: str
    institution: InstitutionId
    status: tuple[StatusEntry, ...]
    salt: bytes
    replaces: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCredential:
    """What a token says, well formed and not yet believed: the award, and what its issuer added to it."""

    award: MicroCredential
    ref: str
    institution: InstitutionId
    issuer_name: Mapping[str, str] | None
    status: tuple[StatusEntry, ...]
    replaces: str | None

    @property
    def valid_from(self) -> datetime:
        """The beginning of the validity period: as stated, else the date of issuing."""
        return self.award.valid_from or self.award.issued

    @property
    def valid_until(self) -> datetime | None:
        """The end of the validity period, if it has one."""
        return self.award.valid_until


class NotOurCredential(Malformed):
    """400: a token of the right type whose payload is not a micro-credential in this format."""

    title = "The token is not a micro-credential in this format."


class Unsigned(NamedTuple):
    """What is to be signed: the exact bytes, and the disclosures that go with them where the format conceals anything."""

    payload: bytes
    disclosures: tuple[Disclosure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What some bytes say, in which format, by which issuer's part; not believed yet."""

    format: str
    token: Token
    credential: ReadCredential
    commitment: str
    presentation: Presentation | None = None
    """What else was shown, of a credential with selective disclosure."""


class Format(Protocol):
    """One way to write a credential. A format is a module with these names, and stands in `registry.FORMATS`.

    The issuer calls `unsigned_payload`, `sign_payload`, `commitment` and `serialize`, in this order; whoever is shown a
    credential calls `recognise` and `read`. A rehearsed credential differs from the real one in the key alone.
    """

    NAME: str
    """The key of the format's commitment, and how a caller asks for it."""
    MEDIA_TYPE: str

    def recognise(self, raw: bytes | str) -> bool:
        """Whether the bytes look like it, at the cost of a glance."""
        ...

    def unsigned_payload(self, credential: MicroCredential, issuance: Issuance) -> Unsigned:
        """What the institution is to sign."""
        ...

    def sign_payload(self, unsigned: Unsigned, institution: InstitutionId, signer: Signer) -> Token:
        """The issuer's part: the payload under a key, in the header that the format asks for."""
        ...

    def serialize(self, unsigned: Unsigned, token: Token) -> bytes:
        """The credential as its holder gets it."""
        ...

    def commitment(self, token: Token) -> str:
        """The registered fingerprint of what was signed."""
        ...

    def read(self, raw: bytes | str) -> Reading:
        """What the bytes say. Raises `NotOurCredential` or `TokenMalformed`; it verifies nothing."""
        ...


def fields_of(credential: MicroCredential) -> dict[str, Any]:
    """A credential as JSON members in camel case, without what it does not say."""
    return credential.model_dump(mode="json", by_alias=True, exclude_none=True)

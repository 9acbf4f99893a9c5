"""The trust stream: which institutions a node vouches for, for what, by which keys; and the node's own service keys."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shared.clock import Instant
from shared.events.base import TRUST, Event, KeyId, Ref, Slug, Stream, Text, catalogued
from shared.events.checkpoints import StreamName


class Scope(BaseModel):
    """What an institution is accredited for. An empty tuple of fields means every field of ISCED-F 2013."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    credential_types: tuple[Text, ...] = Field(min_length=1, max_length=50)
    eqf_max: int = Field(ge=1, le=8)
    isced_f: tuple[Annotated[str, StringConstraints(pattern=r"^\d{2,4}$")], ...] = Field(default=(), max_length=200)
    """Prefixes of ISCED-F codes: `06` takes in `0612`."""


@catalogued
class InstitutionAccredited(Event):
    """A node accredits an institution of its jurisdiction for a scope, from a day, perhaps until a day."""

    kind: ClassVar[str] = "institution.accredited.v1"
    stream: ClassVar[Stream] = TRUST

    institution: Slug
    accreditation: Ref
    name: Text
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
    identifiers: dict[str, Text] = Field(default_factory=dict, max_length=20)
    """Global identifiers as the accrediting node claims them, by scheme: `eter`, `deqar`, `vat`."""
    scope: Scope
    valid_from: Instant
    valid_until: Instant | None = None

    def subject(self) -> str:
        """The institution."""
        return self.institution


@catalogued
class AccreditationWithdrawn(Event):
    """An accreditation ends here; registrations made before stand."""

    kind: ClassVar[str] = "accreditation.withdrawn.v1"
    stream: ClassVar[Stream] = TRUST
    reduces_trust: ClassVar[bool] = True

    institution: Slug
    accreditation: Ref
    effective: Instant

    def subject(self) -> str:
        """The institution."""
        return self.institution


@catalogued
class InstitutionKeyAdded(Event):
    """The institution signs with this key from here on."""

    kind: ClassVar[str] = "institution-key.added.v1"
    stream: ClassVar[Stream] = TRUST

    institution: Slug
    kid: KeyId
    jwk: dict[str, str] = Field(max_length=8)

    def subject(self) -> str:
        """The key."""
        return self.kid


@catalogued
class InstitutionKeyRetired(Event):
    """The key signs no more. Superseded: what it signed stands. Compromised: only registrations up to a sequence stand."""

    kind: ClassVar[str] = "institution-key.retired.v1"
    stream: ClassVar[Stream] = TRUST
    reduces_trust: ClassVar[bool] = True

    institution: Slug
    kid: KeyId
    reason: Literal["superseded", "compromised"]
    registrations_stand_to: int | None = Field(default=None, ge=0)
    """When compromised: the last registration by it that stands; absent, none does."""

    def subject(self) -> str:
        """The key."""
        return self.kid


@catalogued
class ServiceKeyAdded(Event):
    """One of the node's services signs with this key; the certificate is the offline root's own statement of it."""

    kind: ClassVar[str] = "service-key.added.v1"
    stream: ClassVar[Stream] = TRUST

    kid: KeyId
    certificate: Annotated[str, StringConstraints(max_length=4_000)]
    """A compact JWS of the node's root (typ `testamur-key+jwt`)."""

    def subject(self) -> str:
        """The key."""
        return self.kid


@catalogued
class ServiceKeyRetired(Event):
    """The service signs with this key no more, from this entry on, by the order that `aft` gives the writer's chains."""

    kind: ClassVar[str] = "service-key.retired.v1"
    stream: ClassVar[Stream] = TRUST
    reduces_trust: ClassVar[bool] = True

    kid: KeyId
    reason: Literal["superseded", "compromised"]
    ends: dict[StreamName, Annotated[int, Field(ge=0)]] | None = Field(default=None, max_length=16)
    """The last number that may be the key's on streams that `aft` does not name: the checkpoints."""

    def subject(self) -> str:
        """The key."""
        return self.kid

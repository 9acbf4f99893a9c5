"""What may be asked about institutions, and what is answered."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from services.registry.trust.domain import KeyStatus, RetirementReason
from shared.clock import Instant
from shared.credential.text import require_visible
from shared.events.base import KeyId, Ref, Slug, Text
from shared.web.command import Command, View

Shown = Annotated[Text, AfterValidator(require_visible)]
"""A text that other nations show to people. Judged here and not in the event, so that every log stays readable."""

IscedPrefix = Annotated[str, StringConstraints(pattern=r"^\d{2,4}$")]


class AccreditedScope(Command):
    """What an institution is to be accredited for."""

    credential_types: tuple[Shown, ...] = Field(min_length=1, max_length=50, examples=[["micro-credential"]])
    """Types of credential, such as `micro-credential`."""
    eqf_max: int = Field(ge=1, le=8, examples=[7])
    """The highest EQF level."""
    isced_f: tuple[IscedPrefix, ...] = Field(default=(), max_length=200, examples=[["06"]])
    """Prefixes of ISCED-F 2013 codes; none means every field."""


class AccreditInstitution(Command):
    """Vouch for an institution of this nation, for a scope and a time."""

    institution: Slug = Field(examples=["tartu"])
    """Its name inside this node's namespace."""
    name: Shown = Field(examples=["University of Tartu"])
    """Its legal name."""
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] = Field(examples=["EE"])
    """ISO 3166-1 alpha-2."""
    identifiers: dict[Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,32}$")], Shown] = Field(
        default_factory=dict, max_length=20, examples=[{"eter": "EE0001"}]
    )
    """Global identifiers by scheme, as this nation claims them: `eter`, `deqar`, `vat`."""
    scope: AccreditedScope
    """What for."""
    valid_from: Instant | None = None
    """From when; now, unless it is given."""
    valid_until: Instant | None = None
    """Until when; open-ended, unless it is given."""


class AddKey(Command):
    """Enter a key that the institution signs with from now on."""

    kid: KeyId
    """Its thumbprint (RFC 7638)."""
    jwk: dict[str, str] = Field(max_length=8)
    """The public key (RFC 7517)."""


class RetireKey(Command):
    """End a key."""

    reason: RetirementReason
    """`superseded`: what it signed stands. `compromised`: only what `registrations_stand_to` lets stand."""
    registrations_stand_to: int | None = Field(default=None, ge=0, lt=2**53)
    """When compromised: the last registration by it that stands, as a sequence of this node's registrations."""


class AccreditationView(View):
    """One accreditation."""

    accreditation: Ref
    credential_types: tuple[str, ...]
    eqf_max: int
    isced_f: tuple[str, ...]
    valid_from: Instant
    valid_until: Instant | None
    withdrawn: Instant | None
    """When it was withdrawn; null while it was not."""


class InstitutionKeyView(View):
    """One key of an institution."""

    kid: KeyId
    status: KeyStatus
    registrations_stand_to: int | None
    """When compromised: up to which registration what it signed stands."""


class InstitutionView(View):
    """An institution, what it is accredited for, and its keys."""

    institution: Slug
    name: str
    country: str
    identifiers: dict[str, str]
    accreditations: tuple[AccreditationView, ...]
    keys: tuple[InstitutionKeyView, ...]


class InstitutionSummary(View):
    """An institution in a list."""

    institution: Slug
    name: str
    country: str

"""What may be asked of the issuer, and what it answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from services.issuer.credentials.domain import IssuedStatus
from shared.clock import Instant
from shared.events.base import Ref, Slug
from shared.web.command import Command, View


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) != len(names):
        raise ValueError("a format is named twice")
    return names


WrittenDraft = dict[str, Any]
"""A micro-credential as a person writes it, such as `examples/data-literacy.yaml`. What it lacks is named in the refusal."""


FormatName = Literal["vc+jwt", "dc+sd-jwt", "openbadge+jwt"]
"""The formats that are issued: `shared.formats.registry.FORMATS`."""

DEFAULT_FORMATS: tuple[FormatName, ...] = ("vc+jwt",)

Formats = Annotated[tuple[FormatName, ...], Field(min_length=1, max_length=3), AfterValidator(_each_once)]


class CheckCredential(Command):
    """Ask whether a credential could be issued. No key of the institution is used and nothing is kept."""

    institution: Slug
    """The institution that would sign it."""
    offer: Slug | None = None
    """An offer of the institution, which is the template; `credential` is then only what is the learner's own."""
    formats: Formats = DEFAULT_FORMATS
    """In which formats it is signed, all under one ref; the first is the one that the answer's `credential` holds."""
    credential: WrittenDraft = Field(examples=[{"title": "Data literacy", "workload": {"ects": 2, "hours": 52}}])
    """The micro-credential: its eleven mandatory elements, and optional ones."""
    valid_from: Instant | None = None
    """From when it holds; by default from the date of issuing."""
    valid_until: Instant | None = None
    """Until when it holds; by default for ever."""


class IssueCredential(CheckCredential):
    """Ask for a credential to be signed by an institution."""

    replaces: Ref | None = None
    """The ref of a credential of the same institution that this one corrects; it is revoked as superseded, so the scope
    `credentials:correct` is needed as well."""


class CorrectCredential(Command):
    """Ask for a corrected credential in place of an earlier one."""

    formats: Formats = DEFAULT_FORMATS
    """In which formats it is signed."""

    credential: WrittenDraft
    """The complete micro-credential as it should have been."""
    valid_from: Instant | None = None
    """From when it holds; by default from the date of issuing."""
    valid_until: Instant | None = None
    """Until when it holds; by default for ever."""


class CredentialSummary(View):
    """What the issuer shows of a credential without decrypting it: nothing personal."""

    ref: str
    institution: str
    status: IssuedStatus
    """`issued` until the registry has registered it; from then on its status at the registry."""
    format: str
    commitment: str
    """SHA-256 of what was signed, base64url: what the registry registers."""
    kid: str
    credential_type: str
    issued: Instant
    valid_from: Instant
    valid_until: Instant | None
    replaces: str | None
    replaced_by: str | None
    erased: Instant | None = None
    """When its contents were erased; null while its issuer can decrypt them."""


class IssuedCredentialView(CredentialSummary):
    """A credential with its signed form, to hand to its holder."""

    credential: str | None
    """The signed credential in the first of its formats; null once it has been erased."""
    formats: dict[str, str]
    """The signed credential in each of its formats; empty once it has been erased."""


class AcceptedView(View):
    """A row of a cohort that was erased before it was issued."""

    ref: str
    institution: str
    status: Literal["accepted"] = "accepted"
    erased: Instant
    """When its row was erased; it will not be issued."""


class FindingView(View):
    """What one step of verification finds."""

    number: int
    name: str
    outcome: str
    reason: str | None
    detail: str


class CheckView(View):
    """What a verifier would find in the credential, as far as an issuer can tell; warnings do not stop the issue."""

    findings: tuple[FindingView, ...]

"""What may be asked about stacks."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from services.issuer.credentials.commands import DEFAULT_FORMATS, Formats, WrittenDraft
from shared.clock import Instant
from shared.events.base import Ref, Slug
from shared.jose.gate import MAX_BYTES
from shared.trust.receipt import MAX_RECEIPT_BYTES
from shared.web.command import Command

MOST_PARTS = 100


class PresentedPart(Command):
    """A credential that its holder hands in as a part, and what this node's verifier found of it."""

    credential: Annotated[str, StringConstraints(min_length=1, max_length=MAX_BYTES)]
    """The signed credential, in a format that shows its holder's name."""
    receipt: Annotated[str, StringConstraints(min_length=1, max_length=MAX_RECEIPT_BYTES)]
    """`receipt` of this node's `POST /verifier/verifications`, asked for with `"receipt": true` in the last ten minutes."""


class StackCredential(Command):
    """Ask for a larger credential to be issued from parts."""

    institution: Slug
    """The institution that would sign it."""
    offer: Slug | None = None
    """An offer of the institution: the template, and the rule for the parts; without one, any two parts."""
    formats: Formats = DEFAULT_FORMATS
    """In which formats it is signed."""
    credential: WrittenDraft = Field(default_factory=dict)
    """The larger credential, or what its offer does not say. Its holder is the parts' unless it says so itself; its credits
    are theirs together."""
    parts: tuple[PresentedPart, ...] = Field(min_length=1, max_length=MOST_PARTS)
    """The parts, each once."""
    valid_from: Instant | None = None
    """From when it holds; by default from the date of issuing."""
    valid_until: Instant | None = None
    """Until when it holds; by default for ever."""
    replaces: Ref | None = None
    """The ref of a credential of the same institution that this one corrects; the scope `credentials:correct` is needed as
    well."""

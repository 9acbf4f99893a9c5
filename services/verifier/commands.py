"""What may be asked of the verifier: one question about one credential."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from shared.clock import Instant
from shared.jose.gate import MAX_BYTES
from shared.web.command import Command


class VerifyCredential(Command):
    """Is this credential true? Nothing of it is stored, and nobody is told that it was asked."""

    credential: Annotated[str, StringConstraints(min_length=1, max_length=MAX_BYTES)]
    """The credential as its holder has it: `vc+jwt`, an Open Badge, or `dc+sd-jwt` with what is to be shown."""
    as_of: Instant | None = None
    """Answer for that moment, by what is known now."""
    known_at: Instant | None = None
    """Answer by what was known here then of the credential's status."""
    nonce: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    """What the holder was asked to sign, to show that it is she or he who presents it now (`dc+sd-jwt`)."""
    audience: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = None
    """Whom the holder was asked to present it to."""
    receipt: bool = False
    """Sign what was found, for those of this node who rely on it, such as an issuer that stacks it. Not stored here."""
    country: Annotated[str, StringConstraints(pattern="^[A-Z]{2}$")] | None = Field(default=None, examples=["PT"])
    """Say what its level means in this country (ISO 3166-1 alpha-2)."""

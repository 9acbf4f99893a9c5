"""The registrations stream: which credentials a node's registry vouches for."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from shared.events.base import REGISTRATIONS, Digest, Event, KeyId, Ref, Slug, Stream, Text, catalogued


@catalogued
class CredentialRegistered(Event):
    """The registry entered a credential, within the institution's accreditation at that point of its log."""

    kind: ClassVar[str] = "credential.registered.v1"
    stream: ClassVar[Stream] = REGISTRATIONS

    ref: Ref
    commitments: dict[str, Digest] = Field(min_length=1, max_length=8)
    institution: Slug
    kid: KeyId
    """The institution's key that signed it; a later statement on that key reaches this credential by it."""
    credential_type: Text
    replaces: Ref | None = None

    def subject(self) -> str:
        """The credential's ref."""
        return self.ref

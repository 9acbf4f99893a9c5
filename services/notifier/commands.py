"""What may be asked of the notifier: a command is the request body."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from services.notifier.domain import NoticeKind
from shared.events.base import Ref
from shared.ids import NODE_NAME, SLUG
from shared.web.command import Command

NodeName = Annotated[str, StringConstraints(pattern=f"^{NODE_NAME}$")]
InstitutionUrn = Annotated[
    str, StringConstraints(pattern=f"^urn:testamur:{SLUG}:{NODE_NAME}:institution:{SLUG}$", max_length=200)
]


class Subscribe(Command):
    """Subscribe to changes by webhook. Each filter that is given narrows what is sent."""

    url: Annotated[str, StringConstraints(min_length=8, max_length=2048)]
    """Where to send it: an https URL on the public internet."""
    kinds: tuple[NoticeKind, ...] = Field(min_length=1, max_length=20)
    """What to send. `credential.revoked` takes in `credentials.revoked`."""
    origins: tuple[NodeName, ...] = Field(default=(), max_length=100)
    """Only events of these nodes."""
    institutions: tuple[InstitutionUrn, ...] = Field(default=(), max_length=200)
    """Only what concerns these institutions or their credentials."""
    refs: tuple[Ref, ...] = Field(default=(), max_length=1_000)
    """Only these credentials of the one origin that is given; nothing about institutions then."""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if self.refs and len(self.origins) != 1:
            raise ValueError("refs are read inside one origin: name exactly one in origins")
        return self

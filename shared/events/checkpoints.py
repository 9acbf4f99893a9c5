"""The checkpoints stream: how far its chains have come, said by a node every minute and after each batch.

A checkpoint is self-contained and stands outside any chain: losing all but the newest loses nothing.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shared.clock import Instant
from shared.events.base import ANY_SUBJECT, CHECKPOINTS, Digest, Event, Stream, catalogued

FRESHNESS_STREAMS = ("trust", "status", "registrations")
"""The streams whose heads must lie within a reader's applied prefix before a checkpoint makes it fresh."""

StreamName = Annotated[str, StringConstraints(pattern=r"^[a-z]{1,32}$")]


class Head(BaseModel):
    """The last entry of a chain: its sequence (0: none yet) and its hash."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    seq: int = Field(ge=0, lt=2**53)
    hash: Digest


@catalogued
class Checkpoint(Event):
    """The heads of all chained public streams of one origin at one moment, and the kinds of event it understands."""

    kind: ClassVar[str] = "checkpoint.made.v1"
    stream: ClassVar[Stream] = CHECKPOINTS

    time: Instant
    heads: dict[StreamName, Head] = Field(max_length=32)
    understands: tuple[Annotated[str, StringConstraints(max_length=80)], ...] = Field(default=(), max_length=500)

    def subject(self) -> str:
        """Everything this origin says."""
        return ANY_SUBJECT

"""The registry's own knobs, beside those that the whole node shares."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from shared.settings import NodeSettings


class RegistrySettings(NodeSettings):
    """What the registry needs to know."""

    status_list_url: str = Field(
        default_factory=lambda given: f"{given['public_url']}/registry/status-lists",
        pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$",
        examples=["https://testamur.example.org/registry/status-lists"],
    )
    """Where the world fetches status lists; the address of a list begins with it, and stands in the signed list."""
    status_list_lifetime: int = Field(default=3600, ge=60, le=604_800, examples=[3600])
    """Seconds for which a signed status list is valid; it is signed anew at half of that."""
    status_list_max_age: int = Field(default=60, ge=0, le=86_400, examples=[60])
    """Seconds for which a cache may keep a status list; a revocation is that much later for those who read lists only."""
    due_interval: float = Field(default=1.0, gt=0, le=60, allow_inf_nan=False, examples=[1.0])
    """Seconds between looks for suspensions that end and for mass revocations that are not yet carried through."""

    @classmethod
    def of(cls, settings: NodeSettings) -> Self:
        """The registry's settings on a node of these settings; its own knobs come from the environment."""
        return settings if isinstance(settings, cls) else cls.load(**dict(settings))

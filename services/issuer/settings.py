"""The issuer's own settings, beside those that all of the node shares."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from shared.credential.coherence import CoherencePolicy
from shared.settings import NodeSettings
from shared.status.bitstring import MIN_ENTRIES
from shared.verification.policy import Policy


class IssuerSettings(NodeSettings):
    """What the issuer needs to know."""

    status_list_url: str = Field(
        default_factory=lambda given: f"{given['public_url']}/registry/status-lists",
        pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$",
        examples=["https://testamur.example.org/registry/status-lists"],
    )
    """Where the registry publishes status lists; written into every credential."""
    status_list_entries: int = Field(default=MIN_ENTRIES, ge=MIN_ENTRIES, le=1 << 20, multiple_of=8, examples=[MIN_ENTRIES])
    """Places in one status list; half of them are used, so that a free one is soon found and the others hide it."""
    least_hours_per_ects: float = Field(default=25.0, gt=0, le=1000, allow_inf_nan=False, examples=[25])
    """Fewer hours of learning per ECTS credit are refused (ECTS Users' Guide 2015: 25 to 30)."""
    most_hours_per_ects: float = Field(default=30.0, gt=0, le=1000, allow_inf_nan=False, examples=[30])
    """More hours of learning per ECTS credit are refused."""
    least_ects: float | None = Field(default=None, gt=0, le=1000, allow_inf_nan=False, examples=[1])
    """Fewer ECTS credits are refused, where the nation sets a minimum; Europe has no common one."""
    most_ects: float | None = Field(default=None, gt=0, le=1000, allow_inf_nan=False, examples=[59])
    """More ECTS credits are refused, where the nation sets a maximum."""

    @model_validator(mode="after")
    def _bands_are_bands(self) -> Self:
        least, most = self.ects_band or (0.0, 1.0)
        if self.least_hours_per_ects > self.most_hours_per_ects or least > most:
            raise ValueError("the least is more than the most")
        return self

    @property
    def ects_band(self) -> tuple[float, float] | None:
        """The least and most ECTS credits, or None where the nation sets neither."""
        if self.least_ects is None and self.most_ects is None:
            return None
        return (self.least_ects or 0.0, self.most_ects or float("inf"))

    @property
    def policy(self) -> Policy:
        """What counts as coherent here, as a policy to rehearse by."""
        hours = (self.least_hours_per_ects, self.most_hours_per_ects)
        return Policy(name="issuer", coherence=CoherencePolicy(hours, self.ects_band))

    @classmethod
    def of(cls, settings: NodeSettings) -> Self:
        """The issuer's settings on a node of these settings; its own come from the environment."""
        return settings if isinstance(settings, cls) else cls.load(**dict(settings))

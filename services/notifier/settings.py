"""The notifier's own knobs."""

from __future__ import annotations

from pydantic import Field

from shared.settings import NodeSettings


class NotifierSettings(NodeSettings):
    """How webhooks are sent."""

    notifier_concurrency: int = Field(default=32, ge=1, le=1000, examples=[32])
    """Webhooks under way at once."""
    notifier_per_subscription: int = Field(default=4, ge=1, le=100, examples=[4])
    """Of these, to one subscription: a slow receiver must not hold up the others."""
    notifier_timeout: float = Field(default=15.0, gt=0, le=60, examples=[15])
    """Seconds that a receiver has to answer (Standard Webhooks, "Request timeouts": 15 to 30)."""
    notifier_retention_days: int = Field(default=30, ge=2, le=3650, examples=[30])
    """Days that deliveries and their log are kept; longer than any schedule of attempts."""
    notifier_subscriptions: int = Field(default=100, ge=1, examples=[100])
    """Subscriptions that one caller may have."""

    @classmethod
    def of(cls, settings: NodeSettings) -> NotifierSettings:
        """A node's settings with the notifier's own added from the environment."""
        return settings if isinstance(settings, cls) else cls.load(**dict(settings))

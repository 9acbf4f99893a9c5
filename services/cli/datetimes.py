"""Moments as a person writes them: UTC where nothing else is said, and what an offset says where there is one."""

from __future__ import annotations

from datetime import UTC, datetime

import typer

from shared.clock import rfc3339


def in_utc(moment: datetime | None) -> str | None:
    """The moment in RFC 3339; without an offset it is UTC. A usage error outside the years 1 to 9999."""
    if moment is None:
        return None
    try:
        return rfc3339(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except OverflowError:
        raise typer.BadParameter("A moment lies in the years 1 to 9999 of UTC.") from None

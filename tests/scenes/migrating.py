"""`testamur migrate` in a process of its own (tests/forked.py), struck by a signal on its way if that is wanted."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from services.cli.app import run
from services.cli.node import migration
from shared.store.copy import Copy

POINTS: dict[str, tuple[Any, str, bool]] = {
    "when a target is claimed": (Copy, "claim", False),
    "when a source is marked": (Copy, "begin", False),
    "before a page is durable": (Copy, "_carry_page", True),
    "when a page is durable": (Copy, "_carry_page", False),
    "before anything is compared": (Copy, "compare", True),
    "when all is compared": (migration, "_compare", False),
    "when a source is left": (Copy, "leave", False),
    "when a target is free": (Copy, "arrive", False),
}
"""Where it is struck: the function, and whether before or after it did its work."""


def arm(point: str, count: int, signal: int) -> None:
    """Send this process a signal at the count-th passage of a point."""
    owner, name, before = POINTS[point]
    real = getattr(owner, name)
    left = count

    async def trapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        left -= 1
        if before and left == 0:
            os.kill(os.getpid(), signal)
        result = await real(*args, **kwargs)
        if not before and left == 0:
            os.kill(os.getpid(), signal)
        return result

    setattr(owner, name, trapped)


def migrate(words: Sequence[str], struck: tuple[str, int, int] | None) -> int:
    """The command with its own arguments; `struck`: point, at which passage, and the signal."""
    if struck:
        arm(*struck)
    return run(["migrate", *words])

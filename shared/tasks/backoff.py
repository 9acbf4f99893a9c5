"""How long to wait before the next try: a short list of pauses, of which the last one is repeated.

A pause is counted from the failures in a row before it. Who has succeeded once begins with the first pause again.
"""

from __future__ import annotations

from collections.abc import Sequence


def pause_after(failures: int, pauses: Sequence[float]) -> float:
    """Seconds to wait after so many failures before this one, from a list that is not empty."""
    return pauses[min(failures, len(pauses) - 1)]

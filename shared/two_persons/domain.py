"""How much one administrator may end alone, and who counts as a second person. Pure.

- Ten within any hour, whatever the route (protocol, section 7). What a second person confirmed does not count.
- The second person is another one than the first. Where it is not known who asked first, no one can be shown to be another
  person, so no one can confirm.
"""

from __future__ import annotations

from datetime import timedelta

from shared.errors import Conflict
from shared.events.issuance import actor_pseudonym

SINGLE_PERSON_LIMIT = 10
"""How many credentials one administrator may end alone within `WINDOW`."""
WINDOW = timedelta(hours=1)

UNKNOWN_PERSON = ""
"""Stands for an administrator of whom not even the pseudonym is known."""


class SecondPersonNeeded(Conflict):
    """409: beyond what one administrator may end alone."""

    title = "A second person has to confirm that."


def require_another(first: str, second: str) -> None:
    """Raise `SecondPersonNeeded` unless the actor `second` is certainly another person than `first`, an actor's name or
    pseudonym.
    """
    if first in (second, actor_pseudonym(second), UNKNOWN_PERSON):
        raise SecondPersonNeeded("Have another administrator confirm it with a token of their own.")

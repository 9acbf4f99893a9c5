"""What an institution may set about verification: data, frozen, and only ever towards more caution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from shared.credential.coherence import DEFAULT_POLICY as COHERENCE
from shared.credential.coherence import CoherencePolicy
from shared.errors import Misconfigured
from shared.verification.verdict import STEPS, TABLE, Outcome, Verdict

MAX_AGE_SECONDS = 900
"""Seconds: how old the newest proven checkpoint of a node may be. It comes every minute; fifteen are a long silence."""

_WARNINGS = {reason for (_, reason), row in TABLE.items() if row.outcome is Outcome.WARNING}


class PolicySoftens(Misconfigured):
    """A policy that would harden what is no warning, or soften anything."""

    title = "A verification policy may harden warnings and nothing else."


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One institution's policy. `hardened` maps a warning's reason or a step's number to the verdict it then gives."""

    name: str = "default"
    max_age: float = MAX_AGE_SECONDS
    coherence: CoherencePolicy = COHERENCE
    hardened: Mapping[int | str, Verdict] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        """Refuse what would soften; raises `PolicySoftens`."""
        if not 0 < self.max_age < float("inf"):
            raise PolicySoftens("Set max_age to a number of seconds above 0.")
        for key, verdict in self.hardened.items():
            if key not in _WARNINGS and not (type(key) is int and 0 <= key < len(STEPS)):
                raise PolicySoftens("Name a warning's reason or a step's number in hardened.")
            if verdict is Verdict.VALID:
                raise PolicySoftens("A warning may be hardened to invalid or indeterminate, not to valid.")

    def document(self) -> dict[str, Any]:
        """The policy as it stands in a report."""
        return {
            "name": self.name,
            "max_age_seconds": self.max_age,
            "hours_per_ects": list(self.coherence.hours_per_ects),
            "hardened": {str(key): verdict.value for key, verdict in self.hardened.items()},
        }


DEFAULT_POLICY = Policy()
"""Fifteen minutes, 25 to 30 hours per ECTS credit, nothing hardened."""

"""What a script learns from a command: its exit code."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """Exit codes, the same for every command."""

    FINE = 0
    """Done; or the credential is valid."""
    REFUSED = 1
    """Refused; or the credential is invalid."""
    USAGE = 2
    """The command was not understood."""
    INDETERMINATE = 3
    """The credential could not be judged with what is known now."""
    UNREACHABLE = 4
    """No node answers, or not the engine that it stands on."""


HELP = "Exit codes: 0 fine or valid, 1 refused or invalid, 2 usage, 3 indeterminate, 4 no node answers."
"""The same in one line, for `--help`."""

OF_VERDICT = {"valid": Code.FINE, "invalid": Code.REFUSED, "indeterminate": Code.INDETERMINATE}
"""The code of each verdict."""

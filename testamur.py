"""The front door: the command line's entry, and what other programs import.

    from testamur import Client, ProblemError

    with Client("https://testamur.example.org", token) as node:
        report = node.verify(credential)         # {"verdict": "valid", "steps": [...], ...}

`shared/client.py` says what a client can do.
"""

from __future__ import annotations

from shared.client import SERVICES, Client, NodeUnreachable, ProblemError, addresses
from shared.version import __version__

__all__ = ["SERVICES", "Client", "NodeUnreachable", "ProblemError", "__version__", "addresses", "main"]


def main() -> None:
    """What the command `testamur` runs."""
    from services.cli.app import run

    raise SystemExit(run())


if __name__ == "__main__":
    main()

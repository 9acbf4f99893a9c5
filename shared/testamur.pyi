# What testamur.py offers, for type checkers; the wheel holds it as testamur-stubs/__init__.pyi.
# py.typed marks a package as typed. A single module has no such mark (PEP 561), and without one mypy reads nothing of it.

from shared.client import SERVICES, Client, NodeUnreachable, ProblemError, addresses
from shared.version import __version__

__all__ = ["SERVICES", "Client", "NodeUnreachable", "ProblemError", "__version__", "addresses", "main"]

def main() -> None: ...

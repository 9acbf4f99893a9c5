"""Print each breach of a house rule as `path:line message`; exit 1 if there is any."""

from __future__ import annotations

import sys

from tests.lints import look_at_tree
from tests.shared_data import ROOT


def main() -> int:
    """Look at the whole tree; returns the exit code."""
    breaches = look_at_tree(ROOT)
    for breach in breaches:
        print(breach)
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())

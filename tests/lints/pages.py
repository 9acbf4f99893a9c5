"""Rules of pages: prose is narrow enough to read and to compare, and the front page stays one page."""

from __future__ import annotations

from collections.abc import Iterator

from tests.lints.source import Finding, Source

PROSE_WIDTH = 120
"""The longest line of prose, in characters."""
FRONT_PAGE = "README.md"
FRONT_PAGE_BYTES = 9_000
"""The most that the front page may have; the rest has pages in docs."""


def prose_is_narrow(source: Source) -> Iterator[Finding]:
    """A line of prose has at most 120 characters; tables, blocks of code and what has no blank to break at may be longer."""
    is_code = False
    for number, line in enumerate(source.lines if source.path.endswith(".md") else (), start=1):
        text = line.strip()
        if text.startswith("```"):
            is_code = not is_code
        elif len(line) > PROSE_WIDTH and not is_code and not text.startswith("|") and " " in text:
            yield Finding(number, f"the line has {len(line)} characters, {PROSE_WIDTH} are the most")


def front_page_is_short(source: Source) -> Iterator[Finding]:
    """The README has at most 9,000 bytes: what it is, what one sees, and where to read on."""
    size = len(source.text.encode())
    if source.path == FRONT_PAGE and size > FRONT_PAGE_BYTES:
        yield Finding(1, f"the front page has {size:,} bytes, {FRONT_PAGE_BYTES:,} are the most: move some to docs")

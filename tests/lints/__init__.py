"""The house rules that no other tool checks, one small function each: `python -m tests.lints`.

Read source.py (what a lint looks at), then shape.py, borders.py, events.py, words.py and pages.py. `LINTS` is all of them.
"""

from __future__ import annotations

from pathlib import Path

from tests.lints import borders, events, pages, shape, words
from tests.lints.source import Lint, Source, sources

LINTS: tuple[Lint, ...] = (
    shape.file_is_short,
    shape.function_is_short,
    shape.function_takes_few,
    shape.sentence_is_short,
    shape.module_is_introduced,
    shape.package_names_what_is_in_it,
    shape.public_name_is_documented,
    shape.name_says_something,
    borders.clock_is_asked_in_one_place,
    borders.tokens_are_read_in_one_place,
    borders.vendor_is_known_to_its_adapter,
    borders.outgoing_http_has_one_door,
    borders.print_is_for_the_command_line,
    borders.consumer_takes_bytes,
    events.event_holds_no_person,
    events.what_is_said_stays_said,
    words.nothing_is_left_unfinished,
    words.no_package_registry_is_named,
    words.no_machine_is_named,
    words.its_own_is_english,
    pages.prose_is_narrow,
    pages.front_page_is_short,
)
"""Every rule, in the order in which they are reported."""


def look_at(source: Source) -> list[str]:
    """All breaches in one file, as `path:line message`."""
    return [f"{source.path}:{found.line} {found.message}" for lint in LINTS for found in lint(source)]


def look_at_tree(root: Path) -> list[str]:
    """All breaches in a tree."""
    return [line for source in sources(root) for line in look_at(source)]

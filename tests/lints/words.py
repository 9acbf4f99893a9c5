"""Rules of words: what no text of ours says, be it code, a document or a setting."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.lints.source import Finding, Source

_UNFINISHED = re.compile(r"\b(?:TO[D]O|FIX[M]E|XX[X]|HAC[K])\b")
_REGISTRY = re.compile(r"py[p]i\.org|python[h]osted\.org|registry\.npm[j]s|https?://[^\s\"'/]+(?:/[^\s\"'/]+)*/simple\b")
_MACHINE = re.compile(r"(?<![\w.:/$}>*-])/(?:home|Users|root|tmp|mnt|work(?:space)?)/\w")

_THE_OWN = re.compile(r"\bthe o[w]n\b")


def nothing_is_left_unfinished(source: Source) -> Iterator[Finding]:
    """No note of unfinished work: it is done, or it is an issue."""
    yield from _found(source, _UNFINISHED, "a note of unfinished work: do it, or file it as an issue")


def no_package_registry_is_named(source: Source) -> Iterator[Finding]:
    """No address of a package registry: which one is asked is the machine's own setting."""
    yield from _found(source, _REGISTRY, "names a package registry: that is the machine's own setting")


def no_machine_is_named(source: Source) -> Iterator[Finding]:
    """No path of somebody's machine: homes, temporary and working folders differ."""
    yield from _found(source, _MACHINE, "names a folder of one machine")


def its_own_is_english(source: Source) -> Iterator[Finding]:
    """`its own log`, never `the` before `own`."""
    yield from _found(source, _THE_OWN, "write `its own`, with an owner, where `the` stands before `own`")


def _found(source: Source, pattern: re.Pattern[str], message: str) -> Iterator[Finding]:
    for number, line in enumerate(source.lines, start=1):
        if pattern.search(line):
            yield Finding(number, message)

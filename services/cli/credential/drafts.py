"""A credential's file as a person has it: our own YAML or JSON, or an unsigned document of the European Learning Model."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli.output import note
from shared.clock import SystemClock
from shared.credential import draft, written
from shared.errors import Invalid, Malformed
from shared.formats.elm import read as elm


class DraftSource(StrEnum):
    """What kind of file it is."""

    DRAFT = "draft"
    ELM = "elm"


class FileUnreadable(Invalid):
    """The file is not there, or may not be read."""

    title = "The file cannot be read."


From = Annotated[DraftSource, typer.Option("--from", help="draft: our YAML or JSON; elm: an unsigned ELM 3 document.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="Set a member: workload.hours=52. May be repeated.")]

LARGEST_CREDENTIAL = 256 * 1024
"""Bytes of a signed credential; the API takes no larger one."""


def read_file(path: Path, limit: int = elm.LARGEST_BYTES) -> bytes:
    """The bytes of a file, `-` being standard input; one byte over `limit` at most. Raises `FileUnreadable`."""
    try:
        if str(path) == "-":
            return sys.stdin.buffer.read(limit + 1)
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise FileUnreadable(f"{path} cannot be read ({error.strerror}). Check its name and who may read it.") from None


def read_draft(
    path: Path, source: DraftSource, settings: list[str] | None, *, quiet: bool = False, complete: bool = True
) -> dict[str, Any]:
    """The draft in a file with `--set` applied. A whole one is checked here already, so what lacks something is not sent.

    What it lacks is said line by line unless `quiet`. Raises `Malformed` for JSON-LD that is called a draft,
    `IncompleteCredential`, `MalformedCredential`, `IncoherentCredential`, or what reading raises.
    """
    raw = read_file(path)
    found = elm.to_draft(raw) if source is DraftSource.ELM else written.read(raw)
    if source is DraftSource.DRAFT and "@context" in found:
        raise Malformed("This is JSON-LD and no draft. If it is an unsigned document of the ELM, add --from elm.")
    for setting in settings or ():
        found = draft.apply_set(found, setting)
    if not complete:
        return found
    try:
        draft.build(found, SystemClock().now())
    except draft.IncompleteCredential as incomplete:
        for element in () if quiet else incomplete.members["missing"]:
            note(
                f"It lacks element {element['number']}, {element['name']}: give it with --set {element['path']}=...",
                "yellow",
            )
        raise
    return found

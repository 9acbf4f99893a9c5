"""`testamur verify` for a sealed Europass file: offline, by what the file holds and by trusted lists given as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Group

from services.cli.credential.drafts import read_file
from services.cli.exit_codes import OF_VERDICT
from services.cli.output import answer, fields, report, verdict
from shared.clock import SystemClock
from shared.seals import trusted_list
from shared.seals.jades import LARGEST_BYTES as LARGEST_SEALED
from shared.seals.jades import looks_sealed
from shared.verification.sealed.verify import verify_seal

__all__ = ["LARGEST_SEALED", "Shapes", "TrustedLists", "looks_sealed", "verify_sealed"]

TrustedLists = Annotated[
    list[Path] | None,
    typer.Option("--trusted-list", help="A national trusted list (XML), for a sealed Europass file. May be repeated."),
]


Shapes = Annotated[
    Path | None,
    typer.Option("--shapes", help="A folder with the official SHACL shapes, for a sealed Europass file."),
]


def verify_sealed(raw: bytes, lists: list[Path], shapes: Path | None = None, *, as_json: bool) -> NoReturn:
    """Say what can be said of a sealed file, and leave with the verdict's exit code."""
    given = [trusted_list.read(read_file(path, trusted_list.LARGEST_BYTES)) for path in lists]
    found = verify_seal(raw, SystemClock().now(), given, shapes=shapes).to_dict()
    roles: dict[str, Any] = next((step["evidence"] for step in found["steps"] if step["number"] == 7), {})
    answer(found, Group(verdict(found), report(found), fields(roles)), as_json=as_json)
    raise typer.Exit(OF_VERDICT[found["verdict"]])

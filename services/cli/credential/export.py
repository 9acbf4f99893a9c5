"""`testamur export`: a signed credential's content in another form, offline."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import orjson
import typer

from services.cli.credential.credentials import File, Out, check_out
from services.cli.credential.drafts import LARGEST_CREDENTIAL, read_file
from services.cli.output import note
from shared.errors import Malformed
from shared.formats.elm import export as elm_export
from shared.verification.presented import recognise

app = typer.Typer()


class ExportTarget(StrEnum):
    """In which form."""

    ELM = "elm"


class NotRead(Malformed):
    """400: the file is no credential that could be read."""

    title = "That is no credential that this program reads."


@app.command()
def export(
    file: File,
    to: Annotated[
        ExportTarget, typer.Option("--to", help="elm: an unsigned document for the Europass tools.")
    ] = ExportTarget.ELM,
    out: Out = None,
) -> None:
    """Write what a credential says in another form. Nothing is verified and no node is asked; the copy carries no seal."""
    assert to is ExportTarget.ELM
    presented = recognise(read_file(file, LARGEST_CREDENTIAL).strip())
    credential = presented.credential
    if credential is None:
        raise NotRead(presented.detail or "Give the signed credential as its holder has it.")
    check_out(out)
    document = orjson.dumps(
        elm_export.to_elm(credential.award, credential.ref, credential.valid_from), option=orjson.OPT_INDENT_2
    )
    note("An unsigned copy: seal it with the Europass tools. The credential itself stays the original.")
    if out is None:
        print(document.decode())
    else:
        out.write_bytes(document + b"\n")
        note(f"It is in {out}.")

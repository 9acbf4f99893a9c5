"""`testamur issue-batch`: a file of learners, checked first, then issued as a job that goes on by itself.

The fault table is shown before anything is issued. Nothing is issued without a yes: at a terminal it is asked for, elsewhere
`--yes` gives it. Whoever stops watching stops nothing: `--resume` watches again and fetches the result.
"""

from __future__ import annotations

import base64
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Group
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from services.cli.credential.credentials import check_out, check_ref
from services.cli.credential.drafts import read_file
from services.cli.credential.revocations import Yes
from services.cli.exit_codes import Code
from services.cli.local import AsJson
from services.cli.output import answer, err, fields, note, rows
from services.cli.remote import Token, Url, connect
from shared.client import Client, NodeUnreachable, ProblemError
from shared.credential import written

app = typer.Typer()

KINDS = {
    ".csv": "text/csv",
    ".tsv": "text/csv",
    ".txt": "text/csv",
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
"""Kinds of files by the end of their names."""

LARGEST_FILE = 10 * 1024 * 1024
"""Bytes of a file; the issuer takes no larger one."""

SHOWN = 50
"""Rows of a fault table that are printed; `--json` prints all that were answered."""

STOPPING = 503
"""What a node answers that is about to stop."""

RECONNECTIONS = 5
"""How often a broken connection is made again before the watching ends; the job goes on all the same."""


@app.command("issue-batch")
def issue_batch(
    file: Annotated[Path | None, typer.Argument(help="CSV, lines of JSON (.ndjson) or .xlsx; a learner a row.")] = None,
    institution: Annotated[str | None, typer.Option(help="Which institution issues them, such as tartu.")] = None,
    template: Annotated[Path | None, typer.Option(help="The draft that all learners share, without a holder.")] = None,
    offer: Annotated[str | None, typer.Option(help="Issue from this offer; a template goes over it.")] = None,
    form: Annotated[
        list[str] | None, typer.Option("--format", help="vc+jwt, dc+sd-jwt or openbadge+jwt; or several.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Show the fault table; issue nothing.")] = False,
    resume: Annotated[str | None, typer.Option(help="Watch this cohort again, and fetch its result.")] = None,
    cancel: Annotated[str | None, typer.Option(help="Issue no more of this cohort.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the result here, a line of JSON for each row.")] = None,
    yes: Yes = False,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Issue a file of learners. It is checked whole; one fault refuses all of it, and each is named with its row."""
    check_out(out)
    with connect(url, token) as node:
        if cancel:
            stands = node.cancel_cohort(check_ref(cancel))
            answer(stands, fields(stands), as_json=as_json)
            return
        cohort = check_ref(resume) if resume else None
        if cohort is None:
            asked = _asked(file, institution, template, offer, form)
            _require_faultless(node.check_cohort(asked), as_json=as_json and check)
            if check or not _agreed(yes):
                return
            cohort = str(node.issue_cohort(asked)["id"])
            note(f"It is issued as {cohort}. If this breaks off: testamur issue-batch --resume {cohort}")
        stands = _watched(node, cohort, quiet=as_json)
        _fetch(node, cohort, out, to_stdout=not as_json)
    answer(stands, fields(stands), as_json=True) if as_json else note(_told(stands))
    raise typer.Exit(Code.FINE if stands["issued"] == stands["rows"] else Code.REFUSED)


def _asked(
    file: Path | None, institution: str | None, template: Path | None, offer: str | None, form: list[str] | None
) -> dict[str, Any]:
    """The request for a file; a usage error where something is not given."""
    if file is None or institution is None or (template is None and offer is None):
        raise typer.BadParameter(
            "Give a file of learners, --institution, and --template or --offer; or --resume with a cohort's id."
        )
    kind = KINDS.get(file.suffix.lower())
    if kind is None:
        raise typer.BadParameter(f"A file of learners ends in {', '.join(KINDS)}.")
    asked: dict[str, Any] = {
        "institution": institution,
        "media_type": kind,
        "file": base64.b64encode(read_file(file, LARGEST_FILE)).decode(),
    }
    if template is not None:
        asked["template"] = written.read(read_file(template, written.LARGEST_JSON))
    further = {"offer": offer, "formats": form}
    return asked | {name: value for name, value in further.items() if value}


def _require_faultless(found: dict[str, Any], *, as_json: bool) -> None:
    """Show the fault table, and leave where there is any fault."""
    lines = [{"row": row["row"], **fault} for row in found["table"] for fault in row["faults"]]
    clean = Text(f"{found['rows']} rows, none with a fault.", style="green")
    if as_json:
        answer(found, clean, as_json=True)
    elif lines:
        table = rows(("row", "path", "rule", "message"), lines[:SHOWN], "")
        more = f"\n{len(lines) - SHOWN} further faults are not shown." if len(lines) > SHOWN else ""
        total = f"{found['faulty']} of {found['rows']} rows have faults; nothing was issued.{more}"
        answer(found, Group(table, Text(total, style="red")), as_json=False)
    else:
        err.print(clean)
    if found["faulty"]:
        raise typer.Exit(Code.REFUSED)


def _agreed(yes: bool) -> bool:
    if not yes and sys.stdin.isatty():
        return typer.confirm("Issue them?", err=True)
    if not yes:
        note("Nothing was issued. Repeat it with --yes.")
    return yes


def _watched(node: Client, cohort: str, *, quiet: bool) -> dict[str, Any]:
    """How the cohort stands once its job has ended, with a bar until then."""
    columns = (TextColumn("issuing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    stands = node.cohort(cohort)
    try:
        with Progress(*columns, console=err, disable=quiet or not err.is_terminal) as bar:
            task = bar.add_task("issuing", total=stands["rows"])
            for stands in _told_of(node, cohort):
                bar.update(task, completed=stands["done"])
    except KeyboardInterrupt:
        note(f"The job goes on. Watch it again: testamur issue-batch --resume {cohort}")
        raise typer.Exit(Code.INDETERMINATE) from None
    return stands


def _told_of(node: Client, cohort: str) -> Iterator[dict[str, Any]]:
    """The cohort's progress, over as many connections as it takes."""
    left = RECONNECTIONS
    while True:
        try:
            for stands in node.cohort_progress(cohort):
                left = RECONNECTIONS
                yield stands
            return
        except (NodeUnreachable, ProblemError) as error:
            left -= 1
            if not left or (isinstance(error, ProblemError) and error.status != STOPPING):
                raise
            time.sleep(1.0)


def _fetch(node: Client, cohort: str, out: Path | None, *, to_stdout: bool) -> None:
    """The result to the file, or to standard output."""
    if out is None:
        for row in node.cohort_result(cohort) if to_stdout else ():
            print(orjson.dumps(row).decode())
        return
    with out.open("wb") as file:
        for row in node.cohort_result(cohort):
            file.write(orjson.dumps(row) + b"\n")
    note(f"The result is in {out}, with the credentials of all learners: keep it where only they and you can read it.")


def _told(stands: dict[str, Any]) -> str:
    counts = {name: stands[name] for name in ("issued", "refused", "erased")}
    return f"{stands['state']}: " + ", ".join(
        f"{count} {name}" for name, count in counts.items() if count or name == "issued"
    )

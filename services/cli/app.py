"""The command `testamur`, and what becomes of an error.

A wrong argument is one line on standard error and exit code 2; a refusal is its sentence with the next action. With
`--json` a refusal is its problem document, on standard error too. A mistake in what went in never shows a traceback.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from services.cli.command_table import GROUPS, Commands
from services.cli.exit_codes import HELP, Code
from services.cli.output import err, print_json
from shared.client import NodeUnreachable, ProblemError
from shared.errors import TestamurError, Unavailable
from shared.version import __version__

app = typer.Typer(
    name="testamur",
    cls=Commands,
    help=f"The exchange for micro-credentials: issue, verify, revoke, and run a node.\n\n{HELP}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    pass


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(given, standalone_mode=False, prog_name="testamur")
    except typer.TyperException as error:
        return _usage(error, given)
    except typer.Abort:
        return _refuse("Nothing was done.", {}, Code.REFUSED, given)
    except NodeUnreachable as error:
        advice = f"{error} Start one with `testamur up --node ee`, or name its address with --url or TESTAMUR_URL."
        return _refuse(advice, {"title": "No node answers."}, Code.UNREACHABLE, given)
    except ProblemError as error:
        return _refuse(_sentence(error), error.document, Code.REFUSED, given)
    except TestamurError as error:
        code = Code.UNREACHABLE if isinstance(error, Unavailable) else Code.REFUSED
        return _refuse(error.detail, error.document(), code, given)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        advice = f"{place}{error.strerror or 'it failed'}. Check that it is there and who may use it."
        return _refuse(advice, {"title": "The system refused it."}, Code.REFUSED, given)
    return int(code) if isinstance(code, int) else Code.FINE


def _usage(error: typer.TyperException, given: Sequence[str]) -> int:
    if not given or given[-1] in GROUPS:
        print(error.format_message())  # a group without a command: its help, not a complaint
        return Code.USAGE
    context = getattr(error, "ctx", None)
    message = error.format_message().rstrip()
    stop = "" if message.endswith((".", "!", "?")) else "."
    command = context.command_path if context else "testamur"
    return _refuse(f"{message}{stop} See `{command} --help`.", {"title": "Not understood."}, Code.USAGE, given)


def _sentence(error: ProblemError) -> str:
    """The problem in words; what its document has beside its detail takes the place of a pointer to it."""
    if error.status == 401:
        return (
            f"{error.title} Run this in the node's folder, or give a token made for this node by --token or TESTAMUR_TOKEN."
        )
    if scope := error.document.get("scope"):
        return f"{error.title} It needs the scope {scope}: see `testamur token --help` for the roles."
    faults = [
        f"{fault.get('path') or 'the whole'}: {fault.get('message')}"
        for fault in error.document.get("faults", ())
        if str(fault.get("message")) not in error.detail
    ]
    pointer = "`faults`" in error.detail and faults
    return " ".join(filter(None, (error.title, "" if pointer else error.detail, "; ".join(faults))))


def _refuse(sentence: str, document: Mapping[str, Any], code: Code, given: Sequence[str]) -> int:
    """Say it in one line, or as a problem document to a script."""
    if "--json" in given:
        print_json({"detail": sentence, **document, "exit_code": int(code)}, file=sys.stderr)
    else:
        err.print(" ".join(f"testamur: {sentence}".split()), style="red", markup=False)
    return code

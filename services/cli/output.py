"""What a person sees: the answer on standard output, everything around it on standard error.

So a pipe gets the answer alone (`testamur issue ... > credential.jwt`), and `--json` makes it one JSON document.
Text that came from a file or another server is printed as it stands, never as markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

import orjson
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

out = Console(highlight=False, soft_wrap=True)
"""Where answers go."""
err = Console(stderr=True, highlight=False, soft_wrap=True)
"""Where everything around them goes."""

MARKS: Mapping[str, tuple[str, str]] = {
    "passed": ("✓", "green"),
    "failed": ("✗", "bold red"),
    "unknown": ("?", "bold yellow"),
    "warning": ("!", "yellow"),
    "skipped": ("·", "dim"),
}
"""A sign and a style for each outcome of a verification step."""

COLOURS: Mapping[str, str] = {"valid": "bold green", "invalid": "bold red", "indeterminate": "bold yellow"}
"""A style for each verdict."""


def answer(value: Any, shown: RenderableType, *, as_json: bool) -> None:
    """Print an answer: the value as JSON, or as `shown` for a person."""
    if as_json:
        print_json(value)
    else:
        out.print(shown)


def print_json(value: Any, file: TextIO | None = None, *, one_line: bool = False) -> None:
    """Print one JSON document; scripts read it, so it is never coloured or wrapped. One of many takes one line."""
    print(orjson.dumps(value, option=None if one_line else orjson.OPT_INDENT_2, default=str).decode(), file=file)


def note(text: str, style: str = "dim") -> None:
    """Say something beside the answer."""
    err.print(Text(text, style=style))


def fields(pairs: Mapping[str, Any]) -> Table:
    """A thing as its named members, one a line; members that say nothing are left out."""
    table = _bare()
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in pairs.items():
        if value not in (None, "", (), [], {}):
            table.add_row(Text(name.replace("_", " ")), Text(_text(value)))
    return table


def rows(columns: Sequence[str], items: Iterable[Mapping[str, Any]], empty: str) -> RenderableType:
    """Many things of one kind, a line each; `empty` is said when there are none."""
    table = _bare()
    for name in columns:
        table.add_column(Text(name.replace("_", " "), style="bold"), overflow="fold")
    for item in items:
        table.add_row(*(Text(_text(item.get(name))) for name in columns))
    table.show_header = True
    return table if table.row_count else Text(empty, style="dim")


def report(found: Mapping[str, Any]) -> Table:
    """A verification report: the verdict, then every step with its outcome and its sentence."""
    table = _bare()
    table.add_column(justify="right", style="dim")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for step in found["steps"]:
        mark, style = MARKS[step["outcome"]]
        line = Text(str(step["name"]), style="dim" if step["outcome"] == "skipped" else "")
        if step["outcome"] not in ("passed", "skipped"):
            line.append(f"\n{step['detail']}", style=style.removeprefix("bold "))
        table.add_row(str(step["number"]), Text(mark, style=style), line)
    return table


def verdict(found: Mapping[str, Any]) -> Text:
    """The verdict in a line: `invalid (revoked)`, and the sentence that says it; also where it is not of now."""
    line = Text(f"{found['verdict']}", style=COLOURS[found["verdict"]])
    as_of = found.get("as_of") or {}
    if found.get("reason"):
        line.append(f" ({found['reason']})")
    if found.get("reason") or as_of.get("moment_asked") or as_of.get("known_at"):
        line.append(f"  {found.get('detail', '')}", style="")
    return line


def _bare() -> Table:
    return Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={_text(member)}" for name, member in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return "" if value is None else str(value)

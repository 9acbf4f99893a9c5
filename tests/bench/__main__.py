"""`make bench`: every figure of docs/performance.md, measured here and now, side by side.

Prints a table and writes `build/bench.json`: a list of `{id, what, ours, against, ratio, goal, met}`. It never fails for a
figure: what fell short is shown as such.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import uvloop
from rich.console import Console
from rich.table import Table

from services.cli.node.serving import spare_the_collector
from tests.bench import batch, border, border_hole, border_kafka, credentials, engines, europass, formats, replica, storage
from tests.bench.measure import Row
from tests.shared_data import ROOT


async def rows(wanted: set[str]) -> AsyncIterator[Row]:
    """Every row in turn; with `wanted`, only the groups of those names."""
    groups = {
        "credentials": credentials.rows,
        "batch": batch.rows,
        "storage": storage.rows,
        "replica": replica.rows,
        "border": border.rows,
        "europass": europass.rows,
        "formats": formats.rows,
        "engines": engines.rows,
        "border-kafka": border_kafka.rows,
        "border-hole": border_hole.rows,
    }
    for name, group in groups.items():
        if wanted and name not in wanted:
            continue
        with tempfile.TemporaryDirectory(prefix="testamur-bench-", dir=ROOT / "build") as folder:
            for row in await group(Path(folder)):
                yield row


async def main() -> None:
    """Measure, show, write."""
    (ROOT / "build").mkdir(exist_ok=True)
    spare_the_collector()
    measured = []
    async for row in rows(set(sys.argv[1:])):
        measured.append(row)
        print(f"{row.id}: {row.ratio if row.ratio is not None else row.ours}", file=sys.stderr)
    (ROOT / "build" / "bench.json").write_bytes(
        orjson.dumps([row.members() for row in measured], option=orjson.OPT_INDENT_2)
    )
    Console().print(table(measured))


def table(measured: list[Row]) -> Table:
    """The figures for a person."""
    shown = Table("id", "what", "ours", "against", "ratio", "goal", "met", title="Testamur, measured here and now")
    for row in measured:
        against = "" if row.against is None else f"{row.against:,.1f}"
        ratio = "" if row.ratio is None else f"{row.ratio:g}"
        met = "[green]yes[/]" if row.met else "[red]no[/]"
        shown.add_row(row.id, row.what, f"{row.ours:,.1f}", against, ratio, row.goal, met)
    return shown


if __name__ == "__main__":
    uvloop.run(main())

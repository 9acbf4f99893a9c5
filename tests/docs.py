"""Render the documents for others: an OpenAPI document for each service, an AsyncAPI document for all events, the settings.

    python -m tests.docs             write docs/api and docs/settings.md
    python -m tests.docs --check     say which are not what the code would render now; exit 1 if any
    python -m tests.docs --accept    write the golden schemas of the event kinds; refuses what needs a new version

A kind that was never released may break: delete its golden schema first, and accept the new one.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from shared.events import asyncapi
from shared.events.base import CATALOGUE
from shared.settings import NodeSettings
from testamur import __version__
from tests import settings_page
from tests.contract import evolution
from tests.shared_data import ROOT

SERVICES = ("issuer", "registry", "verifier", "notifier")
"""The services that have an HTTP API."""

FOLDER = ROOT / "docs"

API = "api"
"""The folder below, in which every document is rendered."""
SETTINGS = "settings.md"


def documents() -> dict[str, bytes]:
    """Each document's path below docs and its content, as the code renders it now."""
    examples = {kind: json.loads(evolution.sample(kind)) for kind in sorted(CATALOGUE)}
    rendered = {f"{API}/{service}.openapi.json": _openapi(service) for service in SERVICES}
    rendered[f"{API}/asyncapi.json"] = asyncapi.render(__version__, examples)
    return {name: as_file(document) for name, document in rendered.items()} | {SETTINGS: settings_page.render().encode()}


def as_file(document: Any) -> bytes:
    """A document as it is kept: JSON that reads well in a diff."""
    return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"


def stale(folder: Path = FOLDER) -> list[str]:
    """The paths of documents that are missing, or are not what the code renders now, or that nothing renders any more."""
    now = documents()
    kept = {path.relative_to(folder).as_posix(): path.read_bytes() for path in _kept(folder)}
    return sorted(name for name in now.keys() | kept.keys() if now.get(name) != kept.get(name))


def breaches() -> list[str]:
    """What an accepted kind would break by becoming what its class says now."""
    found = []
    for kind, event in sorted(CATALOGUE.items()):
        old = evolution.accepted(kind)
        if old is not None:
            found += [f"{kind}: {breach}" for breach in evolution.compatible(old, asyncapi.payload_schema(event))]
    return found


def write(folder: Path = FOLDER) -> None:
    """Write all documents, and remove those that nothing renders any more."""
    (folder / API).mkdir(parents=True, exist_ok=True)
    now = documents()
    for path in _kept(folder):
        if path.relative_to(folder).as_posix() not in now:
            path.unlink()
    for name, content in now.items():
        (folder / name).write_bytes(content)


def accept() -> None:
    """Write the golden schema of each kind."""
    for kind, event in CATALOGUE.items():
        path = evolution.schema_file(kind)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(as_file(asyncapi.payload_schema(event)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.docs", description="Render docs/api and docs/settings.md.")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="say what is stale, and write nothing")
    mode.add_argument("--accept", action="store_true", help="write the golden schemas of the event kinds")
    asked = parser.parse_args(arguments)
    if asked.check:
        return _complain([f"docs/{name} is stale: run `make docs`" for name in stale()])
    if asked.accept:
        broken = breaches()
        if not broken:
            accept()
        return _complain([f"{breach}: give the kind its next version" for breach in broken])
    write()
    return 0


def _kept(folder: Path) -> list[Path]:
    return [path for path in (*(folder / API).glob("*.json"), folder / SETTINGS) if path.exists()]


def _openapi(service: str) -> Any:
    build = import_module(f"services.{service}.app").build_app
    return build(NodeSettings.load(node="ee")).openapi()


def _complain(complaints: Sequence[str]) -> int:
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())

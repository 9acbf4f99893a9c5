"""Promise: a command line starts soon, for it loads its own command; a process that runs one service holds no other."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest
import typer

from services import cli
from services.cli.command_table import GROUPS, MODULES, load
from services.node import SERVICES
from tests.shared_data import ROOT


def loaded(code: str) -> set[str]:
    """The modules of ours that are there in a new interpreter after some code."""
    ending = "import sys; print(*[name for name in sys.modules if name.startswith('services.')])"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{ending}"], capture_output=True, text=True, cwd=ROOT, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_every_command_stands_in_the_table_under_the_module_that_holds_it() -> None:
    assert {module: tuple(load(module).commands) for module in MODULES} == dict(MODULES)
    every = [import_module(module.name) for module in walk_packages(cli.__path__, "services.cli.")]
    holding = {
        module.__name__.removeprefix("services.cli.")
        for module in every
        if isinstance(getattr(module, "app", None), typer.Typer)
    }
    assert holding - {"app"} == {*MODULES, *GROUPS.values()}


def test_asking_for_the_version_loads_no_command() -> None:
    there = loaded("from services.cli.app import run; run(['--version'])")
    assert "services.cli.app" in there
    assert not there & {f"services.cli.{module}" for module in (*MODULES, *GROUPS.values())}


@pytest.mark.parametrize("service", SERVICES)
def test_a_process_that_runs_one_service_holds_no_other(service: str, tmp_path: Path) -> None:
    settings = f"NodeSettings(node='ee', home={str(tmp_path)!r})"
    there = loaded(
        "from services.node import build_node\nfrom shared.settings import NodeSettings\n"
        f"build_node({settings}, services=({service!r},))"
    )
    assert {name.split(".")[1] for name in there} & set(SERVICES) == {service}

"""A program in another folder is checked against our types as soon as the wheel is installed."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.shared_data import ROOT

PROGRAM = """
from shared.clock import SystemClock
from shared.events.issuance import CredentialIssued
from testamur import Client, ProblemError, __version__

node = Client("http://127.0.0.1:8400", "a token")
reveal_type(node)
reveal_type(node.verify("a credential"))
reveal_type(ProblemError(404, {}).slug)
reveal_type(__version__)
reveal_type(SystemClock().monotonic())
reveal_type(CredentialIssued.subject)
node.revoke(5)
SystemClock(5)
"""
REVEALED = [
    "shared.client.Client",
    "dict[str, Any]",
    "str",
    "str",
    "float",
    "def (self: shared.events.issuance.CredentialIssued) -> str",
]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python of its own that has the wheel, and beside it what is installed here, but nothing of this checkout."""
    folder = tmp_path_factory.mktemp("typed")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    (site,) = folder.glob("venv/lib/python*/site-packages")
    (wheel,) = folder.glob("testamur-*.whl")
    zipfile.ZipFile(wheel).extractall(site)
    for installed in Path(sysconfig.get_path("purelib")).iterdir():
        if "testamur" not in installed.name:
            (site / installed.name).symlink_to(installed)
    return folder / "venv/bin/python"


def test_what_a_program_imports_has_its_types_and_a_wrong_argument_is_reported(python: Path, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    check = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", "cache", "--python-executable", str(python)]
    told = subprocess.run([*check, "program.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert re.findall(r'Revealed type is "(.*)"', told.stdout) == REVEALED, told.stdout + told.stderr
    assert re.findall(r"^program.py:(\d+): error: .*\[(.*)\]$", told.stdout, re.MULTILINE) == [
        ("13", "arg-type"),
        ("14", "call-arg"),
    ]


def test_the_stub_of_the_front_door_offers_what_the_module_offers(python: Path, tmp_path: Path) -> None:
    compared = subprocess.run(
        [str(python), "-m", "mypy.stubtest", "testamur"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert compared.returncode == 0, compared.stdout + compared.stderr

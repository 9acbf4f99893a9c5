"""`pip install` into an empty environment gives a working `testamur demo`, away from the checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.shared_data import ROOT

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

PIP = ("--disable-pip-version-check", "--quiet")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", *PIP, "--no-deps", "--no-build-isolation", "-w", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, text=True)
    (built,) = folder.glob("testamur-*.whl")
    return built


def test_the_wheel_holds_what_runs_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"services", "shared", "testamur.py", "testamur-stubs"}
    assert "services/cli/demo/data-literacy.yaml" in names
    assert not any(name.endswith((".pyc", ".db", ".jwe")) for name in names)


def test_an_empty_environment_tells_the_whole_story(wheel: Path, tmp_path: Path) -> None:
    pins = tmp_path / "pins.txt"
    locked = re.findall(r"^([A-Za-z0-9._-]+==\S+)(?: ;([^\\\n]*))?", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    pins.write_text("".join(f"{pin} ;{marker}\n" if marker else f"{pin}\n" for pin, marker in locked))
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True, capture_output=True)
    python, testamur = tmp_path / "venv/bin/python", tmp_path / "venv/bin/testamur"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("TESTAMUR_", "PYTHON"))}
    install = [str(python), "-m", "pip", "install", *PIP, "--retries", "1", "--constraint", str(pins), str(wheel)]
    installed = subprocess.run(install, env=clean, capture_output=True, text=True, check=False)
    if installed.returncode and re.search(
        r"Connection|Could not fetch|No matching distribution|Temporary failure", installed.stderr
    ):
        pytest.skip("the package index cannot be reached from here, so nothing can be installed into an empty environment")
    assert installed.returncode == 0, installed.stderr
    away = tmp_path / "away"
    away.mkdir()
    told = subprocess.run([str(testamur), "demo"], cwd=away, env=clean, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "answers came out as they should" in told.stdout

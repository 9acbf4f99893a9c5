"""Where the real samples, official vectors and controlled lists lie, and what a test says when they do not."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("TESTAMUR_SHARED", ROOT.parent / "shared"))


def shared_file(*parts: str) -> Path:
    """A file of the shared data folder; skips the test with the reason where the folder is absent."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"no {'/'.join(parts)} beside this checkout (set TESTAMUR_SHARED to the folder that holds it)")
    return path


def shared_json(*parts: str) -> Any:
    """A JSON file of the shared data folder, read."""
    return json.loads(shared_file(*parts).read_text())

"""The decision on dependencies goes through every direct one, and through none that is gone."""

from __future__ import annotations

import re
import tomllib

from packaging.requirements import Requirement

from tests.shared_data import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
DECISION = (ROOT / "docs/adr/0019-dependencies.md").read_text()


def test_every_direct_dependency_stands_in_a_table_and_nothing_else() -> None:
    of_extras = PROJECT["project"]["optional-dependencies"].values()
    of_groups = PROJECT["dependency-groups"].values()
    asked = {Requirement(one).name for some in (PROJECT["project"]["dependencies"], *of_extras, *of_groups) for one in some}
    rows = re.findall(r"^\| ([a-z][a-z0-9, -]*) \|", DECISION, re.MULTILINE)
    assert {name for row in rows if row != "library" for name in row.split(", ")} == asked - {"testamur"}


def test_motor_is_needed_by_the_tests_and_by_no_image() -> None:
    assert re.search(r"^motor==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert not re.search(r"^motor==", (ROOT / "deploy/production.lock").read_text(), re.MULTILINE)

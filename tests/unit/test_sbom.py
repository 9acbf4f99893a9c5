"""The bill of materials names what the image holds, all of it, and nothing of where it was fetched from."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from testamur import __version__
from tests.shared_data import ROOT

LOCK = (ROOT / "deploy/production.lock").read_text()
ELSEWHERE = {"colorama": "Windows", "httpx2-jsfetch": "a browser"}
"""What the lock holds for other systems than the image's."""


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("sbom") / "sbom.json"
    subprocess.run([sys.executable, str(ROOT / "deploy/sbom.py"), str(path)], check=True)
    return path.read_text()


@pytest.fixture(scope="module")
def bill(text: str) -> Any:
    return json.loads(text)


def test_the_document_is_valid_by_the_official_schema(text: str) -> None:
    official = JsonStrictValidator(SchemaVersion.V1_6)
    assert official.validate_str(text) is None
    assert official.validate_str(text.replace('"library"', '"book"')) is not None


def test_every_package_of_the_image_is_named_with_its_version(bill: Any) -> None:
    pins = dict(re.findall(r"^([a-z0-9.-]+)==([^\s\\]+)", LOCK, re.MULTILINE))
    named = {one["name"]: one["version"] for one in bill["components"]}
    assert named == {name: version for name, version in pins.items() if name not in ELSEWHERE}
    assert bill["metadata"]["component"]["version"] == __version__
    assert all(one["purl"] == f"pkg:pypi/{one['name']}@{one['version']}" for one in bill["components"])


def test_every_hash_that_the_lock_permits_stands_with_its_package(bill: Any) -> None:
    for one in bill["components"]:
        (block,) = re.findall(rf"^{re.escape(one['name'])}==.*\n((?:    --hash=.*\n)+)", LOCK, re.MULTILINE)
        assert {entry["content"] for entry in one["hashes"]} == set(re.findall(r"sha256:([0-9a-f]{64})", block))
        assert {entry["alg"] for entry in one["hashes"]} == {"SHA-256"}


def test_every_package_is_there_because_the_product_needs_it(bill: Any) -> None:
    needs = {entry["ref"]: set(entry.get("dependsOn", ())) for entry in bill["dependencies"]}
    reached: set[str] = set()
    waiting = {bill["metadata"]["component"]["bom-ref"]}
    while waiting:
        reached |= waiting
        waiting = set().union(*(needs[ref] for ref in waiting)) - reached
    assert reached == needs.keys()
    assert "pkg:pypi/starlette" in {ref.partition("@")[0] for ref in needs[f"pkg:pypi/fastapi@{version(bill, 'fastapi')}"]}


def test_no_host_is_named_but_that_of_the_schema(text: str) -> None:
    assert re.findall(r"[a-z]+://[^\s\"]+", text) == ["http://cyclonedx.org/schema/bom-1.6.schema.json"]


def version(bill: Any, name: str) -> str:
    (found,) = (one["version"] for one in bill["components"] if one["name"] == name)
    return found
